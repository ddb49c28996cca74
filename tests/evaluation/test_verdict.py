"""The decision rule: each rule's three outcomes, the adjustment for several, slices, waivers, and what was promised of errors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import date

import numpy as np
import pytest
from scipy.stats import norm
from statsmodels.stats.multitest import multipletests

from assay.evaluation.evidence import RuleEvidence, absolute_evidence, golden_evidence, regression_evidence
from assay.evaluation.verdict import GateVerdict, Waiver, decide
from assay.records.statuses import RuleDecision, RuleKind, RuleState
from assay.statistics.measured import Measured, Status
from assay.statistics.multiple.family import holm
from assay.statistics.paired import Pairs, compare
from assay.tasks.gate_rule import GateRule

TODAY = date(2026, 11, 26)
REGRESSION = GateRule(name="no worse", kind=RuleKind.NO_REGRESSION, metric="correct", threshold=0.02)
RELIABLE = GateRule(name="reliable", kind=RuleKind.LOWER_BOUND, metric="reliability", threshold=0.9)


def normal(value: float, error: float = 0.01, n: int = 500, limit: float | None = None) -> RuleEvidence:
    """An estimate with normal bounds; with a limit, the p-value that belongs to "at least that"."""
    return RuleEvidence(
        value=value,
        lower=value - 1.6448536 * error,
        upper=value + 1.6448536 * error,
        n=n,
        p_failing=None if limit is None else float(norm.sf((limit - value) / error)),
    )


def verdict(rules: list[GateRule], evidence: Mapping[str, RuleEvidence], *waivers: Waiver) -> GateVerdict:
    return decide(rules, evidence, today=TODAY, waivers=waivers)


def state(rule: GateRule, found: RuleEvidence | None) -> tuple[RuleState, str]:
    outcome = verdict([rule], {rule.name: found} if found else {}).outcomes[0]
    return outcome.state, outcome.reason


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (0.917, RuleState.PASS),
        (0.916, RuleState.INCONCLUSIVE),
        (0.884, RuleState.INCONCLUSIVE),
        (0.883, RuleState.FAIL),
    ],
)
def test_an_absolute_rule_passes_and_fails_on_its_one_sided_bounds(value: float, expected: RuleState) -> None:
    assert state(RELIABLE, normal(value))[0] is expected
    assert state(RELIABLE, normal(value, limit=0.9))[0] is expected


@pytest.mark.parametrize("kind", [RuleKind.COST_PER_CORRECT])
@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (0.883, RuleState.PASS),
        (0.884, RuleState.INCONCLUSIVE),
        (0.916, RuleState.INCONCLUSIVE),
        (0.917, RuleState.FAIL),
    ],
)
def test_costs_and_durations_are_to_stay_below(kind: RuleKind, value: float, expected: RuleState) -> None:
    assert state(replace(RELIABLE, kind=kind), normal(value))[0] is expected


def test_a_bound_at_the_threshold_meets_it_but_one_at_the_margin_does_not() -> None:
    assert state(RELIABLE, RuleEvidence(value=0.95, lower=0.9, upper=1.0, n=9))[0] is RuleState.PASS
    assert state(REGRESSION, RuleEvidence(value=0.0, lower=-0.02, upper=0.02, n=9))[0] is RuleState.INCONCLUSIVE
    assert state(REGRESSION, RuleEvidence(value=0.0, lower=-0.0199, upper=0.02, n=9))[0] is RuleState.PASS


def test_reasons_name_the_bound_and_the_limit() -> None:
    assert state(RELIABLE, normal(0.95)) == (RuleState.PASS, "lower bound 0.9336 meets 0.9")
    assert state(RELIABLE, normal(0.85)) == (RuleState.FAIL, "upper bound 0.8664 misses 0.9, adjusted p = 2.9e-07")
    assert state(RELIABLE, normal(0.91)) == (
        RuleState.INCONCLUSIVE,
        "0.9 is within the bounds 0.8936 to 0.9264",
    )
    assert state(RELIABLE, None) == (RuleState.INCONCLUSIVE, "no evidence")


@pytest.mark.parametrize("kind", [RuleKind.LOWER_BOUND, RuleKind.COST_PER_CORRECT])
def test_a_limit_outside_the_bounds_is_not_said_to_be_within_them(kind: RuleKind) -> None:
    sign = 1 if kind is RuleKind.COST_PER_CORRECT else -1
    missed = replace(RELIABLE, kind=kind)
    met = {f"other {number}": normal(0.9 - sign * 0.05) for number in range(4)}
    rules = [missed, *(replace(missed, name=name) for name in met)]

    outcome = verdict(rules, {"reliable": normal(0.9 + sign * 0.018), **met}).outcomes[0]

    assert outcome.state is RuleState.INCONCLUSIVE
    assert "within" not in outcome.reason
    assert "misses 0.9, but not for this number of rules: adjusted p = 0.18" in outcome.reason


def test_a_p_value_read_off_the_bounds_is_the_normal_one() -> None:
    for value in (0.80, 0.88, 0.89, 0.93):
        read, given = (verdict([RELIABLE], {"reliable": normal(value, limit=limit)}) for limit in (None, 0.9))
        assert read.outcomes[0].adjusted_p == pytest.approx(given.outcomes[0].adjusted_p, abs=1e-6)


def test_two_sided_bounds_of_95_per_cent_are_stricter_than_they_have_to_be() -> None:
    def measured(level: float, z: float) -> Measured:
        low, high = 0.916 - z * 0.009, 0.916 + z * 0.009
        return Measured(value=0.916, low=low, high=high, level=level, method="normal", n=900)

    assert state(RELIABLE, absolute_evidence(measured(0.90, 1.645)))[0] is RuleState.PASS
    assert state(RELIABLE, absolute_evidence(measured(0.95, 1.960)))[0] is RuleState.INCONCLUSIVE


def test_holm_is_that_of_statsmodels() -> None:
    random = np.random.default_rng(0)
    for size in (1, 2, 5, 12):
        p_values = random.random(size) ** 3
        assert holm(p_values.tolist()) == pytest.approx(multipletests(p_values, method="holm")[1].tolist())
    assert holm([]) == []


def test_failing_is_adjusted_for_all_rules_and_passing_is_not() -> None:
    rules = [replace(RELIABLE, name=str(place)) for place in range(5)]
    good = {str(place): normal(0.95) for place in range(5)}

    assert verdict(rules, good).decision is RuleDecision.PASS
    once = verdict(rules, {**good, "2": normal(0.88)})
    assert (once.decision, once.outcomes[2].state) == (RuleDecision.INCONCLUSIVE, RuleState.INCONCLUSIVE)
    assert once.outcomes[2].adjusted_p == pytest.approx(5 * norm.sf(2))
    assert verdict(rules, {**good, "2": normal(0.875)}).decision is RuleDecision.FAIL


def test_any_failure_fails_and_any_doubt_is_inconclusive() -> None:
    rules = [RELIABLE, replace(RELIABLE, name="other")]
    for other, decision, exit_code in (
        (0.95, RuleDecision.PASS, 0),
        (0.90, RuleDecision.INCONCLUSIVE, 2),
        (0.80, RuleDecision.FAIL, 1),
    ):
        found = verdict(rules, {"reliable": normal(0.95), "other": normal(other)})
        assert (found.decision, found.exit_code) == (decision, exit_code)
    assert verdict([], {}).decision is RuleDecision.INCONCLUSIVE


def test_an_inconclusive_verdict_stops_a_promotion_where_the_stage_says_so() -> None:
    doubt, bad = verdict([RELIABLE], {"reliable": normal(0.9)}), verdict([RELIABLE], {"reliable": normal(0.7)})

    assert (doubt.blocks(on_inconclusive="block"), doubt.blocks(on_inconclusive="warn")) == (True, False)
    assert bad.blocks(on_inconclusive="warn") and not verdict([RELIABLE], {"reliable": normal(1.0)}).blocks(
        on_inconclusive="block"
    )


def test_small_slices_are_reported_and_do_not_count() -> None:
    small = replace(RELIABLE, name="small", slice="language=fr", n_min=50)

    found = verdict([RELIABLE, small], {"reliable": normal(0.95), "small": normal(0.5, n=49)})

    assert found.decision is RuleDecision.PASS
    assert (found.outcomes[1].state, found.outcomes[1].reason) == (RuleState.REPORTED, "49 records, fewer than 50")
    assert found.outcomes[1].adjusted_p is None
    assert (
        verdict([RELIABLE, small], {"reliable": normal(0.95), "small": normal(0.5, n=50)}).decision is RuleDecision.FAIL
    )
    assert verdict([small], {"small": normal(0.5, n=49)}).decision is RuleDecision.INCONCLUSIVE
    assert state(replace(RELIABLE, n_min=50), normal(0.5, n=49))[0] is RuleState.INCONCLUSIVE


def test_without_a_champion_only_absolute_rules_count() -> None:
    found = decide([RELIABLE, REGRESSION], {"reliable": normal(0.95)}, today=TODAY, champion=False)

    assert found.decision is RuleDecision.PASS
    assert (found.outcomes[1].state, found.outcomes[1].reason) == (
        RuleState.REPORTED,
        "no champion yet: only absolute rules are decided",
    )
    assert verdict([RELIABLE, REGRESSION], {"reliable": normal(0.95)}).decision is RuleDecision.INCONCLUSIVE


def test_a_judge_needs_agreement_on_enough_labels() -> None:
    rule = GateRule(name="judge", kind=RuleKind.JUDGE_CALIBRATED, metric="kappa", threshold=0.6, n_min=100)

    assert state(rule, normal(0.7, error=0.05, n=100))[0] is RuleState.PASS
    assert state(rule, normal(0.9, error=0.05, n=99)) == (RuleState.INCONCLUSIVE, "99 labels, fewer than 100")
    assert state(rule, normal(0.4, error=0.05, n=100))[0] is RuleState.FAIL


def test_golden_cases_are_counted_in_all_and_in_each_slice() -> None:
    rule = GateRule(
        name="golden", kind=RuleKind.GOLDEN_CASES, metric="cases", threshold=100, covering=("fr", "long"), n_min=5
    )

    assert state(rule, golden_evidence(100, {"fr": 5, "long": 20}))[0] is RuleState.PASS
    assert state(rule, golden_evidence(99, {"fr": 5, "long": 20})) == (
        RuleState.FAIL,
        "99 golden cases, fewer than 100",
    )
    assert state(rule, golden_evidence(100, {"fr": 4})) == (RuleState.FAIL, "fewer than 5 golden cases in fr, long")


@pytest.mark.parametrize("status", [Status.INCONCLUSIVE, Status.NONE])
def test_evidence_that_decides_nothing_is_inconclusive_whatever_its_bounds(status: Status) -> None:
    found = replace(normal(0.99), status=status, reason="5 clusters, fewer than 10")

    assert state(RELIABLE, found) == (RuleState.INCONCLUSIVE, "5 clusters, fewer than 10")


def test_worst_and_best_case_bounds_decide_where_there_is_no_value() -> None:
    unscored = RuleEvidence(value=None, lower=0.91, upper=0.99, n=300, status=Status.UNSCORED)

    assert state(RELIABLE, unscored)[0] is RuleState.PASS
    assert state(RELIABLE, replace(unscored, lower=0.85))[0] is RuleState.INCONCLUSIVE
    assert state(RELIABLE, replace(unscored, lower=0.7, upper=0.89))[0] is RuleState.FAIL


def waiver(expires: date = TODAY, rule: str = "reliable") -> Waiver:
    return Waiver(rule=rule, owner="ada@example.com", reason="the new model is safer", expires=expires)


@pytest.mark.parametrize("value", [0.7, 0.9])
def test_a_waiver_takes_a_rule_out_of_the_decision_and_is_shown(value: float) -> None:
    rules, evidence = [RELIABLE, replace(RELIABLE, name="other")], {"reliable": normal(value), "other": normal(0.95)}

    found = verdict(rules, evidence, waiver())

    assert found.decision is RuleDecision.PASS
    (waived,) = [outcome for outcome in found.outcomes if outcome.state is RuleState.WAIVED]
    assert (waived.rule.name, waived.waiver, waived.state) == ("reliable", waiver(), RuleState.WAIVED)
    assert waived.unwaived is (RuleState.FAIL if value == 0.7 else RuleState.INCONCLUSIVE)
    assert waived.reason.endswith("waived by ada@example.com until 2026-11-26: the new model is safer")


def test_an_expired_waiver_changes_nothing_and_says_so() -> None:
    found = verdict([RELIABLE], {"reliable": normal(0.7)}, waiver(date(2026, 11, 25)), waiver(date(2026, 1, 1)))

    assert found.decision is RuleDecision.FAIL
    assert found.outcomes[0].reason.endswith("the waiver of ada@example.com expired on 2026-11-25")


def test_a_rule_that_is_met_needs_no_waiver_and_waived_rules_alone_pass_nothing() -> None:
    assert verdict([RELIABLE], {"reliable": normal(0.95)}, waiver()).outcomes[0].state is RuleState.PASS
    assert verdict([RELIABLE], {"reliable": normal(0.7)}, waiver()).decision is RuleDecision.INCONCLUSIVE


def test_rules_are_named_once_and_waivers_name_a_rule() -> None:
    with pytest.raises(ValueError, match="expected unique names"):
        verdict([RELIABLE, RELIABLE], {})
    with pytest.raises(ValueError, match="found \\['gone'\\]"):
        verdict([RELIABLE], {}, waiver(rule="gone"))


def outcomes(gains: int, losses: int, n: int) -> Pairs:
    candidate = np.array([1.0] * gains + [0.0] * losses + [1.0] * (n - gains - losses))
    champion = np.array([0.0] * gains + [1.0] * losses + [1.0] * (n - gains - losses))
    return Pairs(candidate=candidate, champion=champion)


@pytest.mark.parametrize(
    ("gains", "losses", "n", "decision"),
    [
        (20, 18, 500, RuleDecision.PASS),
        (0, 0, 500, RuleDecision.PASS),
        (1, 1, 12, RuleDecision.INCONCLUSIVE),
        (0, 0, 12, RuleDecision.INCONCLUSIVE),
        (10, 60, 500, RuleDecision.FAIL),
        (0, 9, 12, RuleDecision.FAIL),
    ],
)
def test_comparisons_pass_fail_or_say_too_little(gains: int, losses: int, n: int, decision: RuleDecision) -> None:
    comparison = compare(outcomes(gains, losses, n))
    evidence = regression_evidence(comparison, margin=0.02, estimate_ids=("e1",))

    assert verdict([REGRESSION], {"no worse": evidence}).decision is decision
    assert evidence.estimate_ids == ("e1",)


def test_equal_variants_fail_some_slice_one_time_in_twenty_at_most() -> None:
    random, slices, rounds, failed, naive = np.random.default_rng(7), 6, 300, 0, 0
    rules = [replace(REGRESSION, name=str(place), threshold=0.0) for place in range(slices)]
    for _ in range(rounds):
        tables = random.multinomial(120, [0.12, 0.12, 0.76], size=slices)
        evidence = {
            str(place): regression_evidence(compare(outcomes(int(gains), int(losses), 120)), margin=0.0)
            for place, (gains, losses, _) in enumerate(tables)
        }
        failed += verdict(rules, evidence).decision is RuleDecision.FAIL
        naive += any((found.p_failing or 0.0) <= 0.05 for found in evidence.values())

    assert failed / rounds <= 0.08
    assert naive / rounds > 0.15
