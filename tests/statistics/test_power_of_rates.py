"""The chance of a rule on a rate against brute force over the shipped rule, and against simulation."""

from __future__ import annotations

from datetime import date

import numpy as np
import pytest
from scipy.stats import binom

from assay.evaluation.evidence import absolute_evidence
from assay.evaluation.verdict import decide
from assay.records.statuses import RuleDecision, RuleKind
from assay.statistics.measured import Status
from assay.statistics.power import (
    RateSample,
    lower_bounds,
    probability_of_clearing,
    probability_of_rate,
    records_to_clear,
)
from assay.statistics.rates import gate_rate
from assay.statistics.sampling import Sampling
from assay.tasks.gate_rule import GateRule


def decision(successes: int, n: int, *, bar: float) -> RuleDecision:
    """What the gate says to so many correct answers."""
    rule = GateRule(name="r", kind=RuleKind.LOWER_BOUND, metric="reliability", threshold=bar)
    measured = gate_rate([True] * successes + [False] * (n - successes)).measured
    return decide([rule], {"r": absolute_evidence(measured)}, today=date(2026, 1, 1)).decision


@pytest.mark.parametrize(("n", "share", "bar"), [(30, 0.9, 0.8), (60, 0.95, 0.9), (45, 0.5, 0.4), (12, 1.0, 0.7)])
def test_the_chance_is_that_of_the_gate_over_every_outcome(n: int, share: float, bar: float) -> None:
    passes = [decision(successes, n, bar=bar) is RuleDecision.PASS for successes in range(n + 1)]

    expected = binom.pmf(np.arange(n + 1), n, share)[passes].sum()

    assert probability_of_clearing(n, rate=share, threshold=bar) == pytest.approx(expected, abs=1e-9)


@pytest.mark.verify
def test_the_chance_is_that_of_simulated_runs() -> None:
    drawn = np.random.default_rng(0).binomial(200, 0.86, 4_000)
    passes = np.mean([gate_rate([1.0] * k + [0.0] * (200 - k)).measured.low >= 0.8 for k in drawn])  # type: ignore[operator]

    assert probability_of_clearing(200, rate=0.86, threshold=0.8) == pytest.approx(passes, abs=0.025)


@pytest.mark.parametrize("n", [20, 60, 124, 500])
@pytest.mark.parametrize("bar", [0.5, 0.8, 0.9])
def test_a_rate_at_the_bar_passes_at_most_one_time_in_twenty(n: int, bar: float) -> None:
    assert probability_of_clearing(n, rate=bar, threshold=bar) <= 0.05


def test_the_bounds_are_those_of_the_estimate() -> None:
    for n in (1, 9, 10, 40):
        for successes in range(n + 1):
            found = gate_rate([True] * successes + [False] * (n - successes)).measured
            assert lower_bounds(np.array([successes]), n)[0] == pytest.approx(found.low, abs=1e-9)


def test_as_many_records_as_it_says_pass_and_clearly_fewer_do_not() -> None:
    needed = records_to_clear(RateSample(n=100, rate=0.9), threshold=0.8)

    assert needed is not None
    assert probability_of_clearing(needed, rate=0.9, threshold=0.8) >= 0.8
    assert probability_of_clearing(int(needed * 0.85), rate=0.9, threshold=0.8) < 0.8
    assert records_to_clear(RateSample(n=100, rate=0.8), threshold=0.8) is None
    assert records_to_clear(RateSample(n=100, rate=0.8000001), threshold=0.8) is None


@pytest.mark.parametrize("wrong", [{"n": 0}, {"rate": 1.2}, {"threshold": -0.1}])
def test_figures_that_cannot_be_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="expected n >= 1"):
        probability_of_clearing(**{"n": 10, "rate": 0.5, "threshold": 0.5, **wrong})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("clusters", "size", "effect", "share", "bar"),
    [
        (12, 20, 2, 0.9, 0.8),
        (30, 10, 3, 0.9, 0.8),
        (30, 10, 2, 0.97, 0.92),
        (60, 5, 1.8, 0.98, 0.95),
        (30, 10, 1, 0.99, 0.95),
    ],
)
def test_clusters_pass_as_often_as_the_gate_decides(
    clusters: int, size: int, effect: float, share: float, bar: float
) -> None:
    random, codes, samples = np.random.default_rng(5), np.repeat(np.arange(clusters), size), 400
    correlation, passes = (effect - 1) / (size - 1), 0
    for _ in range(samples):
        own = np.full(clusters, share)
        if correlation:
            own = random.beta(share * (1 / correlation - 1), (1 - share) * (1 / correlation - 1), clusters)
        found = gate_rate((random.random(len(codes)) < own[codes]).tolist(), Sampling(clusters=codes.tolist()))
        decides = found.bounds is not None and found.measured.status is not Status.INCONCLUSIVE
        passes += decides and found.bounds.lower(0.0475) >= bar  # type: ignore[union-attr]

    planned = RateSample(n=len(codes), rate=share, clusters=clusters, design_effect=effect)

    found_share = probability_of_rate(planned, threshold=bar, error=0.0475)
    assert found_share == pytest.approx(passes / samples, abs=3 * np.sqrt(0.25 / samples))


def test_few_clusters_or_one_large_one_never_pass() -> None:
    eight = RateSample(n=200, rate=0.95, clusters=8)
    one_large = RateSample(n=200, rate=0.95, clusters=20, sizes=(120, *(4,) * 19, 4))

    assert probability_of_rate(eight, threshold=0.6) == probability_of_rate(one_large, threshold=0.6) == 0
    assert records_to_clear(eight, threshold=0.6) == pytest.approx(250, rel=0.06)  # ten clusters of 25
    many = RateSample(n=40_000, rate=0.9, clusters=9)
    assert probability_of_rate(many, threshold=0.6) == 0
    assert probability_of_rate(RateSample(n=40_000, rate=0.9, clusters=400), threshold=0.6) == pytest.approx(1)
