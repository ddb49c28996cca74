"""Means in the unit of the score against scipy, and the errors of the bounds that gate rules decide on."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats
from statsmodels.regression.linear_model import OLS

from assay.statistics.measured import Status
from assay.statistics.numeric.means import ScoreScale, gate_mean, scored_mean
from assay.statistics.numeric.paired_means import compare_means
from assay.statistics.paired import pair
from assay.statistics.sampling import Groups, Sampling

LEVELS = ScoreScale(lowest=1, highest=5)


def mean_of(values: list[float], *, scale: ScoreScale | None = None, clusters: list[str] | None = None):
    return scored_mean(np.array(values), Groups.of(len(values), Sampling(clusters=clusters)), scale=scale)


def test_a_mean_of_symmetric_numbers_has_the_interval_of_students_t() -> None:
    values = [float(i) for i in range(-20, 21)]

    found = mean_of(values)

    expected = stats.t.interval(0.95, len(values) - 1, loc=0, scale=stats.sem(values))
    assert (found.value, found.low, found.high) == pytest.approx((0, *expected))
    assert found.standard_error == pytest.approx(stats.sem(values))


def test_clusters_that_share_a_value_count_once() -> None:
    alone = [float(i) for i in range(30)]
    repeated = [value for value in alone for _ in range(10)]

    found = mean_of(repeated, clusters=[f"c{i}" for i in range(30) for _ in range(10)])

    assert found.standard_error == pytest.approx(stats.sem(alone))
    assert (found.n, found.clusters) == (300, 30)


def test_a_constant_sample_has_a_value_and_no_interval() -> None:
    found = mean_of([3.0] * 40)

    assert (found.value, found.low, found.high, found.status) == (3.0, None, None, Status.TOO_FEW)
    assert found.reason == "all amounts are the same: no interval"


def test_a_constant_sample_on_a_scale_has_the_width_of_a_rate() -> None:
    found = mean_of([5.0] * 40, scale=LEVELS)

    assert found.high == 5.0
    assert found.low == pytest.approx(1 + 4 * stats.beta.ppf(0.025, 40, 1))


def test_unscored_rows_span_the_scale_or_are_counted_in_the_reason() -> None:
    values = [2.0, 4.0] * 19 + [math.nan] * 2

    on_scale, other = mean_of(values, scale=LEVELS), mean_of(values)

    assert (on_scale.worst, on_scale.best) == pytest.approx(((3 * 38 + 2 * 1) / 40, (3 * 38 + 2 * 5) / 40))
    assert on_scale.value == on_scale.worst
    assert (other.value, other.n, other.status) == (pytest.approx(3.0), 40, Status.UNSCORED)
    assert other.reason == "2 of 40 unscored (5.0%), without bounds: the mean is of the others"
    assert on_scale.reason.startswith("2 of 40 unscored: the value counts them as the lowest score")


@pytest.mark.parametrize("values", [[1.0] * 60, [1.0, 2.0] * 24, [*([1.0, 2.0] * 40), math.nan]])
def test_a_rule_is_not_decided_on_constant_few_or_unscored_numbers(values: list[float]) -> None:
    assert gate_mean(values, scale=None).measured.status is Status.INCONCLUSIVE


def test_unequal_clusters_count_as_the_effective_number_of_equal_ones() -> None:
    random, sizes = np.random.default_rng(5), [300, *[4] * 99]  # Kish: 696² / (300² + 99 · 16)
    clusters = [cluster for cluster, size in enumerate(sizes) for _ in range(size)]
    values = random.normal(20, 5, len(clusters)).tolist()

    uneven = gate_mean(values, Sampling(clusters=clusters), scale=None)
    even = gate_mean(values, Sampling(clusters=[place // 8 for place in range(len(values))]), scale=None)

    assert (uneven.bounds is None or uneven.measured.status is Status.INCONCLUSIVE) and uneven.measured.clusters == 100
    assert "100 clusters of unequal weight, worth 5 of equal weight: a rule on a mean needs" in (
        uneven.measured.reason or ""
    )
    assert even.measured.status is Status.OK


@pytest.mark.parametrize(
    ("n", "sigma", "limit"), [(50, 0.5, 0.05), (50, 1.0, 0.05), (200, 1.0, 0.05), (200, 1.5, 0.055)]
)
def test_bounds_keep_their_error_on_log_normal_numbers(n: int, sigma: float, limit: float) -> None:
    random, samples, truth = np.random.default_rng(3), 1500, math.exp(sigma**2 / 2)
    found = [gate_mean(random.lognormal(0, sigma, n).tolist(), scale=None) for _ in range(samples)]

    above = sum(one.measured.low > truth for one in found) / samples
    below = sum(one.measured.high < truth for one in found) / samples
    assert max(above, below) <= limit + 2 * (limit * (1 - limit) / samples) ** 0.5


def test_the_p_value_is_the_error_rate_at_which_the_bound_reaches_the_limit() -> None:
    values = np.random.default_rng(1).lognormal(0, 1, 80).tolist()

    bounds = gate_mean(values, scale=None).bounds

    assert bounds is not None
    for error in (0.01, 0.05, 0.2):
        assert bounds.p_below(bounds.upper(error)) == pytest.approx(error, rel=1e-6)
        assert bounds.p_above(bounds.lower(error)) == pytest.approx(error, rel=1e-6)


def test_a_score_outside_its_scale_is_refused() -> None:
    with pytest.raises(ValueError, match="expected 0 to 1"):
        mean_of([6.0], scale=LEVELS)
    with pytest.raises(ValueError, match="above 5"):
        ScoreScale(lowest=5, highest=5)


@pytest.mark.parametrize(("n", "share"), [(160, 0.01), (300, 0.005), (1000, 0.002)])
def test_a_mean_of_few_extreme_numbers_at_the_limit_is_not_decided(n: int, share: float) -> None:
    """Nearly all numbers are 1, some are 2, and the few of 100 decide the mean, which is the limit of the rule."""
    random, samples, passes = np.random.default_rng(7), 600, 0
    for _ in range(samples):
        drawn = random.random(n)
        values = np.where(drawn < share, 100.0, np.where(drawn < 4 * share, 2.0, 1.0))
        found = gate_mean(values.tolist(), scale=None).measured
        passes += found.status is Status.OK and found.high < 1 + (99 + 3) * share
    assert passes / samples <= 0.05


def test_few_numbers_that_differ_from_the_usual_one_are_too_few() -> None:
    few, enough = [1.0] * 91 + [50.0] * 9, [1.0] * 90 + [50.0] * 10

    assert (mean_of(few).status, gate_mean(few, scale=None).measured.status) == (Status.TOO_FEW, Status.INCONCLUSIVE)
    assert mean_of(few).reason == "9 of 100 records differ from the usual number 1, fewer than 10"
    assert mean_of(enough).status is gate_mean(enough, scale=None).measured.status is Status.OK


@pytest.mark.parametrize("n", range(1, 6))
def test_few_numbers_have_a_mean_and_no_decision(n: int) -> None:
    for values, clusters in [
        ([1.0] * n, None),
        ([float(i) for i in range(n)], None),
        ([float(i) for i in range(n)], ["a"] * n),
    ]:
        assert mean_of(values, clusters=clusters).value == pytest.approx(np.mean(values))
        assert gate_mean(values, Sampling(clusters=clusters), scale=None).measured.status is Status.INCONCLUSIVE


def uneven(seed: int, records: int = 60) -> dict[int, list[float]]:
    """Levels from 1 to 5 of records with one to five epochs; records with more epochs have lower levels."""
    random = np.random.default_rng(seed)
    return {n: np.clip(random.normal(5 - n % 5, 1, 1 + n % 5), 1, 5).tolist() for n in range(records)}


@pytest.mark.parametrize("scale", [None, LEVELS])
def test_records_with_uneven_epochs_count_once_in_a_mean_a_rule_and_a_comparison(scale: ScoreScale | None) -> None:
    candidate, champion = uneven(1), uneven(2)
    rows = [(record, value) for record, values in candidate.items() for value in values]
    values, records = [value for _, value in rows], [record for record, _ in rows]

    rule = gate_mean(values, Sampling(records=records), scale=scale).measured
    landed = scored_mean(np.array(values), Groups.of(len(candidate)), records=np.array(records), scale=scale)
    compared = compare_means(pair(candidate, champion), scale=scale)

    averages = [sum(epochs) / len(epochs) for epochs in candidate.values()]
    assert abs(np.mean(averages) - np.mean(values)) > 0.3  # pooled predictions have another mean
    assert [rule.value, landed.value, compared.candidate_rate] == pytest.approx([np.mean(averages)] * 3, rel=1e-12)
    assert (rule.n, landed.n, landed.clusters) == (180, 180, 60)
    assert [rule.standard_error, landed.standard_error] == pytest.approx([stats.sem(averages)] * 2)


def test_clusters_of_records_with_uneven_epochs_have_the_cluster_robust_error_of_statsmodels() -> None:
    candidate = uneven(3)
    rows = [(record, value) for record, values in candidate.items() for value in values]
    sampling = Sampling(records=[record for record, _ in rows], clusters=[f"c{record // 3}" for record, _ in rows])

    found = gate_mean([value for _, value in rows], sampling, scale=None).measured

    averages = np.array([np.mean(epochs) for epochs in candidate.values()])
    fit = OLS(averages, np.ones(60)).fit(
        cov_type="cluster", cov_kwds={"groups": np.arange(60) // 3, "use_correction": False}
    )
    assert found.value == pytest.approx(fit.params[0])
    assert found.standard_error == pytest.approx(fit.bse[0] * math.sqrt(20 / 19))


def test_an_unscored_epoch_leaves_its_record_out_as_in_a_comparison() -> None:
    candidate, champion = uneven(4), uneven(5)
    candidate[4] = [*candidate[4][:-1], math.nan]
    rows = [(record, value) for record, values in candidate.items() for value in values]

    rule = gate_mean(
        [value for _, value in rows], Sampling(records=[record for record, _ in rows]), scale=None
    ).measured
    levels = gate_mean(
        [value for _, value in rows], Sampling(records=[record for record, _ in rows]), scale=LEVELS
    ).measured

    others = [np.mean(epochs) for record, epochs in candidate.items() if record != 4]
    compared = compare_means(pair(candidate, champion))
    assert [rule.value, compared.candidate_rate] == pytest.approx([np.mean(others)] * 2)
    assert (rule.status, rule.n, str(rule.reason)[:17]) == (Status.INCONCLUSIVE, 180, "1 of 180 unscored")
    lowest, highest = (np.mean([*others, np.mean([*candidate[4][:-1], level])]) for level in (1, 5))
    assert (levels.value, levels.worst, levels.best) == pytest.approx((lowest, lowest, highest))
