"""Power against published figures, brute force over the shipped rule, and simulation."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import date

import numpy as np
import pytest
from statsmodels.stats.power import TTestPower

from assay.evaluation.evidence import regression_evidence
from assay.evaluation.verdict import decide
from assay.records.statuses import RuleDecision, RuleKind
from assay.statistics.effects import mde_of_plan, minimum_detectable_effect, records_for, records_needed
from assay.statistics.paired import Pairs, compare
from assay.statistics.power import Plan, records_to_pass, verdict_probabilities
from assay.statistics.sampling import Sampling
from assay.tasks.gate_rule import GateRule


def decision(gains: int, losses: int, n: int, *, margin: float) -> RuleDecision:
    """What the gate says to so many gains and losses."""
    candidate = np.array([1.0] * gains + [0.0] * (n - gains))
    champion = np.array([0.0] * gains + [1.0] * losses + [0.0] * (n - gains - losses))
    rule = GateRule(name="r", kind=RuleKind.NO_REGRESSION, metric="correct", threshold=margin)
    found = regression_evidence(compare(Pairs(candidate=candidate, champion=champion)), margin=margin)
    return decide([rule], {"r": found}, today=date(2026, 1, 1)).decision


@pytest.mark.parametrize(
    "plan",
    [
        Plan(n=40, discordance=0.3, margin=0.1),
        Plan(n=40, discordance=0.3, margin=0.1, difference=-0.1),
        Plan(n=50, discordance=0.5, margin=0.02, difference=-0.4),
    ],
)
def test_chances_are_those_of_the_gate_over_every_outcome(plan: Plan) -> None:
    gain, loss = (plan.discordance + plan.difference) / 2, (plan.discordance - plan.difference) / 2
    chance = dict.fromkeys(RuleDecision, 0.0)
    for gains in range(plan.n + 1):
        for losses in range(plan.n + 1 - gains):
            ways = math.comb(plan.n, gains) * math.comb(plan.n - gains, losses)
            likely = ways * gain**gains * loss**losses * (1 - gain - loss) ** (plan.n - gains - losses)
            if likely > 1e-7:
                chance[decision(gains, losses, plan.n, margin=plan.margin)] += likely

    found = verdict_probabilities(plan)

    assert found.passing == pytest.approx(chance[RuleDecision.PASS], abs=1e-4)
    assert found.failing == pytest.approx(chance[RuleDecision.FAIL], abs=1e-4)
    assert found.passing + found.failing + found.inconclusive == pytest.approx(1)


@pytest.mark.parametrize("n", [12, 30, 75, 200, 500, 2000])
@pytest.mark.parametrize("discordance", [0.02, 0.05, 0.1, 0.2, 0.4])
def test_the_gate_errs_no_more_often_than_one_time_in_twenty(n: int, discordance: float) -> None:
    for margin in (0.01, 0.02, 0.05, 0.1):
        if margin < discordance:
            at_margin = Plan(n=n, discordance=discordance, margin=margin, difference=-margin)
            assert verdict_probabilities(at_margin).passing <= 0.0502
    equal = Plan(n=n, discordance=discordance, margin=0.0)
    assert verdict_probabilities(equal).failing <= 0.0502


def test_adjusting_for_more_rules_makes_failing_rarer_and_nothing_else() -> None:
    one, five = (
        verdict_probabilities(Plan(n=300, discordance=0.3, margin=0.02, difference=-0.1, rules=k)) for k in (1, 5)
    )

    assert five.failing < one.failing
    assert five.passing == one.passing


@pytest.mark.parametrize(
    ("clusters", "size", "design_effect", "discordance"),
    [(8, 10, 1.8, 0.1), (15, 20, 1.0, 0.04), (15, 20, 2.9, 0.1), (30, 10, 1.8, 0.04), (60, 3, 1.8, 0.2)],
)
def test_chances_with_clusters_are_those_of_the_gate_on_drawn_records(
    clusters: int, size: int, design_effect: float, discordance: float
) -> None:
    """Within 8 points whatever makes records of a cluster alike; the benchmark "power" has the whole grid."""
    random, samples, passed = np.random.default_rng(clusters), 500, 0
    share = math.sqrt((design_effect - 1) / (size - 1))
    codes = np.repeat(np.arange(clusters), size)
    chances = [discordance / 2, discordance / 2, 1 - discordance]
    rule = GateRule(name="r", kind=RuleKind.NO_REGRESSION, metric="correct", threshold=0.05)
    for _ in range(samples):
        of_cluster, own = (random.choice([1.0, -1.0, 0.0], n, p=chances) for n in (clusters, len(codes)))
        values = np.where(random.random(len(codes)) < share, of_cluster[codes], own)
        sampling = Sampling(clusters=codes.tolist())
        found = compare(Pairs(candidate=np.maximum(values, 0), champion=np.maximum(-values, 0), sampling=sampling))
        verdict = decide([rule], {"r": regression_evidence(found, margin=0.05)}, today=date(2026, 1, 1))
        passed += verdict.decision is RuleDecision.PASS

    plan = Plan(n=clusters * size, discordance=discordance, margin=0.05, clusters=clusters, design_effect=design_effect)
    assert verdict_probabilities(plan).passing == pytest.approx(passed / samples, abs=0.08)


def test_many_clustered_records_are_planned_without_drawing_them() -> None:
    """Student's t and drawn samples meet where one follows the other."""
    plan = Plan(n=20_000, discordance=0.2, margin=0.01, clusters=1000, design_effect=4.0, difference=0.001)

    drawn, computed = verdict_probabilities(plan), verdict_probabilities(replace(plan, n=20_001))

    assert computed.passing == pytest.approx(drawn.passing, abs=0.05)
    few = Plan(n=90_000, discordance=0.2, margin=0.05, clusters=9)
    assert verdict_probabilities(few).inconclusive == 1


def test_the_records_needed_are_connors() -> None:
    """By hand: (1.959964 √0.2 + 0.841621 √(0.2 - 0.0025))² / 0.0025 = 625.7."""
    assert records_needed(0.05, discordance=0.2) == 626
    assert records_needed(0.05, discordance=0.2, design_effect=2.0) == 1252


@pytest.mark.parametrize("wanted", [0.02, 0.05, 0.1])
def test_the_detectable_difference_is_what_the_records_needed_find(wanted: float) -> None:
    n = records_needed(wanted, discordance=0.2)

    assert minimum_detectable_effect(n, discordance=0.2) == pytest.approx(wanted, rel=0.01)
    assert minimum_detectable_effect(5, discordance=0.01) is None


def test_the_detectable_mean_is_that_of_statsmodels_within_its_approximation() -> None:
    n = 60
    expected = TTestPower().solve_power(nobs=n, alpha=0.05, power=0.8)

    assert mde_of_plan(1 / math.sqrt(n), df=n - 1) == pytest.approx(expected, rel=0.005)


def test_half_the_detectable_difference_takes_four_times_the_records() -> None:
    assert records_for(0.02, n=500, mde=0.04) == 2000
    with pytest.raises(ValueError, match="expected a value above 0"):
        records_for(0.0, n=500, mde=0.04)


def test_as_many_records_as_it_says_let_equal_variants_pass() -> None:
    plan = Plan(n=1, discordance=0.1, margin=0.02)

    needed = records_to_pass(plan)

    assert needed is not None
    assert verdict_probabilities(Plan(n=needed, discordance=0.1, margin=0.02)).passing >= 0.8
    assert verdict_probabilities(Plan(n=int(needed * 0.95), discordance=0.1, margin=0.02)).passing < 0.8
    assert records_to_pass(Plan(n=1, discordance=0.1, margin=0.02, difference=-0.02)) is None


@pytest.mark.parametrize(
    "wrong",
    [
        {"n": 0},
        {"discordance": 1.2},
        {"difference": 0.3},
        {"margin": 1.0},
        {"rules": 0},
        {"clusters": 1},
        {"design_effect": 0.5},
    ],
)
def test_plans_that_cannot_be_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=r"plan needs|expected 0 <="):
        Plan(**{"n": 100, "discordance": 0.2, "margin": 0.05, **wrong})  # type: ignore[arg-type]


def test_variants_that_never_differ_pass_once_there_are_enough_records() -> None:
    assert verdict_probabilities(Plan(n=12, discordance=0.0, margin=0.02)).inconclusive == 1
    assert verdict_probabilities(Plan(n=1000, discordance=0.0, margin=0.02)).passing == 1


def test_a_clustered_plan_keeps_its_records_per_cluster() -> None:
    plan = Plan(n=100, discordance=0.1, margin=0.02, clusters=20, design_effect=2.0)

    needed = records_to_pass(plan)

    assert needed is not None
    enough, fewer = (
        verdict_probabilities(replace(plan, n=n, clusters=round(n / 5))).passing for n in (needed, int(needed * 0.85))
    )
    assert fewer < 0.8 and enough >= 0.76


@pytest.mark.parametrize(("difference", "passing", "failing"), [(0.0, 1.0, 0.0), (-1.0, 0.0, 1.0), (1.0, 1.0, 0.0)])
def test_clusters_without_variance_decide_by_the_difference_alone(
    difference: float, passing: float, failing: float
) -> None:
    plan = Plan(n=1000, discordance=abs(difference), difference=difference, margin=0.05, clusters=100)

    found = verdict_probabilities(plan)

    assert (found.passing, found.failing, found.inconclusive) == (passing, failing, 0.0)
