"""A rule's plan holds what power says of it, and nothing where there is no record."""

from __future__ import annotations

import pytest

from assay.evaluation.power.rule_plans import Assumption, Sample, count_tested, plan_rate, plan_regression
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
    assert grouped.needed == pytest.approx(2 * (alone.needed or 0), abs=2)
    high = Assumption(value=0.9, source="given", detail="")
    floors = [plan_rate(FLOOR, Sample(n=100, design_effect=effect), rate=high) for effect in (1.0, 2.0)]
    assert (floors[0].passing or 0) > (floors[1].passing or 0)
    assert floors[1].to_pass == 2 * (floors[0].to_pass or 0)


def test_rules_that_only_count_cases_are_in_no_adjustment() -> None:
    assert count_tested([NOT_WORSE, FLOOR, CASES]) == 2
