"""The cost per correct prediction from totals of clusters: where it equals that of single rows, and where it has no bounds."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from assay.statistics.cost_ratio import ClusterTotals, cost_per_correct, cost_per_correct_of_clusters
from assay.statistics.measured import Status

N = 200
RANDOM = np.random.default_rng(7)
COSTS = RANDOM.lognormal(0, 0.8, N)
CORRECT = (RANDOM.random(N) < 0.7).astype(float)


def totals(**edits: Any) -> ClusterTotals:
    """One cluster for each record, unless edited."""
    given = {
        "requests": np.ones(N), "costs_usd": COSTS, "costs_upper_usd": COSTS, "eligible": np.ones(N), "correct": CORRECT,
        "unscored": np.zeros(N), "has_clusters": False,
    }  # fmt: skip
    return ClusterTotals(**{**given, **edits})


def test_clusters_of_one_record_give_the_interval_of_single_rows() -> None:
    found, rows = cost_per_correct_of_clusters(totals()), cost_per_correct(COSTS.tolist(), CORRECT.tolist())

    assert (found.value, found.low, found.high) == pytest.approx((rows.value, rows.low, rows.high))


def test_without_clusters_the_interval_is_about_that_of_fiellers_theorem() -> None:
    # Fieller, J. R. Stat. Soc. B 16 (1954) 175: the values r for which mean(cost - r * correct) is not significant.
    t, n = 1.972, N
    means = np.array([COSTS.mean(), CORRECT.mean()])
    covariance = np.cov(COSTS, CORRECT) / n
    a = means[1] ** 2 - t**2 * covariance[1, 1]
    b = means[0] * means[1] - t**2 * covariance[0, 1]
    c = means[0] ** 2 - t**2 * covariance[0, 0]
    low, high = (b + sign * np.sqrt(b**2 - a * c) for sign in (-1, 1))

    found = cost_per_correct_of_clusters(totals())
    assert (found.low, found.high) == pytest.approx((low / a, high / a), rel=0.05)


def test_clusters_whose_records_are_alike_have_a_wider_interval() -> None:
    paired = {
        "requests": np.full(N, 5.0), "eligible": np.full(N, 5.0), "correct": 5 * CORRECT, "has_clusters": True,
        "costs_usd": 5 * COSTS, "costs_upper_usd": 5 * COSTS,
    }  # fmt: skip
    alike = cost_per_correct_of_clusters(totals(**paired))
    independent = cost_per_correct(np.repeat(COSTS, 5).tolist(), np.repeat(CORRECT, 5).tolist())

    assert alike.value == pytest.approx(independent.value)
    assert alike.low is not None and alike.high is not None and independent.low is not None and independent.high
    assert (alike.high - alike.low) / (independent.high - independent.low) == pytest.approx(5**0.5, rel=0.1)


def test_unscored_predictions_and_unknown_bills_extend_the_interval() -> None:
    plain = cost_per_correct_of_clusters(totals())
    unscored = np.where((CORRECT == 0) & (np.arange(N) < 60), 1.0, 0.0)
    wider = cost_per_correct_of_clusters(totals(unscored=unscored, costs_upper_usd=2 * COSTS))
    best = cost_per_correct_of_clusters(totals(correct=CORRECT + unscored))

    assert wider.status is Status.UNSCORED
    assert wider.value == plain.value
    assert wider.low == pytest.approx(best.low)
    assert wider.high == pytest.approx(2 * (plain.high or 0))


def test_a_sample_of_judged_predictions_is_extrapolated_to_all_requests() -> None:
    judged = (np.arange(N) % 2 == 0).astype(float)
    found = cost_per_correct_of_clusters(totals(eligible=judged, correct=CORRECT * judged))

    assert found.value == pytest.approx(COSTS.mean() / CORRECT[::2].mean())
    assert found.low is not None and found.high is not None and found.low < found.value < found.high


@pytest.mark.parametrize(
    ("edits", "reason"),
    [
        ({"correct": np.zeros(N)}, "no prediction is correct"),
        ({"correct": np.zeros(N), "eligible": np.zeros(N)}, "no prediction"),
        ({"costs_usd": np.zeros(N), "costs_upper_usd": np.zeros(N)}, "total cost is 0: no interval"),
    ],
)
def test_what_has_no_interval_gives_the_reason(edits: dict[str, Any], reason: str) -> None:
    found = cost_per_correct_of_clusters(totals(**edits))

    assert (found.low, found.high, found.reason) == (None, None, reason)
