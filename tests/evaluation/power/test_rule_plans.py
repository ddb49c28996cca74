"""A rule's plan holds what power says of it, and nothing where there is no record."""

from __future__ import annotations

import pytest

from assay.evaluation.power.rule_plans import (
    Assumption,
    MeanAssumptions,
    Sample,
    count_tested,
    plan_mean,
    plan_rate,
    plan_regression,
)
from assay.records.statuses import RuleKind
from assay.statistics.effects import records_needed
from assay.statistics.power import Plan, VerdictProbabilities, verdict_probabilities
from assay.tasks.gate_rule import GateRule

NOT_WORSE = GateRule(name="not_worse", kind=RuleKind.NO_REGRESSION, metric="reliability", threshold=0.05, n_min=15)
FLOOR = GateRule(name="floor", kind=RuleKind.LOWER_BOUND, metric="reliability", threshold=0.8)
CASES = GateRule(name="enough", kind=RuleKind.GOLDEN_CASES, metric="golden_cases", threshold=100)
TENTH = Assumption(value=0.1, source="assumed", detail="")


def test_a_plan_has_the_chances_of_equal_variants_and_of_those_that_differ() -> None:
    found = plan_regression(NOT_WORSE, Sample(n=200), discordance=TENTH, tested=2, difference=-0.08)

    assert found.equal == verdict_probabilities(Plan(n=200, discordance=0.1, margin=0.05, rules=2))
    assert found.apart == verdict_probabilities(Plan(n=200, discordance=0.1, margin=0.05, rules=2, difference=-0.08))
    assert found.needed == records_needed(0.05, discordance=0.1)
    assert found.mde is not None and 0.05 < found.mde < 0.1


def test_a_margin_that_the_variants_cannot_differ_by_needs_no_finding() -> None:
    rare = Assumption(value=0.02, source="landed", detail="")

    found = plan_regression(NOT_WORSE, Sample(n=100), discordance=rare, tested=1)

    assert (found.needed, found.apart) == (None, None)
    assert found.equal.failing < 1e-6 < found.equal.passing


def test_without_a_record_nothing_is_found() -> None:
    found = plan_regression(NOT_WORSE, Sample(n=0), discordance=TENTH, tested=1, difference=-0.1)

    assert found.equal == found.apart == VerdictProbabilities(passing=0, failing=0, inconclusive=1)
    assert (found.mde, found.is_gated) == (None, False)
    assert plan_rate(FLOOR, Sample(n=0), rate=TENTH).passing is None


def test_records_of_clusters_count_less() -> None:
    alone = plan_regression(NOT_WORSE, Sample(n=400), discordance=TENTH, tested=1)
    grouped = plan_regression(NOT_WORSE, Sample(n=400, clusters=40, design_effect=2.0), discordance=TENTH, tested=1)

    assert grouped.equal.passing < alone.equal.passing
    assert grouped.needed == pytest.approx(2 * (alone.needed or 0), rel=0.06) and grouped.needed > 2 * (
        alone.needed or 0
    )
    high = Assumption(value=0.9, source="given", detail="")
    floors = [plan_rate(FLOOR, Sample(n=100, design_effect=effect), rate=high) for effect in (1.0, 2.0)]
    assert (floors[0].passing or 0) > (floors[1].passing or 0)
    assert floors[1].to_pass == pytest.approx(2 * (floors[0].to_pass or 0), rel=0.25)


def test_rules_that_only_count_cases_are_in_no_adjustment() -> None:
    assert count_tested([NOT_WORSE, FLOOR, CASES]) == 2


def test_clusters_that_decide_nothing_have_no_effect_and_no_pass() -> None:
    eight = Sample(n=200, clusters=8)

    found = plan_regression(NOT_WORSE, eight, discordance=TENTH, tested=1)
    rate = plan_rate(FLOOR, eight, rate=Assumption(value=0.95, source="given", detail=""))

    assert (found.mde, found.equal.passing, rate.passing) == (None, 0, 0)
    assert (found.needed or 0) >= 250 and (rate.to_pass or 0) >= 240
    mean = MeanAssumptions(
        mean=Assumption(value=9, source="given", detail=""), sd=Assumption(value=1, source="given", detail="")
    )
    of_mean = GateRule(name="long", kind=RuleKind.MEAN_AT_LEAST, metric="words", threshold=5)
    assert (plan_mean(of_mean, eight, mean).passing, plan_mean(of_mean, eight, mean).to_pass) == (0, 1250)
    levels = plan_mean(of_mean, Sample(n=20), MeanAssumptions(mean=mean.mean, sd=mean.sd, is_scaled=True))
    assert levels.passing == pytest.approx(1)


def test_unequal_clusters_count_as_fewer_equal_ones() -> None:
    uneven = Sample(n=100, clusters=20, sizes=(43, *(3,) * 19))

    assert uneven.equal_clusters == pytest.approx(100**2 / (43**2 + 19 * 9))
    assert uneven.cluster_size == pytest.approx((43**2 + 19 * 9) / 100)
    assert plan_regression(NOT_WORSE, uneven, discordance=TENTH, tested=1).mde is None
