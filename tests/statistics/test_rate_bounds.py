"""One-sided bounds of rates: their error rate by enumeration, and as binom_test and simulation have them."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binom, binomtest

from assay.statistics.conventions import ERROR
from assay.statistics.measured import Status
from assay.statistics.rates import GateRate, gate_rate
from assay.statistics.sampling import Sampling

FLOORS = (0.05, 0.3, 0.5, 0.7, 0.8, 0.85, 0.9, 0.95, 0.99)


def counted(successes: int, n: int) -> GateRate:
    """The rate of independent rows."""
    return gate_rate([True] * successes + [False] * (n - successes))


@pytest.mark.parametrize("n", [10, 20, 37, 100, 200, 500, 2000])
def test_a_true_rate_at_the_floor_passes_and_fails_in_at_most_5_percent(n: int) -> None:
    """P(lower bound reaches the floor) and P(FAIL is significant at 5%), over every outcome."""
    for floor in FLOORS:
        near = range(int(binom.ppf(1e-4, n, floor)), int(binom.ppf(1 - 1e-4, n, floor)) + 1)
        passing = failing = 0.0
        for successes in near:
            found = counted(successes, n)
            assert found.bounds is not None and found.measured.low is not None
            passing += binom.pmf(successes, n, floor) * (found.measured.low >= floor)
            failing += binom.pmf(successes, n, floor) * (found.bounds.p_below(floor) <= ERROR)
        assert passing <= ERROR and failing <= ERROR


def test_bounds_and_p_values_are_those_of_the_exact_binomial_test() -> None:
    for successes, n, floor in ((0, 12, 0.1), (12, 12, 0.8), (40, 60, 0.75), (190, 200, 0.9)):
        found = counted(successes, n)
        below, above = (binomtest(successes, n, floor, alternative=side) for side in ("less", "greater"))

        assert found.bounds is not None
        assert found.bounds.p_below(floor) == pytest.approx(below.pvalue)
        assert found.bounds.p_above(floor) == pytest.approx(above.pvalue)
        assert found.bounds.lower(0.01) == pytest.approx(above.proportion_ci(0.99).low)
        assert found.bounds.upper(0.01) == pytest.approx(below.proportion_ci(0.99).high)
        assert found.measured.method == "clopper_pearson"


def test_unscored_rows_pass_nothing_and_fail_nothing() -> None:
    found = gate_rate([True] * 170 + [False] * 10 + [None] * 20)
    worst, best = counted(170, 200), counted(190, 200)

    assert found.bounds is not None and worst.bounds is not None and best.bounds is not None
    assert (found.measured.value, found.measured.low, found.measured.high) == (
        0.85,
        worst.measured.low,
        best.measured.high,
    )
    assert found.bounds.p_above(0.8) == worst.bounds.p_above(0.8)
    assert found.bounds.p_below(0.9) == best.bounds.p_below(0.9)


def test_p_values_in_clusters_invert_the_bounds() -> None:
    random = np.random.default_rng(2)
    clusters = np.repeat(np.arange(40), 8)
    values = random.random(320) < random.beta(8, 2, 40)[clusters]
    bounds = gate_rate(values.tolist(), Sampling(clusters=clusters.tolist())).bounds

    assert bounds is not None
    for error in (0.2, 0.05, 0.01, 1e-4):
        assert bounds.p_below(bounds.upper(error)) == pytest.approx(error, rel=1e-6)
        assert bounds.p_above(bounds.lower(error)) == pytest.approx(error, rel=1e-6)
    assert bounds.p_below(0.01) == bounds.p_above(0.99) == 1.0


@pytest.mark.parametrize(("clusters", "correlation", "rate"), [(10, 0.3, 0.9), (30, 0.1, 0.8), (50, 0.3, 0.9)])
def test_a_rate_in_clusters_keeps_the_error_rate(clusters: int, correlation: float, rate: float) -> None:
    """A small version of the benchmark's family "one-sided rates": uneven clusters of log-normal size."""
    random, samples, passing, failing = np.random.default_rng(clusters), 600, 0, 0
    room = (1 - correlation) / correlation
    for _ in range(samples):
        codes = np.repeat(np.arange(clusters), np.maximum(1, random.lognormal(2.0, 0.8, clusters).astype(int)))
        own = random.beta(rate * room, (1 - rate) * room, clusters)
        found = gate_rate((random.random(len(codes)) < own[codes]).tolist(), Sampling(clusters=codes.tolist()))
        assert found.bounds is not None and found.measured.low is not None
        decided = found.measured.status is not Status.INCONCLUSIVE
        passing += decided and found.measured.low >= rate
        failing += decided and found.bounds.p_below(rate) <= ERROR
    allowed = samples * ERROR + 3 * (samples * ERROR * (1 - ERROR)) ** 0.5
    assert passing <= allowed and failing <= allowed
