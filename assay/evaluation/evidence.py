"""Step 4 of an evaluation: the rules of the gate, and for each the estimate, comparison or count that it is decided on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from assay.calibration.calibrate import calibrate
from assay.evaluation.comparisons import MetricComparison, comparison_id
from assay.evaluation.outcomes import Outcomes
from assay.evaluation.sides import Sides
from assay.project import StageContext
from assay.records.statuses import RuleKind
from assay.scoring.estimates import estimate_id
from assay.scoring.tally import PASS_RATE
from assay.statistics.conventions import ERROR, GATE_LEVEL
from assay.statistics.measured import Measured, Status
from assay.statistics.paired import PairedComparison
from assay.tasks.gate_spec import (
    OVERALL,
    AnyRule,
    CalibrationRule,
    CostRule,
    GateSpec,
    GoldenCasesRule,
    LatencyRule,
    LowerBoundRule,
    NoRegressionRule,
)
from assay.tasks.spec import SlaSpec
from assay.tasks.task import Task

COST = "cost_per_correct_usd"
LATENCY = "share_within_sla"
CASES = RuleKind.GOLDEN_CASES.value


@dataclass(frozen=True, slots=True, kw_only=True)
class GateRule:
    """One requirement, named once in a gate. A slice with fewer than `n_min` records is reported, not gated."""

    name: str
    kind: RuleKind
    metric: str
    bar: float
    slice: str = OVERALL
    n_min: int = 1
    covering: tuple[str, ...] = ()

    @property
    def limit(self) -> float:
        """What the bounds are held against."""
        return -self.bar if self.kind is RuleKind.NO_REGRESSION else self.bar


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleEvidence:
    """What is known for a rule: an estimate with bounds that are each wrong with probability `error` at most.

    `p_failing` is the p-value of "the rule is met"; where None it is read off the bounds. `counts` holds the golden cases
    of each slice. `measured` is the candidate's own estimate that is landed with the evaluation, None where there is none.
    """

    value: float | None
    lower: float | None = None
    upper: float | None = None
    n: int = 0
    p_failing: float | None = None
    error: float = ERROR
    method: str = "none"
    status: Status = Status.OK
    reason: str | None = None
    estimate_ids: tuple[str, ...] = ()
    counts: Mapping[str, int] = field(default_factory=dict)
    measured: Measured | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class GateInputs:
    """What a gate decides on; `calibration` has κ of each judge that people labelled answers of.

    `is_same` where candidate and champion ask the same in every respect, so that nothing can have become worse. Metrics
    that are `scorers` are landed as their pass rates.
    """

    candidate: Outcomes
    evaluation_id: str
    is_same: bool = False
    compared: Sequence[MetricComparison] = ()
    sla: SlaSpec | None = None
    scorers: frozenset[str] = frozenset()
    calibration: Mapping[str, RuleEvidence] = field(default_factory=dict)

    @property
    def population(self) -> str:
        """Where the records come from."""
        return self.candidate.populations[0]


def gather_evidence(
    context: StageContext, sides: Sides, comparisons: Sequence[MetricComparison], rules: Sequence[GateRule]
) -> dict[str, RuleEvidence]:
    """The evidence for each rule that has any, by the rule's name; nothing of it is landed yet but calibrations."""
    task = sides.candidate.task
    inputs = GateInputs(
        candidate=sides.candidate.outcomes,
        evaluation_id=sides.evaluation_id,
        is_same=sides.are_same,
        compared=comparisons,
        sla=task.spec.sla,
        scorers=frozenset(task.versions.scorers),
        calibration=_calibration(context, task, rules),
    )
    return evidence_for(rules, inputs)


def gate_rules(gate: GateSpec, sla: SlaSpec | None) -> tuple[GateRule, ...]:
    """The rules of `task.yml` as the gate decides them."""
    return tuple(_rule(rule, sla) for rule in gate.rules)


def evidence_for(rules: Iterable[GateRule], inputs: GateInputs) -> dict[str, RuleEvidence]:
    """The evidence for each rule that has any, by the rule's name."""
    found = {rule.name: _evidence(rule, inputs) for rule in rules}
    return {name: one for name, one in found.items() if one is not None}


def landed_metric(metric: str, scorers: Iterable[str]) -> tuple[str, str | None]:
    """A rule's metric as `estimates` has it: the metric, and the scorer whose pass rate it is."""
    return (PASS_RATE, metric) if metric in scorers else (metric, None)


def regression_evidence(
    comparison: PairedComparison, *, margin: float, estimate_ids: tuple[str, ...] = ()
) -> RuleEvidence:
    """What a comparison says to a rule of no regression beyond the margin."""
    return RuleEvidence(
        value=comparison.difference,
        lower=comparison.lower,
        upper=comparison.upper,
        n=comparison.n,
        p_failing=comparison.bounds.p_below(-margin),
        method=comparison.method,
        status=comparison.status,
        reason=comparison.reason,
        estimate_ids=estimate_ids,
    )


def absolute_evidence(measured: Measured, *, estimate_ids: tuple[str, ...] = ()) -> RuleEvidence:
    """What an estimate says to a rule about its own size; its two-sided level sets the error of each bound.

    An estimate at `GATE_LEVEL` has the bounds that a rule asks for; one at a higher level is stricter.
    """
    return RuleEvidence(
        value=measured.value,
        lower=measured.low,
        upper=measured.high,
        n=measured.n,
        error=(1 - measured.level) / 2,
        method=measured.method,
        status=measured.status,
        reason=measured.reason,
        estimate_ids=estimate_ids,
    )


def golden_evidence(cases: int, counts: Mapping[str, int]) -> RuleEvidence:
    """How many golden cases there are, in all and in each slice."""
    return RuleEvidence(value=float(cases), n=cases, method="count", counts=counts)


def _calibration(context: StageContext, task: Task, rules: Sequence[GateRule]) -> dict[str, RuleEvidence]:
    """How far each judge that a rule asks about agrees with people, by its name, computed from the labels of today."""
    asked = {rule.metric for rule in rules if rule.kind is RuleKind.JUDGE_CALIBRATED}
    if not asked:
        return {}
    known = calibrate(context, task)
    found = {name: judge for name in asked if (judge := known.of(name)) is not None}
    return {name: absolute_evidence(one.kappa, estimate_ids=(one.kappa_id,)) for name, one in found.items()}


def _evidence(rule: GateRule, inputs: GateInputs) -> RuleEvidence | None:
    if rule.kind is RuleKind.GOLDEN_CASES:
        counts = {name: inputs.candidate.records(name) for name in rule.covering}
        return golden_evidence(inputs.candidate.records(), counts)
    if rule.kind is RuleKind.JUDGE_CALIBRATED:
        return inputs.calibration.get(rule.metric)
    if rule.kind is RuleKind.NO_REGRESSION:
        return _regression(rule, inputs)
    return _absolute(rule, inputs)


def _regression(rule: GateRule, inputs: GateInputs) -> RuleEvidence | None:
    if inputs.is_same:
        return _nothing_changed(inputs.candidate.records(rule.slice))
    place = (rule.metric, rule.slice)
    found = next((one.comparison for one in inputs.compared if (one.metric, one.slice) == place), None)
    if found is None:
        return None
    landed = comparison_id(inputs.evaluation_id, inputs.population, metric=rule.metric, slice=rule.slice)
    return regression_evidence(found, margin=rule.bar, estimate_ids=(landed,))


def _nothing_changed(records: int) -> RuleEvidence:
    """Zero, without an interval: it is no estimate."""
    return RuleEvidence(value=0.0, lower=0.0, upper=0.0, n=records, p_failing=1.0, method="same_version")


def _absolute(rule: GateRule, inputs: GateInputs) -> RuleEvidence | None:
    measured = _measured(rule, inputs)
    if measured is None:
        return None
    metric, scorer = landed_metric(rule.metric, inputs.scorers)
    landed = estimate_id(
        inputs.evaluation_id,
        metric=metric,
        scorer=scorer,
        population=inputs.population,
        slice=rule.slice,
        method=measured.method,
    )
    return replace(absolute_evidence(measured, estimate_ids=(landed,)), measured=measured)


def _measured(rule: GateRule, inputs: GateInputs) -> Measured | None:
    """The estimate that the rule asks for, None where it asks for something else."""
    outcomes = inputs.candidate
    if rule.kind is RuleKind.LOWER_BOUND:
        return outcomes.rate(rule.metric, rule.slice, level=GATE_LEVEL)
    if rule.kind is RuleKind.COST_PER_CORRECT:
        return outcomes.cost_per_correct(rule.slice, level=GATE_LEVEL)
    if rule.kind is RuleKind.LATENCY and inputs.sla is not None:
        return outcomes.within(inputs.sla.latency_ms, rule.slice, level=GATE_LEVEL)
    return None


def _rule(rule: AnyRule, sla: SlaSpec | None) -> GateRule:
    """One rule of `task.yml`; whether it can be decided at all was checked when the task was loaded."""
    match rule:
        case LowerBoundRule():
            kind, metric, bar, least = RuleKind.LOWER_BOUND, rule.metric, rule.at_least, rule.n_min
        case NoRegressionRule():
            kind, metric, bar, least = RuleKind.NO_REGRESSION, rule.metric, rule.margin, rule.n_min
        case CostRule():
            kind, metric, bar, least = RuleKind.COST_PER_CORRECT, COST, rule.at_most_usd, rule.n_min
        case LatencyRule():
            share = rule.at_least if rule.at_least is not None or sla is None else sla.share
            kind, metric, bar, least = RuleKind.LATENCY, LATENCY, share or 0.0, rule.n_min
        case CalibrationRule():
            return GateRule(
                name=rule.name, kind=RuleKind.JUDGE_CALIBRATED, metric=rule.judge, bar=rule.kappa, n_min=rule.labels
            )
        case GoldenCasesRule():
            return GateRule(
                name=rule.name,
                kind=RuleKind.GOLDEN_CASES,
                metric=CASES,
                bar=rule.at_least,
                n_min=rule.each,
                covering=rule.covering,
            )
    return GateRule(name=rule.name, kind=kind, metric=metric, bar=bar, slice=rule.slice, n_min=least)
