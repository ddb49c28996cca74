"""Step 4 of an evaluation: the rules of the gate, and the estimate, comparison or count that decides each."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from assay.calibration.calibrate import calibrate
from assay.evaluation.comparisons import MetricComparison, comparison_id
from assay.evaluation.outcomes import Outcomes
from assay.evaluation.sides import Sides
from assay.project import StageContext
from assay.records.statuses import Population, RuleKind
from assay.scoring.estimates import estimate_id
from assay.scoring.tally import PASS_RATE
from assay.statistics.conventions import ERROR, GATE_LEVEL
from assay.statistics.measured import Measured, Status
from assay.statistics.paired import PairedComparison
from assay.statistics.rates import GateRate
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
GOLDEN = frozenset({Population.GOLDEN_DEV, Population.GOLDEN_GATE})


@dataclass(frozen=True, slots=True, kw_only=True)
class GateRule:
    """One requirement of a gate, with a unique name.

    A rule for a slice with fewer than `n_min` records is only reported and does not count toward the decision.
    """

    name: str
    kind: RuleKind
    metric: str
    threshold: float
    slice: str = OVERALL
    n_min: int = 1
    covering: tuple[str, ...] = ()

    @property
    def limit(self) -> float:
        """The value that the bounds are compared with."""
        return -self.threshold if self.kind is RuleKind.NO_REGRESSION else self.threshold


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleEvidence:
    """The evidence for a rule: an estimate with bounds, each with an error rate of at most `error`.

    `p_failing` is the p-value of the null hypothesis that the rule is met; if it is None, the verdict derives it from
    the bounds. `counts` maps slices to their number of golden cases. `measured` is the estimate that lands with the
    evaluation, if there is one.
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
    """The inputs of a gate; `calibration` contains κ of each calibrated judge.

    `is_same` is true if candidate and champion are the same version, in which case there is no regression. A metric in
    `scorers` lands as the pass rate of that scorer.
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
        """The population of the records."""
        return self.candidate.populations[0]


def gather_evidence(
    context: StageContext, sides: Sides, comparisons: Sequence[MetricComparison], rules: Sequence[GateRule]
) -> dict[str, RuleEvidence]:
    """The evidence by rule name, without rules that have none. Lands calibrations, but not yet the estimates."""
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
    """The rules of `task.yml` in the form that the gate decides on."""
    return tuple(_rule(rule, sla) for rule in gate.rules)


def evidence_for(rules: Iterable[GateRule], inputs: GateInputs) -> dict[str, RuleEvidence]:
    """The evidence by rule name, without rules that have none."""
    found = {rule.name: _evidence(rule, inputs) for rule in rules}
    return {name: one for name, one in found.items() if one is not None}


def landed_metric(metric: str, scorers: Iterable[str]) -> tuple[str, str | None]:
    """Metric and scorer in table `estimates` for the metric of a rule; the scorer is None except for a pass rate."""
    return (PASS_RATE, metric) if metric in scorers else (metric, None)


def regression_evidence(
    comparison: PairedComparison, *, margin: float, estimate_ids: tuple[str, ...] = ()
) -> RuleEvidence:
    """The evidence that a comparison provides for a no-regression rule with this margin."""
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
    """The evidence of an estimate for an absolute rule; its two-sided level sets the error rate of each bound.

    An estimate at `GATE_LEVEL` has the bounds of a gate rule; an estimate at a higher level is stricter.
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
    """The number of golden cases, overall and by slice."""
    return RuleEvidence(value=float(cases), n=cases, method="count", counts=counts)


def _calibration(context: StageContext, task: Task, rules: Sequence[GateRule]) -> dict[str, RuleEvidence]:
    """κ of each judge that a rule names, keyed by judge name and computed from the current labels."""
    judges = {rule.metric for rule in rules if rule.kind is RuleKind.JUDGE_CALIBRATED}
    if not judges:
        return {}
    known = calibrate(context, task)
    found = {name: judge for name in judges if (judge := known.of(name)) is not None}
    return {name: absolute_evidence(one.kappa, estimate_ids=(one.kappa_id,)) for name, one in found.items()}


def _evidence(rule: GateRule, inputs: GateInputs) -> RuleEvidence | None:
    if rule.kind is RuleKind.GOLDEN_CASES:
        return _golden_cases(rule, inputs)
    if rule.kind is RuleKind.JUDGE_CALIBRATED:
        return inputs.calibration.get(rule.metric)
    if rule.kind is RuleKind.NO_REGRESSION:
        return _regression(rule, inputs)
    return _absolute(rule, inputs)


def _golden_cases(rule: GateRule, inputs: GateInputs) -> RuleEvidence:
    """The number of golden cases; without a value if the records are input rows, because those are no golden cases."""
    if inputs.population not in GOLDEN:
        reason = f"the records are of the population '{inputs.population}', not golden cases"
        return RuleEvidence(value=None, method="count", status=Status.NONE, reason=reason)
    counts = {name: inputs.candidate.records(name) for name in rule.covering}
    return golden_evidence(inputs.candidate.records(), counts)


def _regression(rule: GateRule, inputs: GateInputs) -> RuleEvidence | None:
    if inputs.is_same:
        return _same_version(inputs.candidate.records(rule.slice))
    place = (rule.metric, rule.slice)
    found = next((one.comparison for one in inputs.compared if (one.metric, one.slice) == place), None)
    if found is None:
        return None
    landed = comparison_id(inputs.evaluation_id, inputs.population, metric=rule.metric, slice=rule.slice)
    return regression_evidence(found, margin=rule.threshold, estimate_ids=(landed,))


def _same_version(records: int) -> RuleEvidence:
    """A difference of 0, which is known rather than estimated."""
    return RuleEvidence(value=0.0, lower=0.0, upper=0.0, n=records, p_failing=1.0, method="same_version")


def _absolute(rule: GateRule, inputs: GateInputs) -> RuleEvidence | None:
    found = _measured(rule, inputs)
    if found is None:
        return None
    measured = found.measured if isinstance(found, GateRate) else found
    metric, scorer = landed_metric(rule.metric, inputs.scorers)
    landed = estimate_id(
        inputs.evaluation_id,
        metric=metric,
        scorer=scorer,
        population=inputs.population,
        slice=rule.slice,
        method=measured.method,
    )
    evidence = replace(absolute_evidence(measured, estimate_ids=(landed,)), measured=measured)
    if isinstance(found, GateRate) and found.bounds is not None:
        return replace(evidence, p_failing=found.bounds.p_below(rule.threshold))
    return evidence


def _measured(rule: GateRule, inputs: GateInputs) -> GateRate | Measured | None:
    """The estimate for the rule; None for a rule that needs no estimate."""
    outcomes = inputs.candidate
    if rule.kind is RuleKind.LOWER_BOUND:
        return outcomes.rate(rule.metric, rule.slice)
    if rule.kind is RuleKind.COST_PER_CORRECT:
        return outcomes.cost_per_correct(rule.slice, level=GATE_LEVEL)
    if rule.kind is RuleKind.LATENCY and inputs.sla is not None:
        return outcomes.within(inputs.sla.latency_ms, rule.slice)
    return None


def _rule(rule: AnyRule, sla: SlaSpec | None) -> GateRule:
    """One rule of `task.yml`, which was validated when the task was loaded."""
    match rule:
        case LowerBoundRule():
            kind, metric, threshold, least = RuleKind.LOWER_BOUND, rule.metric, rule.at_least, rule.n_min
        case NoRegressionRule():
            kind, metric, threshold, least = RuleKind.NO_REGRESSION, rule.metric, rule.margin, rule.n_min
        case CostRule():
            kind, metric, threshold, least = RuleKind.COST_PER_CORRECT, COST, rule.at_most_usd, rule.n_min
        case LatencyRule():
            share = rule.at_least if rule.at_least is not None or sla is None else sla.share
            kind, metric, threshold, least = RuleKind.LATENCY, LATENCY, share or 0.0, rule.n_min
        case CalibrationRule():
            return GateRule(
                name=rule.name,
                kind=RuleKind.JUDGE_CALIBRATED,
                metric=rule.judge,
                threshold=rule.kappa,
                n_min=rule.labels,
            )
        case GoldenCasesRule():
            return GateRule(
                name=rule.name,
                kind=RuleKind.GOLDEN_CASES,
                metric=CASES,
                threshold=rule.at_least,
                n_min=rule.each,
                covering=rule.covering,
            )
    return GateRule(name=rule.name, kind=kind, metric=metric, threshold=threshold, slice=rule.slice, n_min=least)
