"""Gate rules on the cost per correct prediction: the bounds decide at any error rate, and few records decide nothing."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from scipy import stats

from assay.statistics.conventions import ERROR, FEWEST_MEASURED
from assay.statistics.cost_ratio_gate import gate_cost_per_correct
from assay.statistics.measured import Status
from assay.statistics.sampling import Sampling

RANDOM = np.random.default_rng(11)
N = 400
COSTS = RANDOM.normal(1, 0.2, N).clip(0.1)
CORRECT = RANDOM.random(N) < 0.8


def gated(costs: Any, correct: Any, **sampling: Any) -> Any:
    return gate_cost_per_correct([float(cost) for cost in costs], list(correct), Sampling(**sampling))


def test_with_symmetric_costs_the_p_values_are_those_of_a_t_test_of_the_contrast() -> None:
    bounds = gated(COSTS, CORRECT).bounds
    for limit in (1.15, 1.25, 1.32):
        contrast = COSTS - limit * CORRECT
        below = stats.ttest_1samp(contrast, 0, alternative="less").pvalue
        above = stats.ttest_1samp(contrast, 0, alternative="greater").pvalue
        # At half the nominal error rate, so twice the p-value; the skewness of the outcomes may make it larger.
        assert min(1, 2 * below) <= bounds.p_below(limit) * 1.001 <= min(1.0, 3.5 * below) + 0.01
        assert min(1, 2 * above) <= bounds.p_above(limit) * 1.001 <= min(1.0, 3.5 * above) + 0.01


@pytest.mark.parametrize("error", [0.05, 0.01, 0.00125])
def test_a_bound_is_the_limit_at_which_the_p_value_is_the_error_rate(error: float) -> None:
    bounds = gated(RANDOM.lognormal(0, 1, N), CORRECT).bounds
    assert bounds.p_below(bounds.upper(error)) == pytest.approx(error, rel=1e-6)
    assert bounds.p_above(bounds.lower(error)) == pytest.approx(error, rel=1e-6)
    assert bounds.lower(error) < bounds.lower(0.1) < bounds.value < bounds.upper(0.1) < bounds.upper(error)


def test_bounds_of_the_evidence_are_those_at_the_gates_error_rate() -> None:
    found = gated(COSTS, CORRECT)
    assert found.measured.status is Status.OK
    assert (found.measured.low, found.measured.high) == (found.bounds.lower(ERROR), found.bounds.upper(ERROR))
    assert found.measured.value == pytest.approx(COSTS.sum() / CORRECT.sum())


@pytest.mark.parametrize(
    ("costs", "correct", "status", "reason"),
    [
        ([0.0002], [True], Status.TOO_FEW, "one record or cluster shows no variation: no interval"),
        ([0.0002, 0.1], [True, True], Status.INCONCLUSIVE, "2 records: a rule on a mean needs at least 50"),
        (COSTS[:49], CORRECT[:49], Status.INCONCLUSIVE, "49 records: a rule on a mean needs at least 50"),
        ([0.01] * 80, [True] * 60 + [False] * 20, Status.TOO_FEW, "all costs are the same: no interval"),
        (
            [0.01] * 79 + [5.0],
            [True] * 60 + [False] * 20,
            Status.INCONCLUSIVE,
            "1 of 80 records differ from the usual cost",
        ),
        ([], [], Status.NONE, "no prediction"),
        ([1.0, None], [True, True], Status.NONE, "the cost of 1 of 2 predictions is unknown"),
        ([1.0] * 60, [None] * 60, Status.NONE, "no prediction is correct; 60 of 60 unscored"),
    ],
)
def test_few_records_and_costs_that_hardly_vary_decide_nothing(
    costs: Any, correct: Any, status: Status, reason: str
) -> None:
    found = gate_cost_per_correct(list(costs), list(correct))
    assert (found.bounds, found.measured.status) == (None, status)
    assert reason in (found.measured.reason or "")


def test_unscored_predictions_pass_only_as_incorrect_and_fail_only_as_correct() -> None:
    unscored = [None if place < 40 else bool(hit) for place, hit in enumerate(CORRECT)]
    found = gated(COSTS, unscored)
    worst = gated(COSTS, [False if hit is None else hit for hit in unscored])
    best = gated(COSTS, [True if hit is None else hit for hit in unscored])
    assert found.bounds.p_below(1.5) == worst.bounds.p_below(1.5)
    assert found.bounds.p_above(1.1) == best.bounds.p_above(1.1)
    assert found.measured.status is Status.UNSCORED


def test_clusters_whose_records_are_alike_decide_less() -> None:
    times, clusters = 5, [str(place // 5) for place in range(5 * N)]
    alike = gated(np.repeat(COSTS, times), np.repeat(CORRECT, times), clusters=clusters)
    single = gated(COSTS, CORRECT)
    assert alike.measured.clusters == N
    assert alike.bounds.upper(ERROR) == pytest.approx(single.bounds.upper(ERROR), rel=1e-6)


@pytest.mark.parametrize(
    ("n", "sigma", "samples"), [(100, 1.0, 400), pytest.param(FEWEST_MEASURED, 1.0, 6_000, marks=pytest.mark.verify)]
)
def test_a_limit_equal_to_the_true_cost_rarely_passes(n: int, sigma: float, samples: int) -> None:
    random = np.random.default_rng(5)
    passed = 0
    for _ in range(samples):
        costs, correct = random.lognormal(-(sigma**2) / 2, sigma, n), random.random(n) < 0.9
        passed += gated(costs, correct).bounds.p_below(1 / 0.9) <= ERROR
    assert passed / samples <= ERROR + 2.6 * math.sqrt(ERROR * (1 - ERROR) / samples)
