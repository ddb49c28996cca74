"""Rates and means of one sample against published values, scipy, statsmodels, brute force and their own promise."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise, product
from math import comb

import numpy as np
import pytest
from scipy import stats
from statsmodels.regression.linear_model import OLS, WLS
from statsmodels.stats.proportion import proportion_confint

from assay.statistics.conventions import LEVEL
from assay.statistics.cost_ratio import cost_per_correct
from assay.statistics.measured import Measured, Status, exact_bounds, wilson_bounds
from assay.statistics.rates import mean, rate, score_at_effective_n
from assay.statistics.sampling import Groups, Sampling, _satterthwaite, spread_of

RANDOM_SEED = 20


@pytest.fixture
def random() -> np.random.Generator:
    return np.random.default_rng(RANDOM_SEED)


def clustered(random: np.random.Generator, *, clusters: int, rate: float = 0.7) -> tuple[list[float], list[int]]:
    """Answers in clusters of 1 to 12 rows whose own rates vary."""
    sizes = random.integers(1, 13, clusters)
    codes = np.repeat(np.arange(clusters), sizes)
    own = random.beta(4 * rate, 4 * (1 - rate), clusters)
    return (random.random(len(codes)) < own[codes]).astype(float).tolist(), codes.tolist()


@pytest.mark.parametrize(("passed", "n", "method"), [(80, 100, "wilson"), (98, 100, "clopper_pearson")])
def test_independent_answers_have_wilsons_interval_or_the_exact_one(passed: int, n: int, method: str) -> None:
    found = rate([True] * passed + [False] * (n - passed))

    expected = proportion_confint(passed, n, method="wilson" if method == "wilson" else "beta")
    assert (found.method, found.status, found.value) == (method, Status.OK, passed / n)
    assert (found.low, found.high) == pytest.approx(expected, abs=1e-9)
    assert (found.n, found.clusters, found.effective_n) == (n, n, n)


def test_another_level_is_kept() -> None:
    found = rate([True] * 80 + [False] * 20, level=0.9)

    assert found.level == 0.9
    assert (found.low, found.high) == pytest.approx(proportion_confint(80, 100, alpha=0.1, method="wilson"), abs=1e-9)


@pytest.mark.parametrize(("successes", "n"), [(0, 10), (3, 10), (7, 25), (180, 200), (40, 40)])
def test_bounds_at_a_real_n_are_the_textbooks_at_a_whole_one(successes: int, n: int) -> None:
    share = successes / n

    assert wilson_bounds(share, n, error=0.025) == pytest.approx(proportion_confint(successes, n, method="wilson"))
    assert exact_bounds(share, n, error=0.025) == pytest.approx(proportion_confint(successes, n, method="beta"))


def test_the_variance_between_clusters_is_statsmodels_with_equal_sizes(random: np.random.Generator) -> None:
    codes = np.repeat(np.arange(25), 8)
    values = random.random(200) + random.random(25)[codes]
    fit = OLS(values, np.ones(200)).fit(cov_type="cluster", cov_kwds={"groups": codes, "use_correction": False})

    found = spread_of(Groups.of(200, Sampling(clusters=codes.tolist())), values - values.mean())

    assert found.variance == pytest.approx(float(fit.bse[0]) ** 2 * 25 / 24, rel=1e-9)
    assert found.df <= 24


def test_weights_enter_the_variance_as_in_statsmodels(random: np.random.Generator) -> None:
    values, weights = random.random(300), random.uniform(1, 5, 300)
    fit = WLS(values, np.ones(300), weights=weights).fit(cov_type="HC2")
    groups = Groups.of(300, Sampling(weights=weights.tolist()))

    found = spread_of(groups, values - groups.mean(values))

    assert groups.mean(values) == pytest.approx(float(fit.params[0]))
    assert found.variance == pytest.approx(float(fit.bse[0]) ** 2, rel=1e-9)


@pytest.mark.parametrize("correlation", [0.0, 0.3, 1.0])
def test_the_degrees_of_freedom_are_those_of_the_quadratic_form(
    random: np.random.Generator, correlation: float
) -> None:
    sizes = random.integers(1, 20, 15).astype(float)
    share, working = sizes / sizes.sum(), sizes * (1 + (sizes - 1) * correlation)
    factor = 1 / np.sqrt(1 - share)
    outer = np.outer(working, share)
    covariance = np.diag(working) - outer - outer.T + np.outer(share, share) * working.sum()
    form = covariance * np.outer(factor, factor)

    assert _satterthwaite(share, working, factor) == pytest.approx(np.trace(form) ** 2 / (form**2).sum())


def test_clusters_widen_the_interval_and_lower_the_effective_n(random: np.random.Generator) -> None:
    values, codes = clustered(random, clusters=60)

    alone, together = rate(values), rate(values, Sampling(clusters=codes))

    assert together.value == alone.value
    assert together.low < alone.low < alone.high < together.high
    assert together.effective_n < len(values) == together.n
    assert together.standard_error > (together.value * (1 - together.value) / len(values)) ** 0.5
    assert (together.clusters, together.method, together.status) == (60, "effective_n_wilson", Status.OK)


def test_clusters_that_do_not_matter_leave_the_interval_of_independent_rows() -> None:
    values = [float(i % 5 > 0) for i in range(1000)]

    found = rate(values, Sampling(clusters=[i // 5 for i in range(1000)]))

    assert found.effective_n == 1000
    assert (found.low, found.high) == pytest.approx(wilson_bounds(0.8, 999, error=0.025))


@pytest.mark.parametrize(("failures", "method"), [(1, "clopper_pearson"), (4, "clopper_pearson"), (6, "wilson")])
def test_few_failures_in_clusters_have_exact_bounds(failures: int, method: str) -> None:
    values = [1.0] * 300
    for place in range(failures):
        values[40 * place] = 0.0

    found = rate(values, Sampling(clusters=[i // 5 for i in range(300)]))

    assert found.method == f"effective_n_{method}"
    assert found.status is (Status.OK if method == "wilson" else Status.TOO_FEW)


def test_failures_in_few_clusters_have_exact_bounds_though_many_rows_failed() -> None:
    failed = {10 * cluster + row for cluster in range(3) for row in range(8)}

    found = rate([float(i not in failed) for i in range(600)], Sampling(clusters=[i // 10 for i in range(600)]))

    assert (found.method, found.status) == ("effective_n_clopper_pearson", Status.TOO_FEW)


def test_a_row_without_a_cluster_is_one_of_its_own() -> None:
    found = rate([1.0, 0.0] * 20, Sampling(clusters=["a", "a", *[None] * 38]))

    assert found.clusters == 39


@pytest.mark.parametrize(
    ("clusters", "status", "says"),
    [(9, Status.INCONCLUSIVE, "9 clusters"), (12, Status.WARNING, "12 clusters, fewer than 30"), (40, Status.OK, None)],
)
def test_few_clusters_are_said(random: np.random.Generator, clusters: int, status: Status, says: str | None) -> None:
    codes = np.repeat(np.arange(clusters), 30)
    values = (random.random(len(codes)) < random.beta(8, 8, clusters)[codes]).astype(float)

    found = rate(values.tolist(), Sampling(clusters=codes.tolist()))

    assert found.status is status
    assert found.reason is None if says is None else says in (found.reason or "")


def test_epochs_count_as_a_cluster_of_their_record(random: np.random.Generator) -> None:
    records = np.repeat(np.arange(100), 3)
    values = (random.random(300) < random.beta(1, 1, 100)[records]).astype(float)

    found = rate(values.tolist(), Sampling(records=records.tolist()))

    means = values.reshape(100, 3).mean(axis=1)
    half = stats.t.ppf(0.975, 99) * means.std(ddof=1) / 10
    assert (found.low, found.high) == pytest.approx((means.mean() - half, means.mean() + half), abs=0.004)
    assert (found.n, found.clusters, found.status) == (300, 100, Status.OK)
    assert 100 < found.effective_n < 300


def test_scores_between_0_and_1_come_near_students_interval(random: np.random.Generator) -> None:
    values = random.beta(4, 2, 400)

    found = rate(values.tolist())

    assert (found.low, found.high) == pytest.approx(stats.t.interval(0.95, 399, values.mean(), stats.sem(values)), abs=1e-3)  # fmt: skip


def test_bounds_stay_within_0_and_1_where_students_do_not() -> None:
    values = [1.0] * 58 + [0.2, 0.6]

    found = rate(values)

    assert stats.t.interval(0.95, 59, np.mean(values), stats.sem(values))[1] > 1
    assert found.low < np.mean(values) < found.high <= 1


@pytest.mark.parametrize("value", [0.0, 0.7, 1.0])
@pytest.mark.parametrize("n", [1, 2, 30])
def test_scores_that_are_all_the_same_have_an_interval_all_the_same(value: float, n: int) -> None:
    for sampling in (Sampling(), Sampling(records=[0, *range(n - 1)]), Sampling(clusters=["a"] * n)):
        found = rate([value] * n, sampling)

        assert found.value == pytest.approx(value)
        assert 0 <= found.low <= value <= found.high <= 1
        assert found.high - found.low > 0.05


def test_all_passes_in_clusters_say_no_more_than_there_are_clusters() -> None:
    found = rate([1.0] * 600, Sampling(clusters=[i % 20 for i in range(600)]))

    assert (found.low, found.high) == pytest.approx(proportion_confint(20, 20, method="beta"))
    assert (found.status, found.effective_n) == (Status.TOO_FEW, 20)


def test_weights_count_a_row_for_those_it_stands_for() -> None:
    found = rate([1.0] * 50 + [0.0] * 50, Sampling(weights=[1.0] * 50 + [3.0] * 50))

    assert found.value == pytest.approx(0.25)


def test_unequal_weights_cost_as_much_as_kish_says() -> None:
    values, weights = [1.0, 0.0, 1.0, 1.0] * 50, [1.0] * 100 + [3.0] * 100

    found = rate(values, Sampling(weights=weights))

    assert found.value == pytest.approx(0.75)
    assert found.effective_n == pytest.approx(sum(weights) ** 2 / sum(weight**2 for weight in weights), rel=0.01)


def test_equal_weights_change_nothing() -> None:
    values = [1.0] * 70 + [0.0] * 30

    assert rate(values, Sampling(weights=[7.0] * 100)) == rate(values)


def test_a_rate_falls_without_a_jump_as_more_rows_are_unscored() -> None:
    """9 of 1,000 rows, below 1%, and 11, above it: counted as failures alike, within bounds that widen evenly."""
    found = [rate([True] * 892 + [False] * (108 - unscored) + [None] * unscored) for unscored in (0, 1, 9, 11, 50)]

    assert [one.value for one in found] == [0.892] * 5
    assert [one.low for one in found] == [found[0].low] * 5
    assert [one.high for one in found] == pytest.approx(
        [proportion_confint(passed, 1000, method="wilson")[1] for passed in (892, 893, 901, 903, 942)]
    )
    assert [one.n for one in found] == [1000] * 5


def test_the_bounds_are_of_the_worst_and_the_best_case() -> None:
    found = rate([True] * 70 + [False] * 20 + [None] * 10)

    assert (found.value, found.worst, found.best) == (0.7, 0.7, 0.8)
    assert found.low == pytest.approx(proportion_confint(70, 100, method="wilson")[0])
    assert found.high == pytest.approx(proportion_confint(80, 100, method="wilson")[1])
    assert (found.status, found.n) == (Status.UNSCORED, 100)
    assert "10 of 100" in (found.reason or "")


def test_nothing_scored_may_be_anything() -> None:
    found = rate([None, None, None])

    assert (found.value, found.low, found.high, found.status) == (None, 0.0, 1.0, Status.UNSCORED)


def test_no_prediction_is_said() -> None:
    found = rate([])

    assert (found.value, found.low, found.n, found.status, found.reason) == (
        None,
        None,
        0,
        Status.NONE,
        "no prediction",
    )


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: rate([0.5, 1.5]), "expected 0 to 1"),
        (lambda: rate([0.5, float("inf")]), "finite"),
        (lambda: rate([1.0], Sampling(weights=[0.0])), "weights"),
        (lambda: rate([1.0], Sampling(weights=[float("nan")])), "weights"),
        (lambda: rate([1.0, 0.0], Sampling(clusters=["a"])), "clusters: expected one entry per row"),
        (lambda: rate([1.0, 0.0], Sampling(records=["r", "r"], clusters=["a", "b"])), "a record in two"),
        (lambda: cost_per_correct([1.0], []), "correct: expected one entry per cost"),
    ],
)
def test_what_does_not_fit_is_refused(call: Callable[[], Measured], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        call()


def test_small_samples_of_every_kind_have_bounds_around_their_value() -> None:
    for values in product((0.0, 0.4, 1.0), repeat=4):
        for sampling in (
            Sampling(),
            Sampling(weights=[1, 2, 3, 4]),
            Sampling(records=[0, 0, 1, 1]),
            Sampling(records=[0, 0, 1, 2], clusters=["a", "a", "a", None]),
        ):
            found = rate(values, sampling)

            assert 0 <= found.low <= found.value <= found.high <= 1
            assert found.high - found.low > 0.3


def test_successes_and_failures_are_mirror_images(random: np.random.Generator) -> None:
    values, codes = clustered(random, clusters=40)
    one = rate(values, Sampling(clusters=codes))
    other = rate([1 - value for value in values], Sampling(clusters=codes))

    assert (one.low, one.high) == pytest.approx((1 - other.high, 1 - other.low))


def test_epochs_that_repeat_themselves_add_nothing() -> None:
    once = [1.0] * 70 + [0.0] * 30
    found = rate(
        [value for value in once for _ in range(4)], Sampling(records=[i for i in range(100) for _ in range(4)])
    )

    assert found.effective_n == pytest.approx(100, rel=0.02)
    assert found.low == pytest.approx(rate(once).low, abs=0.01)


@pytest.mark.parametrize("truth", [0.5, 0.7, 0.85, 0.97])
def test_clusters_with_one_answer_each_are_covered_as_promised(truth: float) -> None:
    """Counted exactly: all rows of a cluster pass or all fail, so that a sample is a number of clusters that pass."""
    clusters, size, covered, pooled = 30, 5, 0.0, 0.0
    sampling = Sampling(clusters=[i // size for i in range(clusters * size)])
    for passing in range(clusters + 1):
        chance = comb(clusters, passing) * truth**passing * (1 - truth) ** (clusters - passing)
        found = rate([float(i < passing * size) for i in range(clusters * size)], sampling)
        covered += chance * (found.low <= truth <= found.high)
        low, high = wilson_bounds(passing / clusters, clusters * size, error=0.025)
        pooled += chance * (low <= truth <= high)

    assert covered >= 0.94
    assert pooled < 0.8


def test_a_mean_of_symmetric_amounts_has_students_interval(random: np.random.Generator) -> None:
    half = random.normal(0, 2, 100)
    values = 5 + np.concatenate([half, -half])

    found = mean(values.tolist())

    spread = stats.sem(values)
    assert (found.value, found.method) == (pytest.approx(5.0), "hall_t")
    assert found.low == pytest.approx(5 - found_t(values) * spread)
    assert found.high == pytest.approx(5 + found_t(values) * spread)


def found_t(values: np.ndarray) -> float:
    """Student's quantile at the degrees of freedom that the kurtosis leaves, at most n - 1."""
    squares = (values - values.mean()) ** 2
    df = min(len(values) - 1, 2 / ((squares**2).sum() / squares.sum() ** 2 - 1 / len(values)))
    return float(stats.t.ppf(0.975, df))


def test_a_mean_of_skewed_amounts_comes_near_the_bootstrap_t(random: np.random.Generator) -> None:
    values = random.exponential(3, 400)
    draws = values[random.integers(400, size=(4000, 400))]
    studentised = (draws.mean(axis=1) - values.mean()) / (draws.std(axis=1, ddof=1) / 20)
    low, high = np.quantile(studentised, [0.025, 0.975])
    error = values.std(ddof=1) / 20

    found = mean(values.tolist())

    assert found.low == pytest.approx(values.mean() - high * error, abs=0.15 * error)
    assert found.high == pytest.approx(values.mean() - low * error, abs=0.3 * error)


def test_a_mean_of_clusters_is_wider(random: np.random.Generator) -> None:
    codes = np.repeat(np.arange(50), 10)
    values = (random.random(500) + random.random(50)[codes]).tolist()
    alone, together = mean(values), mean(values, Sampling(clusters=codes.tolist()))

    assert together.high - together.low > 1.5 * (alone.high - alone.low)


@pytest.mark.parametrize(("values", "says"), [([], "no value"), ([None], "no value"), ([4.0], "one record"), ([2, 2], "the same")])  # fmt: skip
def test_a_mean_that_cannot_have_an_interval_says_why(values: list[float | None], says: str) -> None:
    found = mean(values)

    assert (found.low, found.high) == (None, None)
    assert says in (found.reason or "")


def test_the_cost_of_a_correct_answer_is_fiellers_where_bounds_are_symmetric(random: np.random.Generator) -> None:
    n = 4000
    correct = random.random(n) < 0.5
    costs = random.normal(10, 1, n) + correct

    found = cost_per_correct(costs.tolist(), correct.tolist())

    ratio, cov = costs.sum() / correct.sum(), np.cov(costs, correct) / n
    t = stats.norm.ppf(0.975)
    below, above = correct.mean(), costs.mean()
    a, b, c = below**2 - t**2 * cov[1, 1], below * above - t**2 * cov[0, 1], above**2 - t**2 * cov[0, 0]
    root = (b**2 - a * c) ** 0.5
    assert (found.value, found.method) == (pytest.approx(ratio), "mover_r")
    assert (found.low, found.high) == pytest.approx(((b - root) / a, (b + root) / a), rel=2e-3)


def test_the_cost_of_a_correct_answer_is_bounded_when_one_is_correct() -> None:
    found = cost_per_correct([0.01, 0.02, 0.03, 0.01] * 10, [True] + [False] * 39)

    assert found.value == pytest.approx(0.7)
    assert 0 < found.low < found.value < found.high < float("inf")


@pytest.mark.parametrize(
    ("n", "reason"), [(60, "all costs are the same"), (1, "one record or cluster shows no variation")]
)
def test_a_mean_cost_without_an_interval_gives_none_to_the_cost_per_correct(n: int, reason: str) -> None:
    found = cost_per_correct([0.5] * n, [True] * n)

    assert found.value == pytest.approx(0.5)
    assert (found.low, found.high, found.status) == (None, None, Status.TOO_FEW)
    assert reason in (found.reason or "")


@pytest.mark.parametrize(
    ("costs", "correct", "status", "says"),
    [
        ([1.0] * 50, [False] * 50, Status.NONE, "no prediction is correct"),
        ([1.0] * 49 + [None], [True] * 50, Status.NONE, "cost of 1 of 50 predictions is unknown"),
        ([0.0] * 50, [True] * 50, Status.TOO_FEW, "total cost is 0"),
        ([], [], Status.NONE, "no prediction"),
    ],
)
def test_a_cost_that_cannot_be_said_is_not_said(
    costs: list[float | None], correct: list[bool | None], status: Status, says: str
) -> None:
    found = cost_per_correct(costs, correct)

    assert (found.low, found.high, found.status) == (None, None, status)
    assert says in (found.reason or "")


def test_the_lower_bound_of_a_cost_counts_unscored_predictions_as_correct() -> None:
    costs, correct = [1.0, 2.0] * 25, [True] * 40 + [None] * 10
    worst = cost_per_correct(costs, [True] * 40 + [False] * 10)
    best = cost_per_correct(costs, [True] * 50)

    found = cost_per_correct(costs, correct)

    assert (found.value, found.high, found.low) == (worst.value, worst.high, best.low)
    assert found.status is Status.UNSCORED and "10 of 50" in (found.reason or "")


def test_few_clusters_stay_inconclusive_with_unscored_rows() -> None:
    found = rate([True, None, False, True] * 6, Sampling(clusters=[i // 8 for i in range(24)]))

    assert found.status is Status.INCONCLUSIVE and "3 clusters" in (found.reason or "")


def test_one_cluster_with_most_of_the_rows_is_inconclusive() -> None:
    found = rate([True, False] * 60, Sampling(clusters=[max(0, i - 60) for i in range(120)]))

    assert found.status is Status.INCONCLUSIVE and found.reason == "one cluster has 51% of the rows, more than half"


def test_the_same_influence_gives_the_same_interval_whatever_its_scale_of_weights(random: np.random.Generator) -> None:
    values, weights = random.integers(0, 2, 80).astype(float), random.uniform(1, 3, 80)
    one, other = (Groups.of(80, Sampling(weights=(weights * scale).tolist())) for scale in (1, 1000))

    found = [
        score_at_effective_n(groups.mean(values), groups, influence=values - groups.mean(values), level=LEVEL)
        for groups in (one, other)
    ]

    assert (found[0].low, found[0].high) == pytest.approx((found[1].low, found[1].high))


@pytest.mark.parametrize(("clusters", "size"), [(12, 25), (30, 10), (40, 25)])
def test_one_failure_more_changes_an_interval_in_clusters_little(
    clusters: int, size: int, random: np.random.Generator
) -> None:
    """From none on: it never doubles or halves, as it did where the method changed at 5 failures (0.29 to 0.03)."""
    n, codes = clusters * size, [row // size for row in range(clusters * size)]
    failing = random.permutation(n)
    widths = []
    for failures in range(16):
        values = np.ones(n)
        values[failing[:failures]] = 0.0
        found = rate(values.tolist(), Sampling(clusters=codes))
        assert found.low is not None and found.high is not None
        widths.append(found.high - found.low)

    assert all(0.5 < after / before < 2 for before, after in pairwise(widths))
