"""Step 5 of an evaluation: the verdict of the gate, decided for each rule from the bounds of its evidence.

A rule passes on its one-sided 95% bound without adjustment, because all rules must pass (intersection-union: Berger,
Technometrics 24 (1982) 295). It fails on a bound that is adjusted for all tested rules (Holm, Scand. J. Statist. 6
(1979) 65), so that the probability that equal variants fail any rule is at most 5%.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date

from assay.evaluation.evidence import GateRule, RuleEvidence
from assay.records.statuses import OnInconclusive, RuleDecision, RuleKind, RuleState
from assay.statistics.conventions import ERROR
from assay.statistics.measured import Status
from assay.tasks.gate_spec import OVERALL, GateSpec

AT_MOST = frozenset({RuleKind.COST_PER_CORRECT})


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiver:
    """A rule set aside by an owner, up to and including its last day."""

    rule: str
    owner: str
    reason: str
    expires: date


EXIT_CODES = {RuleDecision.PASS: 0, RuleDecision.FAIL: 1, RuleDecision.INCONCLUSIVE: 2}


@dataclass(frozen=True, slots=True, kw_only=True)
class GateOutcome:
    """The outcome of a rule with its reason; `unwaived` is the state without the waiver, which may have expired."""

    rule: GateRule
    evidence: RuleEvidence | None
    state: RuleState
    unwaived: RuleState
    reason: str
    adjusted_p: float | None = None
    waiver: Waiver | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class GateVerdict:
    """The decision, with the outcome of every rule in the order of the rules."""

    decision: RuleDecision
    outcomes: tuple[GateOutcome, ...]

    @property
    def waived(self) -> tuple[GateOutcome, ...]:
        """The rules that do not count because of a waiver."""
        return tuple(outcome for outcome in self.outcomes if outcome.state is RuleState.WAIVED)

    @property
    def exit_code(self) -> int:
        """Exit code of the command: 0 for PASS, 1 for FAIL, 2 for INCONCLUSIVE."""
        return EXIT_CODES[self.decision]

    def blocks(self, *, on_inconclusive: OnInconclusive) -> bool:
        """True if the decision blocks a promotion, given the `on_inconclusive` of the stage."""
        if self.decision is RuleDecision.INCONCLUSIVE:
            return on_inconclusive != OnInconclusive.WARN
        return self.decision is RuleDecision.FAIL


def decide(
    rules: Sequence[GateRule],
    evidence: Mapping[str, RuleEvidence],
    *,
    today: date,
    waivers: Sequence[Waiver] = (),
    champion: bool = True,
) -> GateVerdict:
    """FAIL if any rule fails; PASS if all rules that count toward the decision pass and there is at least one.

    Otherwise, the decision is INCONCLUSIVE. `evidence` is keyed by rule name; a rule without evidence is inconclusive.
    Without a champion, no-regression rules are only reported. Waived and reported rules do not count toward the
    decision; waived rules remain in the family of Holm's adjustment.

    Raises:
        ValueError: two rules have the same name, or a waiver names an unknown rule.
    """
    names = [rule.name for rule in rules]
    unknown = {waiver.rule for waiver in waivers} - set(names)
    if len(set(names)) < len(names) or unknown:
        raise ValueError(
            f"rules {sorted(names)}: expected unique names, and waivers of these rules; found {sorted(unknown)}"
        )
    states = [_untested(rule, evidence.get(rule.name), champion=champion) for rule in rules]
    tested = [index for index, outcome in enumerate(states) if outcome is None]
    adjusted = holm([_p_failing(rules[index], evidence[rules[index].name]) for index in tested])
    for index, p in zip(tested, adjusted, strict=True):
        states[index] = _tested(rules[index], evidence[rules[index].name], p)
    outcomes = tuple(_waived(outcome, waivers, today) for outcome in states if outcome is not None)
    return GateVerdict(decision=_decision([outcome.state for outcome in outcomes]), outcomes=outcomes)


def gate_waivers(gate: GateSpec) -> tuple[Waiver, ...]:
    """The waivers of `task.yml`."""
    return tuple(
        Waiver(rule=waiver.rule, owner=waiver.owner, reason=waiver.reason, expires=waiver.expires)
        for waiver in gate.waivers
    )


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's adjusted p-values, in the same order: Scand. J. Statist. 6 (1979) 65."""
    order, adjusted, highest = sorted(range(len(p_values)), key=p_values.__getitem__), [0.0] * len(p_values), 0.0
    for rank, index in enumerate(order):
        highest = max(highest, min(1.0, (len(order) - rank) * p_values[index]))
        adjusted[index] = highest
    return adjusted


def _untested(rule: GateRule, found: RuleEvidence | None, *, champion: bool) -> GateOutcome | None:
    """The outcome of a rule that needs no test; None if a test decides it."""
    if rule.kind is RuleKind.NO_REGRESSION and not champion:
        return _outcome(rule, found, RuleState.REPORTED, "no champion yet: only absolute rules are decided")
    if found is None:
        return _outcome(rule, None, RuleState.INCONCLUSIVE, "no evidence")
    if rule.kind is RuleKind.GOLDEN_CASES:
        return _counted(rule, found)
    if found.n < rule.n_min:
        small = (
            f"{found.n} {'labels' if rule.kind is RuleKind.JUDGE_CALIBRATED else 'records'}, fewer than {rule.n_min}"
        )
        return _outcome(rule, found, RuleState.INCONCLUSIVE if rule.slice == OVERALL else RuleState.REPORTED, small)
    if found.status in {Status.INCONCLUSIVE, Status.NONE} or found.lower is None or found.upper is None:
        return _outcome(rule, found, RuleState.INCONCLUSIVE, found.reason or "no bounds")
    return None


def _counted(rule: GateRule, found: RuleEvidence) -> GateOutcome:
    if found.value is None:
        return _outcome(rule, found, RuleState.INCONCLUSIVE, found.reason or "no golden cases")
    short = [name for name in rule.covering if found.counts.get(name, 0) < rule.n_min]
    if found.n < rule.threshold:
        return _outcome(rule, found, RuleState.FAIL, f"{found.n} golden cases, fewer than {rule.threshold:g}")
    if short:
        return _outcome(rule, found, RuleState.FAIL, f"fewer than {rule.n_min} golden cases in {', '.join(short)}")
    return _outcome(rule, found, RuleState.PASS, f"{found.n} golden cases, at least {rule.threshold:g}")


def _p_failing(rule: GateRule, found: RuleEvidence) -> float:
    """The p-value of the null hypothesis that the rule is met, from the evidence or from its estimate and bound.

    Derived as in Altman & Bland, BMJ 343 (2011) d2304: from the normal distribution, and `found.error` if the bound
    equals the limit. If unscored rows leave bounds without an estimate, it is `found.error` if the limit is outside the
    bounds and 1 if it is within them.
    """
    from scipy.special import ndtr, ndtri

    if found.p_failing is not None:
        return found.p_failing
    bound, is_missed = _failing_bound(rule, found)
    if found.value is None or found.value == bound:
        return found.error if is_missed else 1.0
    return float(ndtr(-float(ndtri(1 - found.error)) * (rule.limit - found.value) / (bound - found.value)))


def _tested(rule: GateRule, found: RuleEvidence, adjusted_p: float) -> GateOutcome:
    lower, upper = _bounds(found)
    if rule.kind in AT_MOST:
        met, shown = upper <= rule.limit, (f"upper bound {upper:.4g}", f"lower bound {lower:.4g}")
    else:
        met, shown = lower >= rule.limit, (f"lower bound {lower:.4g}", f"upper bound {upper:.4g}")
    if rule.kind is RuleKind.NO_REGRESSION:
        met = lower > rule.limit
    if met:
        return _outcome(rule, found, RuleState.PASS, f"{shown[0]} meets {rule.limit:.4g}", adjusted_p)
    if adjusted_p <= ERROR:
        missed = f"{shown[1]} misses {rule.limit:.4g}, adjusted p = {adjusted_p:.2g}"
        return _outcome(rule, found, RuleState.FAIL, missed, adjusted_p)
    if _failing_bound(rule, found)[1]:
        reason = f"{shown[1]} misses {rule.limit:.4g}, but not for this number of rules: adjusted p = {adjusted_p:.2g}"
    else:
        reason = f"{rule.limit:.4g} is within the bounds {lower:.4g} to {upper:.4g}"
    return _outcome(rule, found, RuleState.INCONCLUSIVE, reason, adjusted_p)


def _failing_bound(rule: GateRule, found: RuleEvidence) -> tuple[float, bool]:
    """The bound that shows that the rule is not met, and whether it misses the limit."""
    lower, upper = _bounds(found)
    return (lower, lower > rule.limit) if rule.kind in AT_MOST else (upper, upper < rule.limit)


def _bounds(found: RuleEvidence) -> tuple[float, float]:
    """Both bounds; a missing bound is NaN, which meets no limit."""
    return math.nan if found.lower is None else found.lower, math.nan if found.upper is None else found.upper


def _outcome(
    rule: GateRule, found: RuleEvidence | None, state: RuleState, reason: str, adjusted_p: float | None = None
) -> GateOutcome:
    return GateOutcome(rule=rule, evidence=found, state=state, unwaived=state, reason=reason, adjusted_p=adjusted_p)


def _waived(outcome: GateOutcome, waivers: Sequence[Waiver], today: date) -> GateOutcome:
    """The outcome with the latest waiver of its rule, which applies if it has not expired and the rule is not met."""
    own = [waiver for waiver in waivers if waiver.rule == outcome.rule.name]
    if not own:
        return outcome
    latest = max(own, key=lambda waiver: waiver.expires)
    if outcome.state not in {RuleState.FAIL, RuleState.INCONCLUSIVE}:
        return replace(outcome, waiver=latest)
    if today > latest.expires:
        expired = f"{outcome.reason}; the waiver of {latest.owner} expired on {latest.expires.isoformat()}"
        return replace(outcome, waiver=latest, reason=expired)
    waived = f"{outcome.reason}; waived by {latest.owner} until {latest.expires.isoformat()}: {latest.reason}"
    return replace(outcome, waiver=latest, state=RuleState.WAIVED, reason=waived)


def _decision(states: Sequence[RuleState]) -> RuleDecision:
    if RuleState.FAIL in states:
        return RuleDecision.FAIL
    if RuleState.INCONCLUSIVE in states or RuleState.PASS not in states:
        return RuleDecision.INCONCLUSIVE
    return RuleDecision.PASS
