"""Step 5 of an evaluation: the verdict of the gate, decided for each rule from the bounds of its evidence.

A rule passes on its one-sided bound at the error rate of the look, without adjustment for other rules, because all must
pass (intersection-union: Berger, Technometrics 24 (1982) 295). It fails if the p-value of the null hypothesis that it is
met is at most 5%, adjusted for all tested rules (Holm, Scand. J. Statist. 6 (1979) 65), so that the probability that
equal variants fail any rule is at most 5%.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date

from assay.evaluation.evidence import RuleEvidence
from assay.records.statuses import OnInconclusive, RuleDecision, RuleKind, RuleState
from assay.statistics.conventions import ERROR
from assay.statistics.looks import UNCOUNTED, Look
from assay.statistics.measured import Status, joined
from assay.statistics.multiple.family import holm
from assay.tasks.gate_rule import AT_MOST, MARGINS, GateRule
from assay.tasks.gate_spec import OVERALL, GateSpec


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
    """The outcome of a rule with its reason; `unwaived` is the state without the waiver, which may have expired.

    `p_passing` is the p-value of the null hypothesis that the rule is not met; `adjusted_p`, adjusted for the number of
    rules, that of the null hypothesis that it is met. Both are None for a rule that needs no test.
    """

    rule: GateRule
    evidence: RuleEvidence | None
    state: RuleState
    unwaived: RuleState
    reason: str
    p_passing: float | None = None
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
    look: Look = UNCOUNTED,
) -> GateVerdict:
    """FAIL if any rule fails; PASS if all rules that count toward the decision pass and there is at least one.

    Otherwise, the decision is INCONCLUSIVE. `evidence` is keyed by rule name; a rule without evidence is inconclusive.
    A rule on the run passes with a p-value of at most the error rate of the `look`; the agreement of a judge with
    people is measured on labels, and passes at `ERROR`. Without a champion, no-regression rules are only reported. Waived and reported rules do not count toward the
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
        states[index] = _tested(rules[index], evidence[rules[index].name], adjusted_p=p, look=look)
    outcomes = tuple(_waived(outcome, waivers, today) for outcome in states if outcome is not None)
    return GateVerdict(decision=_decision([outcome.state for outcome in outcomes]), outcomes=outcomes)


def gate_waivers(gate: GateSpec) -> tuple[Waiver, ...]:
    """The waivers of `task.yml`."""
    return tuple(
        Waiver(rule=waiver.rule, owner=waiver.owner, reason=waiver.reason, expires=waiver.expires)
        for waiver in gate.waivers
    )


def _untested(rule: GateRule, found: RuleEvidence | None, *, champion: bool) -> GateOutcome | None:
    """The outcome of a rule that needs no test; None if a test decides it."""
    if rule.is_regression and not champion:
        return _outcome(rule, found, RuleState.REPORTED, "no champion yet: only absolute rules are decided")
    if found is None:
        return _outcome(rule, None, RuleState.INCONCLUSIVE, "no evidence")
    if rule.kind is RuleKind.GOLDEN_CASES:
        return _counted(rule, found)
    if rule.kind is RuleKind.ROBUSTNESS and found.value is None:
        return _outcome(rule, found, RuleState.INCONCLUSIVE, found.reason or "not measured")
    if found.n < rule.n_min:
        small = (
            f"{found.n} {'labels' if rule.kind is RuleKind.JUDGE_CALIBRATED else 'records'}, fewer than {rule.n_min}"
        )
        reason = small if found.value is not None else joined(small, found.reason) or small
        return _outcome(rule, found, RuleState.INCONCLUSIVE if rule.slice == OVERALL else RuleState.REPORTED, reason)
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
    """The p-value of the null hypothesis that the rule is met, from the evidence or from its estimate and bound."""
    if found.p_failing is not None:
        return found.p_failing
    bound, is_missed = _failing_bound(rule, found)
    return _p_from_bound(rule.limit, found, bound, is_beyond=is_missed)


def _p_passing(rule: GateRule, found: RuleEvidence) -> float:
    """The p-value of the null hypothesis that the rule is not met, from the bounds."""
    if found.at_any_error is not None:
        bounds = found.at_any_error
        return bounds.p_below(rule.limit) if rule.kind in AT_MOST else bounds.p_above(rule.limit)
    bound, is_met = _passing_bound(rule, found)
    return _p_from_bound(rule.limit, found, bound, is_beyond=is_met)


def _passes(rule: GateRule, found: RuleEvidence, *, error: float) -> bool:
    """True if the bound at this error rate meets the limit."""
    if not error or not _passing_bound(rule, found)[1]:
        return False
    if found.at_any_error is None:
        return _p_passing(rule, found) <= error
    bounds = found.at_any_error
    return _passing_bound(rule, replace(found, lower=bounds.lower(error), upper=bounds.upper(error)))[1]


def _p_from_bound(limit: float, found: RuleEvidence, bound: float, *, is_beyond: bool) -> float:
    """The p-value whose bound at error rate `found.error` is `bound`.

    Derived as in Altman & Bland, BMJ 343 (2011) d2304: from the normal distribution, and `found.error` if the bound
    equals the limit. If unscored rows leave bounds without an estimate, it is `found.error` if the limit is outside the
    bounds and 1 if it is within them. A bound equal to the estimate is a value that is known: 0 or 1.
    """
    from scipy.special import ndtr, ndtri

    if found.value is None:
        return found.error if is_beyond else 1.0
    if bound == limit:
        return found.error
    if found.value == bound:
        return float(not is_beyond)
    return float(ndtr(-float(ndtri(1 - found.error)) * (limit - found.value) / (bound - found.value)))


def _tested(rule: GateRule, found: RuleEvidence, *, adjusted_p: float, look: Look) -> GateOutcome:
    p = _p_passing(rule, found)
    state, reason = _tested_state(rule, found, p=p, adjusted_p=adjusted_p, look=look)
    return replace(_outcome(rule, found, state, reason), p_passing=p, adjusted_p=adjusted_p)


def _tested_state(
    rule: GateRule, found: RuleEvidence, *, p: float, adjusted_p: float, look: Look
) -> tuple[RuleState, str]:
    """The state of a tested rule and the reason for it."""
    lower, upper = _bounds(found)
    shown = (f"upper bound {upper:.4g}", f"lower bound {lower:.4g}")
    passing, failing = shown if rule.kind in AT_MOST else shown[::-1]
    meets, misses = f"{passing} meets {rule.limit:.4g}", f"{failing} misses {rule.limit:.4g}"
    if _passes(rule, found, error=ERROR if rule.kind is RuleKind.JUDGE_CALIBRATED else look.error):
        return RuleState.PASS, meets
    if adjusted_p <= ERROR:
        return RuleState.FAIL, f"{misses}, adjusted p = {adjusted_p:.2g}"
    if _passing_bound(rule, found)[1]:
        return RuleState.INCONCLUSIVE, f"{meets}, but {_too_late(p, look)}"
    if _failing_bound(rule, found)[1]:
        return RuleState.INCONCLUSIVE, f"{misses}, but not for this number of rules: adjusted p = {adjusted_p:.2g}"
    return RuleState.INCONCLUSIVE, f"{rule.limit:.4g} is within the bounds {lower:.4g} to {upper:.4g}"


def _too_late(p: float, look: Look) -> str:
    """Why a rule whose bound meets the limit does not pass at this look."""
    if not look.error:
        planned = f" (planned: {look.planned})" if look.planned else ""
        return f"the error rate of looks at these cases is spent: this is look {look.number}{planned}"
    return f"p = {100 * p:.3g}%, and look {look.number} at these cases passes at {look.requirement}"


def _passing_bound(rule: GateRule, found: RuleEvidence) -> tuple[float, bool]:
    """The bound that shows that the rule is met, and whether it meets the limit; a loss of exactly the margin does not."""
    lower, upper = _bounds(found)
    if rule.kind in AT_MOST:
        return upper, upper <= rule.limit
    return lower, lower > rule.limit if rule.kind in MARGINS else lower >= rule.limit


def _failing_bound(rule: GateRule, found: RuleEvidence) -> tuple[float, bool]:
    """The bound that shows that the rule is not met, and whether it misses the limit."""
    lower, upper = _bounds(found)
    return (lower, lower > rule.limit) if rule.kind in AT_MOST else (upper, upper < rule.limit)


def _bounds(found: RuleEvidence) -> tuple[float, float]:
    """Both bounds; a missing bound is NaN, which meets no limit."""
    return math.nan if found.lower is None else found.lower, math.nan if found.upper is None else found.upper


def _outcome(rule: GateRule, found: RuleEvidence | None, state: RuleState, reason: str) -> GateOutcome:
    return GateOutcome(rule=rule, evidence=found, state=state, unwaived=state, reason=reason)


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
