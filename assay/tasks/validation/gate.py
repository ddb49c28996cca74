"""Validates that the scorers, slices and rules of a gate exist, and builds the default gate."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from assay.records.statuses import GoldenSplit, ResultKind
from assay.statistics.conventions import DEFAULT_MARGIN
from assay.tasks.fields.robustness_spec import ANY
from assay.tasks.gate_spec import (
    AVERAGE_METRICS,
    CLASS_METRICS,
    OVERALL,
    RELIABILITY,
    REPEATED,
    AnyRule,
    CalibrationRule,
    CostRule,
    FlakyRule,
    GateSpec,
    GoldenCasesRule,
    LatencyRule,
    LowerBoundRule,
    MeanRule,
    NoRegressionRule,
    RobustnessRule,
)
from assay.tasks.issues import TaskFinding, shown
from assay.tasks.task import result_kinds_of

if TYPE_CHECKING:
    from assay.tasks.case import Case
    from assay.tasks.rubric import Rubric
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


def corrected_by(judge: str) -> str:
    """Returns the name of the metric for the share of predictions that pass, by a judge corrected by human labels."""
    return f"corrected_{judge}"


def gate_findings(spec: TaskSpec, cases: tuple[Case, ...], *, rubrics: Mapping[str, Rubric]) -> Iterator[TaskFinding]:
    """Yields every issue in the rules and waivers, and thresholds without what they need."""
    yield from _threshold_findings(spec)
    if spec.gate is None:
        return
    kinds = result_kinds_of(spec, rubrics)
    gate_cases = [case for case in cases if case.split == GoldenSplit.GATE]
    slices = {f"{name}={value}" for case in gate_cases for name, value in case.slices.items()}
    for index, rule in enumerate(spec.gate.rules):
        for finding in (*_rule_findings(spec, rule, kinds), *_slice_findings(rule, slices)):
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


def _rule_findings(spec: TaskSpec, rule: AnyRule, kinds: Mapping[str, ResultKind]) -> Iterator[TaskFinding]:
    if isinstance(rule, RobustnessRule) and rule.kind not in (ANY, *spec.robustness.kinds):
        known = ", ".join((ANY, *spec.robustness.kinds))
        yield TaskFinding(("kind",), f"{known} (the kinds of `robustness`)", shown(rule.kind))
    if isinstance(rule, LowerBoundRule) and (rule.is_of_classes or rule.metric in _METRICS_OF_CLASSES):
        yield from _class_rule_findings(spec, rule)
    elif isinstance(rule, MeanRule) or (isinstance(rule, NoRegressionRule) and rule.higher_is_better is not None):
        yield from _mean_rule_findings(spec, rule, kinds)
    elif isinstance(rule, LowerBoundRule | NoRegressionRule | RobustnessRule):
        yield from _rate_rule_findings(spec, rule, kinds)
    if isinstance(rule, CostRule | FlakyRule) and not spec.correct:
        yield TaskFinding(("type",), NEEDS_CORRECT, f"a rule of type {rule.type} without it")
    if isinstance(rule, LatencyRule) and spec.sla is None:
        yield TaskFinding(("type",), "`sla` in task.yml, which sets the maximum latency", "a latency rule without it")
    if isinstance(rule, CalibrationRule) and rule.judge not in [judge.name for judge in spec.judges]:
        judges = ", ".join(judge.name for judge in spec.judges) or "none declared"
        yield TaskFinding(("judge",), f"a judge of the task ({judges})", shown(rule.judge))


def _rate_rule_findings(
    spec: TaskSpec, rule: LowerBoundRule | NoRegressionRule | RobustnessRule, kinds: Mapping[str, ResultKind]
) -> Iterator[TaskFinding]:
    """Yields a metric that the task does not have, or that has no rate."""
    known = [*([RELIABILITY] if spec.correct else []), *spec.scorers]
    if isinstance(rule, NoRegressionRule):
        known += [preferred_by(judge.name) for judge in spec.judges]
    known += [corrected_by(judge.name) for judge in spec.judges]
    more = ", or pass_hat_K or pass_at_K with a number K" if isinstance(rule, LowerBoundRule) and spec.correct else ""
    if rule.metric not in known and not (more and REPEATED.match(rule.metric)):
        expected = f"one of {', '.join(known)}{more}" if known else "a scorer, but the task declares none"
        yield TaskFinding(("metric",), expected, shown(rule.metric))
    elif kinds.get(rule.metric) is ResultKind.NUMBER:
        yield TaskFinding(("metric",), _RATE_OR_MEAN[rule.type], f"{shown(rule.metric)}, which gives a number")


_RATE_OR_MEAN = {
    "lower_bound": "a scorer that passes or fails, or a rule of type `mean`",
    "no_regression": "a scorer that passes or fails, or `higher_is_better` with the margin in the unit of the number",
    "robustness": "a scorer that passes or fails",
}
"""What a rule on a rate expects in place of a scorer that gives a number, by the type of the rule."""
_METRICS_OF_CLASSES = (*CLASS_METRICS, *AVERAGE_METRICS)


def _class_rule_findings(spec: TaskSpec, rule: LowerBoundRule) -> Iterator[TaskFinding]:
    """Yields what a rule on classes lacks; whether the check compares classes depends on the output schema."""
    if rule.metric not in _METRICS_OF_CLASSES:
        expected = f"a metric of classes ({', '.join(_METRICS_OF_CLASSES)}), because `scorer` is set"
        yield TaskFinding(("metric",), expected, shown(rule.metric))
        return
    checks = [check.name for check in spec.checks]
    if rule.scorer is None or rule.scorer not in checks:
        found = shown(rule.scorer) if rule.scorer is not None else "no `scorer`"
        expected = f"the check that compares the classes ({', '.join(checks) or 'the task declares none'})"
        yield TaskFinding(("scorer" if rule.scorer is not None else "metric",), expected, found)
        return
    if (rule.label is None) == (rule.metric in CLASS_METRICS):
        needs = f"`label`, the class that the {rule.metric} is of" if rule.label is None else "no `label`: an average"
        yield TaskFinding(("metric" if rule.label is None else "label",), needs, shown(rule.label or rule.metric))


def _mean_rule_findings(
    spec: TaskSpec, rule: MeanRule | NoRegressionRule, kinds: Mapping[str, ResultKind]
) -> Iterator[TaskFinding]:
    """Yields a metric that gives no number, or a custom check that does not state that it does."""
    if kinds.get(rule.metric) is ResultKind.NUMBER or rule.metric in _unread_judges(spec, kinds):
        return
    if rule.metric in [check.name for check in spec.checks] and rule.metric not in kinds:
        expected = f"`gives: number` on the check {rule.metric!r}, because the rule is on its mean"
        yield TaskFinding(("metric",), expected, "a custom check without `gives`")
        return
    near = ", ".join(name for name, kind in kinds.items() if kind is ResultKind.NUMBER) or "the task has none"
    expected = f"a scorer that gives a number: a custom check with `gives: number`, or a judge with levels and without `passes` ({near})"
    yield TaskFinding(("metric",), expected, shown(rule.metric))


def _unread_judges(spec: TaskSpec, kinds: Mapping[str, ResultKind]) -> list[str]:
    """Returns the judges whose rubric cannot be read, which is an issue of its own."""
    return [judge.name for judge in spec.judges if judge.name not in kinds]


def _slice_findings(rule: AnyRule, known: set[str]) -> Iterator[TaskFinding]:
    """Yields slices without cases in the gate split: their rules would silently not count toward the decision."""
    near = ", ".join(sorted(known)) or "no case has a slice"
    if isinstance(rule, GoldenCasesRule):
        for index, name in enumerate(rule.covering):
            if name not in known:
                yield TaskFinding(("covering", index), f"slices of gate cases ({near})", shown(name))
    elif not isinstance(rule, CalibrationRule) and rule.slice not in {OVERALL, *known}:
        yield TaskFinding(("slice",), f"{OVERALL}, or a slice of gate cases ({near})", shown(rule.slice))
