"""Candidate and champion are compared on the records and slices that both have."""

from __future__ import annotations

import pytest

from assay.errors import UsageError
from assay.evaluation.comparisons import compared
from assay.evaluation.outcomes import Outcomes
from tests.evaluation.scenario import outcomes


def test_rates_of_a_comparison_are_those_of_records_that_both_answered() -> None:
    candidate, champion = outcomes(right=40), outcomes(right=10, count=20)

    overall = next(compared(candidate, champion, metrics=["reliability"], margins={}, seed=1))

    assert (overall.comparison.candidate_rate, overall.comparison.champion_rate, overall.comparison.left_out) == (
        1.0,
        0.5,
        20,
    )


def test_a_slice_that_only_one_has_is_left_out_and_nothing_in_common_is_a_mistake() -> None:
    candidate, champion = outcomes(right=40, slices=("k=x", "k=y")), outcomes(right=10, slices=("k=x",))
    assert {one.slice for one in compared(candidate, champion, metrics=["reliability"], margins={}, seed=1)} == {
        "overall",
        "k=x",
    }

    with pytest.raises(UsageError, match="no records in common"):
        list(compared(outcomes(right=1, count=2), Outcomes(()), metrics=["reliability"], margins={}, seed=1))
