"""Step 5 of an evaluation: whether the candidate may ship, decided for each rule on the bounds of its evidence.

A rule passes on its own one-sided 95 % bound, for all have to pass (intersection-union: Berger,
Technometrics 24 (1982) 295); it fails on a bound adjusted for all tested rules (Holm, Scand. J. Statist. 6 (1979) 65), so
that equal variants fail some rule 5 % of the time at most.
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
    """Someone answers for a rule that is not met, up to and including a day."""

    rule: str
    owner: str
    reason: str
    expires: date


EXIT_CODES = {RuleDecision.PASS: 0, RuleDecision.FAIL: 1, RuleDecision.INCONCLUSIVE: 2}


@dataclass(frozen=True, slots=True, kw_only=True)
class GateOutcome:
    """A rule with what became of it and why; `unwaived` is its state without the waiver, which may have expired."""

    rule: GateRule
    evidence: RuleEvidence | None
    state: RuleState
    unwaived: RuleState
    reason: str
    adjusted_p: float | None = None
    waiver: Waiver | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class GateVerdict:
    """The decision with every rule's outcome, in the order of the rules."""

    decision: RuleDecision
    outcomes: tuple[GateOutcome, ...]

    @property
    def waived(self) -> tuple[GateOutcome, ...]:
        """The rules that did not count because someone answers for them."""
        return tuple(outcome for outcome in self.outcomes if outcome.state is RuleState.WAIVED)

    @property
    def exit_code(self) -> int:
        """Of the command: 0 PASS, 1 FAIL, 2 INCONCLUSIVE."""
        return EXIT_CODES[self.decision]

    def blocks(self, *, on_inconclusive: OnInconclusive) -> bool:
        """Whether a promotion stops here, for a stage's `on_inconclusive`: block or warn."""
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
    """FAIL if any rule fails, PASS if all gated rules pass and at least one does, else INCONCLUSIVE.

    `evidence` is by the rules' names; a rule without any is inconclusive. Without a champion, regression rules are reported
    only. Waived rules have no say, but stay in the family that Holm's adjustment is for.

    Raises:
        ValueError: two rules have the same name, or a waiver names none of them.
    """
    names = [rule.name for rule in rules]
    unknown = {waiver.rule for waiver in waivers} - set(names)
    if len(set(names)) < len(names) or unknown:
        raise ValueError(
            f"rules {sorted(names)}: expected different names, and waivers for these; found {sorted(unknown)}"
        )
    states = [_untested(rule, evidence.get(rule.name), champion=champion) for rule in rules]
    tested = [place for place, outcome in enumerate(states) if outcome is None]
    adjusted = holm([_p_failing(rules[place], evidence[rules[place].name]) for place in tested])
    for place, p in zip(tested, adjusted, strict=True):
        states[place] = _tested(rules[place], evidence[rules[place].name], p)
    outcomes = tuple(_waived(outcome, waivers, today) for outcome in states if outcome is not None)
    return GateVerdict(decision=_decision([outcome.state for outcome in outcomes]), outcomes=outcomes)


def gate_waivers(gate: GateSpec) -> tuple[Waiver, ...]:
    """The waivers of `task.yml`."""
    return tuple(
        Waiver(rule=waiver.rule, owner=waiver.owner, reason=waiver.reason, expires=waiver.expires)
        for waiver in gate.waivers
    )


def holm(p_values: Sequence[float]) -> list[float]:
    """The p-values adjusted for there being several, in the same order: Holm, Scand. J. Statist. 6 (1979) 65."""
    order, adjusted, highest = sorted(range(len(p_values)), key=p_values.__getitem__), [0.0] * len(p_values), 0.0
    for rank, place in enumerate(order):
        highest = max(highest, min(1.0, (len(order) - rank) * p_values[place]))
        adjusted[place] = highest
    return adjusted


def _untested(rule: GateRule, found: RuleEvidence | None, *, champion: bool) -> GateOutcome | None:
    """The outcome of a rule that no test decides; None where one does."""
    if rule.kind is RuleKind.NO_REGRESSION and not champion:
        return _outcome(rule, found, RuleState.REPORTED, "no champion yet: absolute rules only")
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
    short = [name for name in rule.covering if found.counts.get(name, 0) < rule.n_min]
    if found.n < rule.bar:
        return _outcome(rule, found, RuleState.FAIL, f"{found.n} golden cases, fewer than {rule.bar:g}")
    if short:
        return _outcome(rule, found, RuleState.FAIL, f"fewer than {rule.n_min} golden cases in {', '.join(short)}")
    return _outcome(rule, found, RuleState.PASS, f"{found.n} golden cases, at least {rule.bar:g}")


def _p_failing(rule: GateRule, found: RuleEvidence) -> float:
    """The p-value of "the rule is met", as given or read off the estimate and its bound on the side of the limit.

    Altman & Bland, BMJ 343 (2011) d2304: normal between the two, and `found.error` where the bound is at the limit. Where
    unscored rows leave bounds without an estimate it is that error beyond them, and 1 within.
    """
    from scipy.special import ndtr, ndtri

    if found.p_failing is not None:
        return found.p_failing
    lower, upper = _bounds(found)
    bound, beyond = (lower, lower > rule.limit) if rule.kind in AT_MOST else (upper, upper < rule.limit)
    if found.value is None or found.value == bound:
        return found.error if beyond else 1.0
    return float(ndtr(-float(ndtri(1 - found.error)) * (rule.limit - found.value) / (bound - found.value)))


def _tested(rule: GateRule, found: RuleEvidence, adjusted_p: float) -> GateOutcome:
    lower, upper = _bounds(found)
    if rule.kind in AT_MOST:
        met, said = upper <= rule.limit, (f"upper bound {upper:.4g}", f"lower bound {lower:.4g}")
    else:
        met, said = lower >= rule.limit, (f"lower bound {lower:.4g}", f"upper bound {upper:.4g}")
    if rule.kind is RuleKind.NO_REGRESSION:
        met = lower > rule.limit
    if met:
        return _outcome(rule, found, RuleState.PASS, f"{said[0]} meets {rule.limit:.4g}", adjusted_p)
    if adjusted_p <= ERROR:
        missed = f"{said[1]} misses {rule.limit:.4g}, adjusted p = {adjusted_p:.2g}"
        return _outcome(rule, found, RuleState.FAIL, missed, adjusted_p)
    within = f"{rule.limit:.4g} is not clear of the bounds {lower:.4g} to {upper:.4g}"
    return _outcome(rule, found, RuleState.INCONCLUSIVE, within, adjusted_p)


def _bounds(found: RuleEvidence) -> tuple[float, float]:
    """NaN, which meets nothing, for a bound that is not there."""
    return math.nan if found.lower is None else found.lower, math.nan if found.upper is None else found.upper


def _outcome(
    rule: GateRule, found: RuleEvidence | None, state: RuleState, reason: str, adjusted_p: float | None = None
) -> GateOutcome:
    return GateOutcome(rule=rule, evidence=found, state=state, unwaived=state, reason=reason, adjusted_p=adjusted_p)


def _waived(outcome: GateOutcome, waivers: Sequence[Waiver], today: date) -> GateOutcome:
    """With the latest waiver for its rule, which takes effect where it has not expired and the rule is not met."""
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
