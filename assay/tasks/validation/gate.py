"""Validates that the scorers, slices and rules of a gate exist, and builds the default gate."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from assay.records.statuses import GoldenSplit
from assay.statistics.conventions import DEFAULT_MARGIN
from assay.tasks.gate_spec import (
    OVERALL,
    RELIABILITY,
    AnyRule,
    CalibrationRule,
    CostRule,
    GateSpec,
    GoldenCasesRule,
    LatencyRule,
    LowerBoundRule,
    NoRegressionRule,
)
from assay.tasks.issues import TaskFinding, shown

if TYPE_CHECKING:
    from assay.tasks.case import Case
    from assay.tasks.spec import TaskSpec

NEEDS_CORRECT = "`correct` in task.yml, which defines a correct prediction"


def gate_of(spec: TaskSpec) -> GateSpec:
    """Returns the task's gate; by default, one rule for each threshold, one for the SLA and one against regressions."""
    if spec.gate is not None:
        return spec.gate
    rules: list[AnyRule] = [NoRegressionRule(name="no_regression", type="no_regression", margin=DEFAULT_MARGIN)]
    if spec.thresholds.reliability is not None:
        floor = spec.thresholds.reliability
        rules.insert(0, LowerBoundRule(name="reliable_enough", type="lower_bound", at_least=floor))
    if spec.thresholds.cost_per_correct_usd is not None:
        ceiling = spec.thresholds.cost_per_correct_usd
        rules.append(CostRule(name="cheap_enough", type="cost_per_correct", at_most_usd=ceiling))
    if spec.sla is not None:
        rules.append(LatencyRule(name="fast_enough", type="latency"))
    return GateSpec(rules=tuple(rules))


def preferred_by(judge: str) -> str:
    """Returns the name of the metric for how often a judge prefers a variant when it sees both predictions."""
    return f"preferred_by_{judge}"


def gate_findings(spec: TaskSpec, cases: tuple[Case, ...]) -> Iterator[TaskFinding]:
    """Yields every issue in the rules and waivers, and thresholds without what they need."""
    yield from _threshold_findings(spec)
    if spec.gate is None:
        return
    gate_cases = [case for case in cases if case.split == GoldenSplit.GATE]
    slices = {f"{name}={value}" for case in gate_cases for name, value in case.slices.items()}
    for index, rule in enumerate(spec.gate.rules):
        for finding in (*_rule_findings(spec, rule), *_slice_findings(rule, slices)):
            yield finding.under("gate", "rules", index)
    names = [rule.name for rule in spec.gate.rules]
    for index, waiver in enumerate(spec.gate.waivers):
        if waiver.rule not in names:
            path = ("gate", "waivers", index, "rule")
            yield TaskFinding(path, f"the name of a rule ({', '.join(names)})", shown(waiver.rule))


def _threshold_findings(spec: TaskSpec) -> Iterator[TaskFinding]:
    """Yields thresholds whose rule of the default gate could never be met."""
    for name, threshold in spec.thresholds:
        if threshold is not None and not spec.correct:
            yield TaskFinding(("thresholds", name), NEEDS_CORRECT, "a threshold without it")


def _rule_findings(spec: TaskSpec, rule: AnyRule) -> Iterator[TaskFinding]:
    scorers = spec.scorers
    if isinstance(rule, LowerBoundRule | NoRegressionRule):
        known = [*([RELIABILITY] if spec.correct else []), *scorers]
        if isinstance(rule, NoRegressionRule):
            known += [preferred_by(judge.name) for judge in spec.judges]
        if rule.metric not in known:
            expected = f"one of {', '.join(known)}" if known else "a scorer, but the task declares none"
            yield TaskFinding(("metric",), expected, shown(rule.metric))
    if isinstance(rule, CostRule) and not spec.correct:
        yield TaskFinding(("type",), NEEDS_CORRECT, "a cost rule without it")
    if isinstance(rule, LatencyRule) and spec.sla is None:
        yield TaskFinding(("type",), "`sla` in task.yml, which sets the maximum latency", "a latency rule without it")
    if isinstance(rule, CalibrationRule) and rule.judge not in [judge.name for judge in spec.judges]:
        judges = ", ".join(judge.name for judge in spec.judges) or "none declared"
        yield TaskFinding(("judge",), f"a judge of the task ({judges})", shown(rule.judge))


def _slice_findings(rule: AnyRule, known: set[str]) -> Iterator[TaskFinding]:
    """Yields slices without cases in the gate split: their rules would silently not count toward the decision."""
    near = ", ".join(sorted(known)) or "no case has a slice"
    if isinstance(rule, GoldenCasesRule):
        for index, name in enumerate(rule.covering):
            if name not in known:
                yield TaskFinding(("covering", index), f"slices of gate cases ({near})", shown(name))
    elif not isinstance(rule, CalibrationRule) and rule.slice not in {OVERALL, *known}:
        yield TaskFinding(("slice",), f"{OVERALL}, or a slice of gate cases ({near})", shown(rule.slice))
