"""Slices against the rest, against statsmodels, scipy and the exact probabilities of all outcomes."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import barnard_exact, binom, fisher_exact
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.proportion import confint_proportions_2indep, proportion_confint

from assay.statistics.conventions import ERROR
from assay.statistics.measured import Status
from assay.statistics.multiple.slices import SliceDifference, difference_bounds_of_slice, slice_differences
from assay.statistics.sampling import Groups


def compared(
    values: np.ndarray,
    slices: dict[str, np.ndarray],
    *,
    clusters: np.ndarray | None = None,
    records: np.ndarray | None = None,
) -> list[SliceDifference]:
    records = np.arange(len(values)) if records is None else records
    groups = Groups.numbered(records if clusters is None else clusters, records=records)
    return slice_differences(values.astype(float), groups, records=records, slices=slices)


def table(successes: int, n: int, rest: int, n_rest: int) -> tuple[np.ndarray, np.ndarray]:
    """Values and membership of a slice and its rest with so many successes."""
    values = np.r_[np.arange(n) < successes, np.arange(n_rest) < rest]
    return values.astype(float), np.arange(n + n_rest) < n


CASES = [(8, 20, 170, 180), (5, 50, 5, 450), (40, 40, 150, 160), (30, 100, 400, 900), (0, 12, 60, 60)]


@pytest.mark.parametrize("case", CASES)
def test_the_interval_of_independent_rows_is_newcombes_with_exact_bounds(case: tuple[int, int, int, int]) -> None:
    values, inside = table(*case)
    (found,) = compared(values, {"k=a": inside})

    (x, n, y, m), (p, q) = case, (case[0] / case[1], case[2] / case[3])
    low, high = proportion_confint(x, n, alpha=ERROR, method="beta")
    rest_low, rest_high = proportion_confint(y, m, alpha=ERROR, method="beta")
    assert (found.rate, found.rest_rate, found.n, found.n_rest) == (p, q, n, m)
    assert found.low == pytest.approx(p - q - np.hypot(p - low, rest_high - q), abs=1e-9)
    assert found.high == pytest.approx(p - q + np.hypot(high - p, q - rest_low), abs=1e-9)


@pytest.mark.parametrize("case", CASES)
def test_the_interval_contains_the_score_interval_of_statsmodels_and_the_p_value_is_not_below_barnards(
    case: tuple[int, int, int, int],
) -> None:
    values, inside = table(*case)
    (found,) = compared(values, {"k=a": inside})

    x, n, y, m = case
    low, high = confint_proportions_2indep(x, n, y, m, method="newcomb", compare="diff")
    assert found.low <= low + 1e-9 and found.high >= high - 1e-9
    exact = float(fisher_exact([[x, y], [n - x, m - y]]).pvalue)
    assert (found.p_value <= ERROR) == (exact <= ERROR)
    if n + m <= 220 and exact > 1e-5:
        assert found.p_value >= 0.9 * float(barnard_exact([[x, y], [n - x, m - y]]).pvalue)


@pytest.mark.parametrize("n", [(10, 90), (20, 20), (20, 120)])
@pytest.mark.parametrize("slices", [1, 20, 1000])
def test_equal_rates_are_rejected_at_most_at_the_error_rate(n: tuple[int, int], slices: int) -> None:
    """The exact probability of a one-sided bound that excludes 0, for every pair of counts."""
    error = ERROR / (2 * slices)
    beyond = np.array(
        [
            [difference_bounds_of_slice(*_groups(x, n[0], y, n[1])).lower(error) > 0 for y in range(n[1] + 1)]
            for x in range(n[0] + 1)
        ]
    )
    for rate in (0.02, 0.1, 0.5, 0.9, 0.98):
        chances = np.outer(binom.pmf(np.arange(n[0] + 1), n[0], rate), binom.pmf(np.arange(n[1] + 1), n[1], rate))
        assert float(chances[beyond].sum()) <= error


def _groups(x: int, n: int, y: int, m: int) -> tuple[np.ndarray, Groups, np.ndarray]:
    values, inside = table(x, n, y, m)
    return values, Groups.of(n + m), inside


def test_the_p_value_is_the_error_rate_at_which_the_interval_reaches_0() -> None:
    values, inside = table(30, 50, 380, 450)
    (found,) = compared(values, {"k=a": inside})
    assert found.p_value is not None
    bounds = difference_bounds_of_slice(values, Groups.of(500), inside)
    assert bounds.upper(found.p_value / 2) == pytest.approx(0.0, abs=1e-8)


def test_slices_are_worst_first_and_adjusted_as_by_statsmodels() -> None:
    random = np.random.default_rng(3)
    n = 600
    slices = {f"k={name}": random.random(n) < share for name, share in (("a", 0.1), ("b", 0.2), ("c", 0.5))}
    values = (random.random(n) < np.where(slices["k=a"], 0.5, 0.9)).astype(float)

    found = compared(values, slices)

    differences = [one.difference for one in found]
    assert differences == sorted(differences) and found[0].slice == "k=a"
    expected = multipletests([one.p_value for one in found], method="holm")[1]
    assert [one.test.p for one in found if one.test] == pytest.approx(expected.tolist(), abs=1e-12)
    assert found[0].is_decisive
    assert all(one.test.low <= one.low <= one.high <= one.test.high for one in found if one.test)
    assert {one.family for one in found} == {3}


def test_a_slice_with_too_few_records_is_reported_last_and_not_tested() -> None:
    values, inside = table(0, 9, 90, 91)
    all_but_nine = np.arange(100) < 91
    found = compared(values, {"k=small": inside, "k=most": all_but_nine, "k=half": np.arange(100) % 2 == 0})

    assert [(one.slice, one.test is None) for one in found] == [("k=half", False), ("k=small", True), ("k=most", True)]
    assert (found[1].rate, found[1].status) == (0.0, Status.TOO_FEW)
    assert found[1].reason == "9 records in the slice, fewer than 10: not tested"
    assert found[2].reason == "9 records outside of it, fewer than 10: not tested"
    assert {one.family for one in found} == {1, 0}


def test_epochs_count_as_one_record_and_few_clusters_are_not_tested() -> None:
    values, inside = table(20, 60, 100, 120)
    (epochs,) = compared(values, {"k=a": inside}, records=np.arange(180) // 10)
    assert (epochs.records, epochs.test) == (6, None)
    (clusters,) = compared(values, {"k=a": inside}, clusters=np.arange(180) // 12)
    assert clusters.reason == "5 clusters in the slice, fewer than 10: not tested"


def test_unscored_rows_fail_in_one_bound_and_pass_in_the_other() -> None:
    values, inside = table(30, 50, 150, 200)
    values[:3] = np.nan
    (found,) = compared(values, {"k=a": inside})

    worst, best = (np.where(np.isnan(values), np.where(inside, case, 1 - case), values) for case in (0.0, 1.0))
    assert found.status is Status.UNSCORED and found.difference == pytest.approx(27 / 50 - 0.75)
    assert found.low == pytest.approx(compared(worst, {"k=a": inside})[0].low)
    assert found.high == pytest.approx(compared(best, {"k=a": inside})[0].high)


def test_clusters_on_both_sides_narrow_the_interval_but_never_below_that_of_rows() -> None:
    """Rows of a cluster are alike, half of each cluster is in the slice: the variance between clusters cancels."""
    random = np.random.default_rng(2)
    clusters = np.repeat(np.arange(60), 10)
    level = np.clip(random.normal(0.7, 0.25, 60), 0, 1)[clusters]
    values, inside = (random.random(600) < level).astype(float), np.arange(600) % 2 == 0

    (both,) = compared(values, {"k=a": inside}, clusters=clusters)
    (apart,) = compared(values, {"k=a": inside}, clusters=clusters * 2 + inside)
    (rows,) = compared(values, {"k=a": inside})

    width = [one.high - one.low for one in (rows, both, apart)]
    assert width[0] - 1e-12 <= width[1] < width[2]


def test_a_row_may_be_in_several_slices_and_a_wrong_length_is_an_error() -> None:
    values, inside = table(30, 50, 150, 200)
    assert len(compared(values, {"k=a": inside, "k=b": inside})) == 2
    with pytest.raises(ValueError, match="slice k=a: expected one entry per row"):
        compared(values, {"k=a": inside[:-1]})
