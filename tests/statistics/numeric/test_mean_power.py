"""The power of rules on a mean against simulated decisions of the gate and the noncentral t of scipy."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from assay.statistics.numeric.mean_power import probability_of_mean, records_to_mean
from assay.statistics.numeric.means import gate_mean


@pytest.mark.parametrize("distance", [0.0, 1.0, 2.0])
def test_the_probability_is_that_of_simulated_gates(distance: float) -> None:
    random, n, samples, error = np.random.default_rng(7), 60, 2000, 0.0475

    bounds = [gate_mean(random.normal(20 + distance, 5, n).tolist(), scale=None).bounds for _ in range(samples)]
    passed = np.mean([one is not None and one.lower(error) >= 20 for one in bounds])

    planned = probability_of_mean(n, distance=distance, sd=5, error=error)
    assert passed == pytest.approx(planned, abs=3 * np.sqrt(0.25 / samples))


def test_the_probability_is_that_of_the_noncentral_t() -> None:
    quantile = stats.t.ppf(1 - 0.025, 99)
    for distance in (-3.0, -0.5, 0.0, 0.5, 1.0, 3.0):
        expected = stats.nct.sf(quantile, 99, distance / 0.5)
        assert probability_of_mean(100, distance=distance, sd=5) == pytest.approx(expected, abs=1e-9)


def test_the_number_of_records_reaches_the_power_and_one_less_does_not() -> None:
    needed = records_to_mean(distance=1, sd=5)
    assert needed is not None and needed > 50
    assert probability_of_mean(needed, distance=1, sd=5) >= 0.8 > probability_of_mean(needed - 1, distance=1, sd=5)
    assert records_to_mean(distance=10, sd=1) == 50  # fewer are inconclusive
    assert records_to_mean(distance=0, sd=5) is None
    assert records_to_mean(distance=1, sd=5, design_effect=2) == pytest.approx(2 * needed, rel=0.02)


def test_few_records_or_clusters_never_pass() -> None:
    assert probability_of_mean(49, distance=10, sd=1) == probability_of_mean(500, distance=10, sd=1, clusters=49) == 0
    with pytest.raises(ValueError, match="expected n >= 1 and a positive standard deviation"):
        probability_of_mean(50, distance=1, sd=0)
