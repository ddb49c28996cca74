"""The power of rules on a mean against simulated decisions of the gate and the noncentral t of scipy."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from assay.statistics.measured import Status
from assay.statistics.numeric.mean_power import LandedScores, NormalScores
from assay.statistics.numeric.means import gate_mean

ERROR = 0.0475


@pytest.mark.parametrize("distance", [0.0, 1.0, 2.0])
def test_the_probability_is_that_of_simulated_gates(distance: float) -> None:
    random, n, samples = np.random.default_rng(7), 60, 2000

    bounds = [gate_mean(random.normal(20 + distance, 5, n).tolist(), scale=None).bounds for _ in range(samples)]
    passed = np.mean([one is not None and one.lower(ERROR) >= 20 for one in bounds])

    planned = NormalScores(distance=distance, sd=5, error=ERROR).passing(n)
    assert passed == pytest.approx(planned, abs=3 * np.sqrt(0.25 / samples))


def test_the_probability_is_that_of_the_noncentral_t() -> None:
    quantile = stats.t.ppf(1 - 0.025, 99)
    for distance in (-3.0, -0.5, 0.0, 0.5, 1.0, 3.0):
        expected = stats.nct.sf(quantile, 99, distance / 0.5)
        assert NormalScores(distance=distance, sd=5).passing(100) == pytest.approx(expected, abs=1e-9)


def test_the_number_of_records_reaches_the_power_and_one_less_does_not() -> None:
    scores = NormalScores(distance=1, sd=5)
    needed = scores.records()
    assert needed is not None and needed > 50
    assert scores.passing(needed) >= 0.8 > scores.passing(needed - 1)
    assert NormalScores(distance=10, sd=1).records() == 50  # fewer are inconclusive
    assert NormalScores(distance=0, sd=5).records() is None
    assert NormalScores(distance=1, sd=5, design_effect=2).records() == pytest.approx(2 * needed, rel=0.02)


def test_fewer_records_or_equal_clusters_than_a_rule_needs_never_pass() -> None:
    assert NormalScores(distance=10, sd=1).passing(49) == 0
    in_clusters = NormalScores(distance=10, sd=1, cluster_size=25)
    assert (in_clusters.passing(1249), in_clusters.passing(1250)) == (0, 1)
    assert in_clusters.records() == 1250
    with pytest.raises(ValueError, match="expected a positive standard deviation"):
        NormalScores(distance=1, sd=0)


def landed(values: list[float], *, limit: float, clusters: list[int | None] | None = None) -> LandedScores:
    records = tuple(range(len(values)))
    own = tuple(clusters or [None] * len(values))
    return LandedScores(values=tuple(values), records=records, clusters=own, limit=limit, error=ERROR)


def quantiles(n: int) -> list[float]:
    """Log-normal scores with sigma 1, as evenly spread as possible."""
    return stats.lognorm.ppf((np.arange(n) + 0.5) / n, 1).tolist()


def test_skewed_scores_pass_as_often_as_the_gate_decides() -> None:
    random, n, samples = np.random.default_rng(3), 100, 600
    scores = quantiles(2000)
    limit = float(np.mean(scores) + 3 * np.std(scores) / math.sqrt(n))

    found = [gate_mean(random.choice(scores, n).tolist(), scale=None) for _ in range(samples)]
    passed = np.mean([one.bounds is not None and one.bounds.upper(ERROR) <= limit for one in found])

    at_most = replace(landed(scores, limit=limit), is_at_most=True)
    assert at_most.passing(n, samples=samples) == pytest.approx(passed, abs=0.06)
    assert (
        NormalScores(distance=limit - np.mean(scores), sd=float(np.std(scores)), error=ERROR).passing(n) > passed + 0.1
    )


def test_scores_of_which_few_vary_never_pass() -> None:
    few = [10.0] * 95 + [20.0, 30.0, 25.0, 15.0, 40.0]

    assert landed(few, limit=9).passing(100, samples=200) < 0.1
    assert NormalScores(distance=np.mean(few) - 9, sd=float(np.std(few)), error=ERROR).passing(100) > 0.9


def test_scores_of_clusters_are_drawn_by_cluster() -> None:
    values, clusters = np.random.default_rng(1).normal(10, 1, 200).tolist(), [place // 25 for place in range(200)]

    assert landed(values, limit=5, clusters=clusters).passing(200, samples=50) == 0
    assert landed(values, limit=5, clusters=clusters).passing(1250, samples=50) == 1
    assert landed(values, limit=5, clusters=clusters).records_to_pass() == pytest.approx(1250, rel=0.05)
    assert gate_mean(values, scale=None).measured.status is Status.OK
