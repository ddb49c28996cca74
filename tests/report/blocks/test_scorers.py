"""The means of checks that measure, in every form of the scorecard."""

from __future__ import annotations

import json
from typing import Any

import pytest

from assay.report.block import Scorecard, Section
from assay.report.blocks.scorers import MEAN_COLUMNS, MEANS_TITLE, NOT_COVERED, ScorersBlock, read, sections
from assay.report.queries.rates import RUN_RATES, SCORE_COUNTS
from assay.report.render import html, markdown
from assay.terminal.output import write_scorecard
from tests.report.cards import scorecard
from tests.report.test_render import RUN

COUNTS: dict[str, Any] = {
    "population": "input", "scorer": "words", "scorer_kind": "custom", "scorer_version": "v1", "n_judgements": 120,
    "n_no_output": 8, "n_scored": 110, "n_unscored": 1, "n_failed": 1, "n_refused": 0, "n_passed": 0, "n_undecided": 112,
    "n_fallback": 0, "n_delivered_passed": 0, "n_delivered_undecided": 112, "is_measure": True,
}  # fmt: skip
MEAN: dict[str, Any] = {
    "metric": "mean", "scorer": "words", "scorer_version": "v1", "population": "input", "slice": "overall",
    "method": "hall_t", "value": 41.2345, "low": 39.5, "high": 43.25, "n": 112, "clusters": 112, "effective_n": 112.0,
    "worst": None, "best": None, "status": "unscored", "reason": "2 of 112 unscored",
    "details": json.dumps({"sd": 12.5, "n": 110, "n_unscored": 2, "n_without_output": 8}),
}  # fmt: skip


class Landed:
    """The rows of one run, by statement."""

    def __init__(self, counts: list[dict[str, Any]], estimates: list[dict[str, Any]]) -> None:
        self._found = {SCORE_COUNTS: counts, RUN_RATES: estimates}

    def rows(self, statement: Any) -> tuple[dict[str, Any], ...]:
        return tuple(self._found[statement])


def block(*estimates: dict[str, Any]) -> ScorersBlock:
    return read(Landed([COUNTS], list(estimates)))  # type: ignore[arg-type]


def means(found: ScorersBlock) -> Section:
    return list(sections(Scorecard("sorting", (found,))))[1]


def test_the_mean_is_shown_with_its_interval_its_records_and_the_unscored_outputs() -> None:
    section = means(block(MEAN, {**MEAN, "slice": "kind=a", "value": 7.0}))

    assert (section.title, section.columns) == (MEANS_TITLE, MEAN_COLUMNS)
    assert section.rows == [("input", "words", "110", "41.23", "12.5", "39.5 – 43.25 (2 of 112 unscored)", "2")]
    assert section.legend == ""


def test_terminal_markdown_and_page_show_the_same_means(capsys: pytest.CaptureFixture[str]) -> None:
    card = scorecard(run=RUN, means=block(MEAN).means)

    write_scorecard(card)
    shown = capsys.readouterr().out

    for text in (shown, markdown(card), html(card)):
        assert MEANS_TITLE in text and "41.23" in text and "39.5 – 43.25" in text


def test_the_json_has_the_unrounded_mean() -> None:
    (row,) = Scorecard("sorting", (block(MEAN),)).as_dict()["means"]

    assert (row["mean"], row["low"], row["high"], row["n"], row["n_unscored"]) == (41.2345, 39.5, 43.25, 110, 2)
    assert (row["sd"], row["status"], row["scorer_version"]) == (12.5, "unscored", "v1")


@pytest.mark.parametrize(
    ("changed", "shown"),
    [
        ({"low": None, "high": None, "reason": "all amounts are the same: no interval"}, ("41.23", "all amounts are the same: no interval")),
        ({"n": 111}, ("–", NOT_COVERED)),
        ({"details": None}, ("–", NOT_COVERED)),
    ],
)  # fmt: skip
def test_a_mean_without_an_interval_or_of_other_outputs_has_the_reason(
    changed: dict[str, Any], shown: tuple[str, str]
) -> None:
    (row,) = means(block({**MEAN, **changed})).rows

    assert (row[3], row[5]) == shown


def test_a_scorer_without_a_mean_or_with_one_of_another_version_has_no_row() -> None:
    assert means(block()).rows == means(block({**MEAN, "scorer_version": "v0"})).rows == []
