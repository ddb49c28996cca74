"""Wrong answers are shown with their masked content and the reason, and the header names models and prompts."""

from __future__ import annotations

from typing import Any

import pytest

from assay.report.block import Section
from assay.report.blocks.wrong import LONGEST_TEXT
from assay.report.render import facts, html, markdown, sections
from tests.report.cards import VERSION, scorecard
from tests.report.test_render import HOSTILE, RATE, Elements, card

WRONG: dict[str, Any] = {
    "prediction_id": "p1", "record_id": "r7", "epoch": 0, "population": "input", "slices": ["kind=plain"],
    "first_status": "ok", "status": "ok", "input": {"text": "Where is [EMAIL_1]?"}, "expected": {"label": "question"},
    "output": {"label": "praise", "note": "kind"}, "error_type": None, "error_message": None,
    "failed_checks": "label_right: expected question, found praise",
}  # fmt: skip


def wrong_section(*rows: dict[str, Any], of: int = 40) -> Section:
    whole = scorecard(**{**card().as_dict(), "wrong": rows, "n_wrong_records": of})
    (found,) = [section for section in sections(whole) if section.title.startswith("Wrong answers")]
    return found


def test_a_wrong_answer_is_shown_with_input_expected_output_and_reason() -> None:
    section = wrong_section(WRONG)

    assert section.title == "Wrong answers: 1 of 40 records"
    assert section.rows == [
        ("r7", "Where is [EMAIL_1]?", "question", "label: praise · note: kind", "label_right: expected question, found praise")
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("given", "got", "reason"),
    [
        ({"first_status": "failed", "status": "failed", "output": None, "error_type": "timeout", "error_message": "after 60 s"}, "– (failed)", "timeout: after 60 s"),
        ({"first_status": "refused", "status": "refused", "output": None}, "– (refused)", "no valid output"),
        ({"first_status": "fallback", "status": "fallback", "output": {"label": "other"}, "error_type": "invalid_output"}, "– (fallback: other)", "invalid_output"),
        ({"first_status": "invalid_output", "status": "ok"}, "– (invalid_output)", "no valid output at the first try; requested again, then ok"),
    ],
)  # fmt: skip
def test_a_failure_without_own_output_is_named(given: dict[str, Any], got: str, reason: str) -> None:
    (row,) = wrong_section({**WRONG, "failed_checks": None, **given}).rows

    assert row[3:] == (got, reason)


def test_long_content_is_cut() -> None:
    (row,) = wrong_section({**WRONG, "input": {"text": "x" * 5_000}}).rows

    assert len(row[1]) == LONGEST_TEXT
    assert row[1].endswith("…")


def test_a_run_without_wrong_answers_has_no_such_table() -> None:
    assert "Wrong answers" not in markdown(card())


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_content_adds_nothing_to_the_page(text: str) -> None:
    hostile = {"record_id": text, "input": {"text": text}, "output": {text: text}, "failed_checks": text}
    pages = [
        Elements(html(scorecard(**{**card().as_dict(), "wrong": ({**WRONG, **given},), "n_wrong_records": 1})))
        for given in ({}, hostile)
    ]

    assert (pages[0].tags, pages[0].attributes) == (pages[1].tags, pages[1].attributes)


def test_the_header_names_the_models_and_the_prompts() -> None:
    served = {"provider": "openai", "request_model": "small", "response_model": "small-2026-01", "n_calls": 990}
    version = {
        **VERSION,
        "models": [served],
        "prompts": {"system": "ab12cd34", "user": "99887766"},
        "git_sha": "0123456789",
    }
    shown = dict(facts(scorecard(**{**card().as_dict(), "version": version})))

    assert shown["model"] == "openai/small served as small-2026-01 (990 calls)"
    assert shown["prompt"] == "system ab12cd34 · user 99887766, commit 0123456"


def test_slices_are_shown_with_the_lowest_bound_first() -> None:
    bounds = {"kind=a": 0.7, "kind=b": 0.2, "kind=c": 0.5}
    slices = [{**RATE, "slice": name, "low": low} for name, low in bounds.items()]
    unknown = {**RATE, "slice": "kind=d", "low": None, "high": None, "worst_case": 0.3, "interval_status": "none"}
    whole = scorecard(**{**card().as_dict(), "reliability": (RATE, *slices, unknown)})
    (found,) = [section for section in sections(whole) if section.title.startswith("Reliability by slice")]

    assert [row[1] for row in found.rows] == ["kind=b", "kind=d", "kind=c", "kind=a"]


@pytest.mark.parametrize(
    ("record_id", "shown"),
    [
        ('{"tenant": "acme", "ticket": 7}', "tenant=acme, ticket=7"),
        ('["acme", 7, null]', "acme, 7, null"),
        ("r7", "r7"),
        ("7", "7"),
        ("{}", "{}"),
        ('{"cut', '{"cut'),
    ],
)
def test_a_composite_record_id_is_readable(record_id: str, shown: str) -> None:
    (row,) = wrong_section({**WRONG, "record_id": record_id}).rows

    assert row[0] == shown
