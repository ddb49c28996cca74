"""Answers, confusion matrix and metrics by class, as text and as charts."""

from __future__ import annotations

import re
from typing import Any

from assay.report.render import html, markdown, sections
from tests.report.cards import scorecard
from tests.report.test_render import RUN

METRIC = {"value": 0.75, "low": 0.5, "high": 0.9, "n": 8, "status": "ok", "reason": None}
UNDEFINED = {"value": None, "low": None, "high": None, "n": 0, "status": "none", "reason": "never answered"}
HOSTILE = "<script>alert(1)</script>"


def classes(*labels: str, **more: Any) -> dict[str, Any]:
    """Eight records of each class, of which two are answered as the next class and one is not answered."""
    confusion = [
        {"expected": label, "answer": answered, "n": n}
        for place, label in enumerate(labels)
        for answered, n in ((label, 5), (labels[(place + 1) % len(labels)], 2), (None, 1))
    ]
    row = {"n_expected": 8, "precision": METRIC, "recall": METRIC, "f1": UNDEFINED}
    return {
        "population": "input",
        "field": "category",
        "scorer": "right",
        "n": 8 * len(labels),
        "labels": list(labels),
        "answers": [{"answer": label, "n": 7} for label in labels],
        "without_answer": {"failed": len(labels)},
        "confusion": confusion,
        "classes": [{"label": label, **row} for label in labels],
        "averages": [{"label": "macro", **row, "n_expected": 8 * len(labels)}],
        **more,
    }


def test_the_tables_name_counts_shares_and_what_is_missing() -> None:
    answers, confused, metrics = sections(scorecard(run=RUN, answer_classes=(classes("a", "b"),)))[-3:]

    assert (answers.title, answers.rows) == (
        "Answers of category",
        [("a", "7", "43.8%"), ("b", "7", "43.8%"), ("no valid answer", "2", "12.5%")],
    )
    assert "failed: 2" in answers.note
    assert confused.rows[0] == ("a", "b", "2", "25.0%")
    assert confused.note == "10 of 16 answers are the expected class"
    assert metrics.rows[0] == ("a", "8", "75.0%", "50.0 – 90.0%", "75.0%", "50.0 – 90.0%", "–", "–")
    assert metrics.rows[-1][:2] == ("macro", "16")


def test_the_page_draws_every_pair_of_classes() -> None:
    page = html(scorecard(run=RUN, answer_classes=(classes("a", "b"),)))

    (drawn,) = re.findall(r'aria-label="(Confusion matrix[^"]*)"', page)
    assert "a answered as a: 5; a answered as b: 2; a answered as no valid answer: 1; b answered as a: 2" in drawn


def test_many_classes_are_a_table_of_the_most_frequent_confusions() -> None:
    found = sections(scorecard(run=RUN, answer_classes=(classes(*(f"c{n:02}" for n in range(30))),)))
    (confused,) = [section for section in found if section.title == "Confusion matrix of category"]

    assert confused.chart is None
    assert len(confused.rows) == 20
    assert "40 rarer pairs are not shown" in confused.note


def test_a_matrix_without_an_error_is_drawn_although_its_table_is_empty() -> None:
    right = [{"expected": label, "answer": label, "n": 4} for label in "ab"]
    card = scorecard(run=RUN, answer_classes=(classes("a", "b", confusion=right, without_answer={}),))

    assert "Confusion matrix of category" in html(card)
    assert "Confusion matrix" not in markdown(card)


def test_class_names_are_text_in_every_chart() -> None:
    page = html(scorecard(run=RUN, answer_classes=(classes(HOSTILE, "b"),)))

    assert HOSTILE not in page
    assert page.count("&lt;script&gt;alert(1)") > 3


def test_a_field_without_expected_classes_has_only_its_distribution() -> None:
    found = classes("a", "b", scorer=None, confusion=[], classes=[], averages=[])

    titles = [section.title for section in sections(scorecard(run=RUN, answer_classes=(found,)))]
    assert titles[-1] == "Answers of category"
