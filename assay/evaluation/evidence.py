"""Step 4 of an evaluation: the rules of the gate, and the estimate, comparison or count that decides each."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from assay.calibration.calibrate import calibrate
from assay.calibration.corrected import (
    CorrectedSample,
    corrected_rate,
    corrected_rate_difference,
    corrected_sample,
    judged_outputs,
)
from assay.calibration.label_set import CalibrationSet
from assay.calibration.metrics import CORRECTED_RATE
from assay.evaluation.comparisons import MetricComparison, MetricSlice, comparison_id, without_means
from assay.evaluation.outcomes import Outcomes
from assay.evaluation.robustness.measure import Robustness, robustness_id
from assay.evaluation.robustness.worst import worst_drop
from assay.evaluation.sides import EvaluatedVariant, Sides
from assay.project import StageContext
from assay.records.statuses import Perturbation, Population, RuleKind
from assay.scoring.estimates import estimate_id
from assay.scoring.means import MEAN, is_ordered, scale_of
from assay.scoring.tally import PASS_RATE
from assay.statistics.conventions import ERROR, GATE_LEVEL
from assay.statistics.measured import Measured, Status, unmeasured
from assay.statistics.numeric.means import ScoreScale
from assay.statistics.numeric.paired_means import MEAN_DIFFERENCE
from assay.statistics.one_sided import MirroredBounds, OneSidedBounds
from assay.statistics.paired import PairedComparison
from assay.statistics.rates import GateRate
from assay.statistics.repeats import RepeatMetric
from assay.tasks.fields.robustness_spec import ANY
from assay.tasks.gate_rule import AT_MOST, MEANS, GateRule
from assay.tasks.gate_spec import REPEATED
from assay.tasks.spec import SlaSpec
from assay.tasks.task import Task
from assay.tasks.validation.gate import corrected_by

CORRECTED_DIFFERENCE = "corrected_difference"
GOLDEN = frozenset({Population.GOLDEN_DEV, Population.GOLDEN_GATE})


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleEvidence:
    """The evidence for a rule: an estimate with bounds, each with an error rate of at most `error`.

    `p_failing` is the p-value of the null hypothesis that the rule is met; if it is None, the verdict derives it from
    the bounds. `at_any_error` gives bounds at other error rates; without it, they are derived, too. `counts` maps
    slices to their number of golden cases. `measured` is the estimate that lands with the evaluation, if there is one.
    """

    value: float | None
    lower: float | None = None
    upper: float | None = None
    n: int = 0
    p_failing: float | None = None
    at_any_error: OneSidedBounds | None = None
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
    `scorers` lands as the pass rate or mean of that scorer. `scales` are the ranges of the scorers that have one; those
    in `unordered` give categories, which have no mean. `corrected` contains the estimates of rules on corrected rates,
    by rule name.
    """

    candidate: Outcomes
    evaluation_id: str
    champion: Outcomes | None = None
    is_same: bool = False
    compared: Sequence[MetricComparison] = ()
    sla: SlaSpec | None = None
    scorers: frozenset[str] = frozenset()
    scales: Mapping[str, ScoreScale] = field(default_factory=dict)
    unordered: frozenset[str] = frozenset()
    corrected: Mapping[str, Measured] = field(default_factory=dict)
    calibration: Mapping[str, RuleEvidence] = field(default_factory=dict)
    robustness: Robustness | None = None
    kinds: tuple[Perturbation, ...] = ()
    """The kinds of perturbation that a rule for any kind requires."""

    @property
    def measuring(self) -> frozenset[str]:
        """The scorers that give a number for either variant."""
        return frozenset((*self.candidate.measuring, *(self.champion.measuring if self.champion else ())))

    @property
    def population(self) -> str:
        """The population of the records."""
        return self.candidate.populations[0]


def gather_evidence(
    context: StageContext,
    sides: Sides,
    comparisons: Sequence[MetricComparison],
    rules: Sequence[GateRule],
    *,
    robustness: Robustness | None = None,
) -> dict[str, RuleEvidence]:
    """The evidence by rule name, without rules that have none. Lands calibrations, but not yet the estimates."""
    task = sides.candidate.task
    inputs = GateInputs(
        candidate=sides.candidate.outcomes,
        champion=sides.champion.outcomes if sides.champion else None,
        evaluation_id=sides.evaluation_id,
        is_same=sides.are_same,
        compared=comparisons,
        sla=task.spec.sla,
        scorers=frozenset(task.versions.scorers),
        scales={name: scale for name in task.rubrics if (scale := scale_of(task, name)) is not None},
        unordered=frozenset(name for name in task.rubrics if not is_ordered(task, name)),
        corrected=_corrected(context, sides, rules),
        calibration=_calibration(context, task, rules),
        robustness=robustness,
        kinds=task.spec.robustness.kinds,
    )
    return evidence_for(rules, inputs)


def evidence_for(rules: Iterable[GateRule], inputs: GateInputs) -> dict[str, RuleEvidence]:
    """The evidence by rule name, without rules that have none."""
    found = {rule.name: _evidence(rule, inputs) for rule in rules}
    return {name: one for name, one in found.items() if one is not None}


class LandedMetric(NamedTuple):
    """Columns of table `estimates` for the metric of a rule."""

    metric: str
    scorer: str | None = None
    label: str | None = None


def landed_metric(rule: GateRule, scorers: Iterable[str]) -> LandedMetric:
    """The metric of a rule in table `estimates`; the scorer is None for a metric of predictions."""
    known = list(scorers)
    if rule.scorer is not None:
        return LandedMetric(rule.metric, rule.scorer, rule.label)
    if rule.metric in known:
        return LandedMetric(MEAN if rule.kind in MEANS else PASS_RATE, rule.metric)
    judge = next((name for name in known if corrected_by(name) == rule.metric), None)
    if judge is None:
        return LandedMetric(rule.metric)
    return LandedMetric(CORRECTED_DIFFERENCE if rule.kind is RuleKind.NO_REGRESSION else CORRECTED_RATE, judge)


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
        at_any_error=comparison.bounds,
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


def _corrected(context: StageContext, sides: Sides, rules: Sequence[GateRule]) -> dict[str, Measured]:
    """The estimates of rules on corrected rates, by rule name; without a champion, those of no-regression rules are missing."""
    task, champion = sides.candidate.task, None if sides.are_same else sides.champion
    judges = {corrected_by(judge.name): judge.name for judge in task.spec.judges}
    samples, found = _CorrectedSamples(context), {}
    for rule in rules:
        judge = judges.get(rule.metric) if rule.metric not in task.versions.scorers else None
        if judge is None:
            continue
        candidate = samples.of(sides.candidate, rule, judge)
        if rule.kind is not RuleKind.NO_REGRESSION:
            found[rule.name] = corrected_rate(candidate)
        elif champion is not None:
            found[rule.name] = corrected_rate_difference(candidate, samples.of(champion, rule, judge))
    return found


@dataclass(frozen=True, slots=True)
class _CorrectedSamples:
    """The samples of rules on corrected rates; the verdicts of each judge are read once per run."""

    context: StageContext
    judged: dict[str, dict[str, CalibrationSet | None]] = field(default_factory=dict)
    """By run and judge."""

    def of(self, side: EvaluatedVariant, rule: GateRule, judge: str) -> CorrectedSample | Measured:
        """The sample of the predictions in the slice of the rule that the judge was to score."""
        rows, judged = [row for row in side.outcomes.rows if row.has(judge)], self.judged.setdefault(side.run_id, {})
        if judge not in judged:
            judged[judge] = judged_outputs(self.context, side.task, judge, run_id=side.run_id, rows=rows)
        return corrected_sample(judged[judge], [row for row in rows if row.is_in_slice(rule.slice)])


def _evidence(rule: GateRule, inputs: GateInputs) -> RuleEvidence | None:
    if rule.name in inputs.corrected:
        return _with_measured(rule, inputs.corrected[rule.name], inputs)
    if rule.kind is RuleKind.GOLDEN_CASES:
        return _golden_cases(rule, inputs)
    if rule.kind is RuleKind.JUDGE_CALIBRATED:
        return inputs.calibration.get(rule.metric)
    if rule.is_regression:
        return _regression(rule, inputs)
    if rule.kind is RuleKind.ROBUSTNESS:
        return _robustness(rule, inputs)
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
    place, records = MetricSlice(rule.metric, rule.slice), inputs.candidate.records(rule.slice)
    is_mean = rule.kind is RuleKind.MEAN_NO_REGRESSION
    if not is_mean and rule.metric in inputs.measuring:
        return RuleEvidence(value=None, n=records, status=Status.NONE, reason=NEEDS_DIRECTION.format(rule.metric))
    compared = (one for one in inputs.compared if one.is_mean == is_mean and (one.metric, one.slice) == place)
    found = next((one.comparison for one in compared), None)
    if found is None:
        return _without_means(place, records, inputs) if is_mean else None
    landed = comparison_id(inputs.evaluation_id, inputs.population, metric=rule.metric, slice=rule.slice)
    if is_mean:
        return _mean_regression(found, rule, estimate_ids=(landed,))
    return regression_evidence(found, margin=rule.threshold, estimate_ids=(landed,))


NEEDS_DIRECTION = "{} gives a number without pass or fail: set `higher_is_better`, and the margin in its unit"
NO_RATE = "{} gives a number without pass or fail: use a rule of type `mean`"


def _without_means(place: MetricSlice, records: int, inputs: GateInputs) -> RuleEvidence | None:
    """The reason why there is no comparison of means; None without a champion."""
    if inputs.champion is None:
        return None
    if place.metric in inputs.unordered:
        reason: str | None = f"the levels of {place.metric} have no order: no mean"
    else:
        scale = inputs.scales.get(place.metric)
        reason = without_means(inputs.candidate, inputs.champion, place, scale=scale)
    return RuleEvidence(value=None, n=records, status=Status.NONE, reason=reason)


def _mean_regression(found: PairedComparison, rule: GateRule, *, estimate_ids: tuple[str, ...]) -> RuleEvidence:
    """The evidence of a difference of means, as an improvement: positive if the candidate is better."""
    is_few = found.method == MEAN_DIFFERENCE and found.status is Status.TOO_FEW
    evidence = replace(
        regression_evidence(found, margin=rule.threshold, estimate_ids=estimate_ids),
        status=Status.INCONCLUSIVE if is_few else found.status,
    )
    if rule.higher_is_better:
        return evidence
    return replace(
        evidence,
        value=-found.difference,
        lower=-found.upper,
        upper=-found.lower,
        p_failing=found.bounds.p_above(rule.threshold),
        at_any_error=MirroredBounds(found.bounds),
    )


def _robustness(rule: GateRule, inputs: GateInputs) -> RuleEvidence:
    """The drop under the kind of the rule, or under the worst of the kinds that the task requires."""
    required = inputs.kinds if rule.perturbation == ANY else (Perturbation(str(rule.perturbation)),)
    place = MetricSlice(rule.metric.removesuffix(f"_under_{rule.perturbation}"), rule.slice)
    found = worst_drop(inputs.robustness, required, place, margin=rule.threshold)
    if found.bounds is None:
        return RuleEvidence(value=None, status=found.status, reason=found.reason)
    return RuleEvidence(
        value=found.difference,
        lower=found.bounds.lower(ERROR),
        upper=found.bounds.upper(ERROR),
        n=found.n,
        p_failing=found.bounds.p_below(-rule.threshold),
        at_any_error=found.bounds,
        method=found.method,
        status=found.status,
        reason=found.reason,
        estimate_ids=tuple(robustness_id(inputs.evaluation_id, kind, place) for kind in found.kinds),
    )


def _same_version(records: int) -> RuleEvidence:
    """A difference of 0, which is known rather than estimated."""
    return RuleEvidence(value=0.0, lower=0.0, upper=0.0, n=records, p_failing=1.0, method="same_version")


def _absolute(rule: GateRule, inputs: GateInputs) -> RuleEvidence | None:
    found = _measured(rule, inputs)
    if found is None:
        return None
    evidence = _with_measured(rule, found.measured if isinstance(found, GateRate) else found, inputs)
    if isinstance(found, GateRate) and found.bounds is not None:
        is_missed = found.bounds.p_above if rule.kind in AT_MOST else found.bounds.p_below
        return replace(evidence, p_failing=is_missed(rule.threshold), at_any_error=found.bounds)
    return evidence


def _with_measured(rule: GateRule, measured: Measured, inputs: GateInputs) -> RuleEvidence:
    """The evidence of an estimate, which lands with the evaluation."""
    landed = estimate_id(
        inputs.evaluation_id,
        **landed_metric(rule, inputs.scorers)._asdict(),
        population=inputs.population,
        slice=rule.slice,
        method=measured.method,
    )
    return replace(absolute_evidence(measured, estimate_ids=(landed,)), measured=measured)


def _measured(rule: GateRule, inputs: GateInputs) -> GateRate | Measured | None:
    """The estimate for the rule; None for a rule that needs no estimate."""
    outcomes = inputs.candidate
    if rule.kind in MEANS and rule.metric in inputs.unordered:
        return unmeasured(
            f"the levels of {rule.metric} have no order: no mean", level=GATE_LEVEL, n=outcomes.records(rule.slice)
        )
    if rule.kind in MEANS:
        return outcomes.mean(rule.metric, rule.slice, scale=inputs.scales.get(rule.metric))
    if rule.kind is RuleKind.LOWER_BOUND and rule.scorer is not None:
        return outcomes.class_metric(rule.metric, rule.slice, scorer=rule.scorer, label=rule.label)
    if rule.kind is RuleKind.LOWER_BOUND and rule.metric in inputs.measuring:
        return unmeasured(NO_RATE.format(rule.metric), level=GATE_LEVEL, n=outcomes.records(rule.slice))
    if rule.kind is RuleKind.LOWER_BOUND:
        repeated = REPEATED.match(rule.metric) if rule.metric not in inputs.scorers else None
        if repeated is not None:
            return outcomes.repeated(RepeatMetric(repeated[1]), int(repeated[2]), rule.slice)
        return outcomes.rate(rule.metric, rule.slice)
    if rule.kind is RuleKind.FLAKY_SHARE:
        return outcomes.repeated(RepeatMetric.FLAKY, 2, rule.slice)
    if rule.kind is RuleKind.COST_PER_CORRECT:
        return outcomes.gate_cost_per_correct(rule.slice)
    if rule.kind is RuleKind.LATENCY and inputs.sla is not None:
        return outcomes.within(inputs.sla.latency_ms, rule.slice)
    return None
