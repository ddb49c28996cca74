"""Differences of means against scipy, by simulation, and for scores that vary too little."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from assay.errors import UsageError
from assay.statistics.measured import Status
from assay.statistics.numeric.means import MeanBounds, ScoreScale
from assay.statistics.numeric.paired_means import compare_means, unestimable
from assay.statistics.paired import Pairs, pair
from assay.statistics.paired_bounds import StudentBounds
from assay.statistics.sampling import Sampling


def pairs(candidate: list[list[float]], champion: list[list[float]], clusters: list[str] | None = None) -> Pairs:
    numbered = [dict(enumerate(side)) for side in (candidate, champion)]
    return pair(*numbered, clusters=dict(enumerate(clusters)) if clusters else None)


def test_symmetric_differences_have_students_interval_and_p_value() -> None:
    champion = np.linspace(0, 100, 101)
    candidate = champion + np.linspace(-10, 12, 101)

    found = compare_means(pairs([[v] for v in candidate], [[v] for v in champion]), wanted=1.0, resamples=500, seed=1)

    expected = stats.ttest_rel(candidate, champion)
    interval = expected.confidence_interval(0.95)
    assert (found.low, found.high) == pytest.approx((interval.low, interval.high))
    assert found.p_value == pytest.approx(expected.pvalue)
    assert (found.difference, found.n, found.status) == (pytest.approx(1.0), 101, Status.OK)
    assert (found.candidate_rate, found.champion_rate) == pytest.approx((candidate.mean(), champion.mean()))
    assert found.resampled is not None and found.resampled[0] < 1 < found.resampled[1]
    assert found.gains + found.losses == 101 and found.needed is not None


def test_epochs_of_a_record_are_averaged_and_clusters_count_once() -> None:
    champion = [[0.0, 2.0], [3.0], [4.0, 4.0]] * 20
    candidate = [[2.0], [3.0, 5.0], [7.0, 5.0]] * 20

    found = compare_means(pairs(candidate, champion))
    clustered = compare_means(pairs(candidate, champion, clusters=[f"c{i // 3}" for i in range(60)]))

    assert found.difference == pytest.approx((1 + 1 + 2) / 3)
    assert (clustered.difference, clustered.clusters) == (pytest.approx(found.difference), 20)
    assert clustered.status is Status.TOO_FEW and "20 clusters" in str(clustered.reason)


def test_records_that_are_unscored_or_of_one_variant_are_counted() -> None:
    side = {i: [float(i % 5)] for i in range(70)}
    other = {i: [float(i % 7)] for i in range(2, 70)} | {2: [math.nan]}

    found = compare_means(pair(side, other))

    assert (found.n, found.unscored, found.left_out, found.status) == (67, 1, 2, Status.INCONCLUSIVE)
    assert found.reason == (
        "1 of 68 records unscored, without bounds: left out; 2 records have a number for one variant only: left out"
    )


def test_scores_that_are_all_equal_are_refused_without_a_scale() -> None:
    same = pairs([[3.0]] * 60, [[3.0]] * 60)

    with pytest.raises(UsageError, match="all numbers of both variants are 3 in 60 records"):
        compare_means(same)
    on_scale = compare_means(same, scale=ScoreScale(lowest=1, highest=5))
    assert on_scale.difference == 0 and on_scale.low < 0 < on_scale.high
    assert (on_scale.candidate_rate, on_scale.champion_rate) == (3, 3)


@pytest.mark.parametrize("clustered", [False, True])
def test_one_sided_bounds_keep_their_error_on_skewed_differences(clustered: bool) -> None:
    random, samples, n, missed = np.random.default_rng(8), 800, 60, [0, 0]
    truth = 1.2 * math.exp(0.5) - math.exp(0.5)
    for _ in range(samples):
        shared = np.repeat(random.lognormal(0, 0.7, n), 3) if clustered else random.lognormal(0, 0.7, n)
        rest = math.sqrt(1 - 0.49)
        first, second = (shared * random.lognormal(0, rest, len(shared)) for _ in range(2))
        data = Pairs(
            candidate=(1.2 * first)[:, None],
            champion=second[:, None],
            sampling=Sampling(clusters=np.repeat(np.arange(n), 3).tolist() if clustered else None),
        )
        found = compare_means(data)
        missed[0] += found.lower > truth
        missed[1] += found.upper < truth
    assert max(missed) / samples <= 0.05 + 2 * (0.05 * 0.95 / samples) ** 0.5


@pytest.mark.parametrize("n", range(1, 6))
@pytest.mark.parametrize("kind", ["varied", "equal", "one side", "shifted"])
@pytest.mark.parametrize("clusters", [None, "one"])
def test_few_records_have_a_comparison_that_decides_nothing_or_a_reason(
    n: int, kind: str, clusters: str | None
) -> None:
    champion = [[math.nan if kind == "one side" and i else 3.0 * i + 1] for i in range(n)]
    candidate = [[{"equal": 1.0, "shifted": 3.0 * i + 3}.get(kind, float(i * i))] for i in range(n)]
    if kind == "equal":
        champion = candidate
    data = pairs(candidate, champion, clusters=[clusters] * n if clusters else None)

    reason = unestimable(data)

    is_one_group = n == 1 or clusters is not None or kind == "one side"
    assert (reason is None) is not (is_one_group or kind == "equal")
    if reason is not None:
        with pytest.raises(UsageError, match=reason):
            compare_means(data)
    else:
        found = compare_means(data, wanted=1.0, resamples=100, seed=1)
        assert found.status is Status.TOO_FEW and found.low < found.difference < found.high
    on_scale = compare_means(data, scale=ScoreScale(lowest=-50, highest=50), resamples=100)
    assert on_scale.low <= on_scale.difference <= on_scale.high


@pytest.mark.parametrize(
    ("candidate", "champion", "reason"),
    [
        ([[3.0], [3.0], [math.nan]], [[3.0], [3.0], [5.0]], "all numbers of both variants are 3 in 2 records"),
        ([[2.0, 4.0], [3.0]], [[3.0], [3.0]], "all numbers of both variants are 3 in 2 records"),
        ([[math.nan, 3.0]], [[3.0, 4.0]], "no record has a number for both variants"),
    ],
)
def test_records_whose_means_are_equal_or_unknown_have_a_reason(
    candidate: list[list[float]], champion: list[list[float]], reason: str
) -> None:
    assert unestimable(pairs(candidate, champion)) == reason


@pytest.mark.parametrize(("n", "share"), [(160, 0.01), (300, 0.005), (1000, 0.002)])
def test_a_loss_in_few_records_at_the_margin_passes_in_at_most_one_of_twenty_samples(n: int, share: float) -> None:
    """The true loss is the margin: a pass, with status ok and the lower bound above it, is an error."""
    random, samples, passes = np.random.default_rng(7), 600, 0
    for _ in range(samples):
        champion = random.normal(100, 5, n)
        candidate = champion - np.where(random.random(n) < share, 100.0, 0.0)
        found = compare_means(pairs(candidate[:, None].tolist(), champion[:, None].tolist()))
        passes += found.status is Status.OK and found.lower > -100 * share
    assert passes / samples <= 0.05


def test_few_records_that_differ_from_a_usual_difference_are_too_few() -> None:
    champion = [[float(i)] for i in range(100)]
    candidate = [[i + (40.0 if i < 9 else 0.1)] for i in range(100)]

    found, enough = (
        compare_means(pairs(candidate, champion)),
        compare_means(pairs([[139.0 - i] for i in range(100)], champion)),
    )

    assert found.status is Status.TOO_FEW
    assert found.reason == "9 of 100 records differ from the usual difference 0.1, fewer than 10"
    assert enough.status is Status.OK


@pytest.mark.parametrize(("statistic", "df"), [(100.0, 99.0), (20.0, 300.0)])
def test_the_p_value_of_a_large_difference_is_that_of_the_upper_tail(statistic: float, df: float) -> None:
    mean = MeanBounds(mean=statistic, standard_error=1.0, df=df, skewness=0.0)
    student = StudentBounds(mean=statistic / 1000, standard_error=0.001, df=df, skewness=0.0)

    expected = float(stats.t.sf(statistic, df))
    assert expected > 0
    assert mean.p_above(0.0) == pytest.approx(2 * expected, rel=1e-9, abs=0)
    assert (student.p_above(0.0), student.p_value) == pytest.approx((expected, 2 * expected), rel=1e-9, abs=0)
