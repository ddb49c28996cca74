"""Step 4 of an evaluation: runs the candidate on perturbed input and compares it with its run on the original input."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from assay.evaluation.comparisons import MetricSlice, comparison_id, is_comparable
from assay.evaluation.outcomes import Outcomes
from assay.evaluation.robustness.examples import BrokenAnswer, broken_answer, followed_share
from assay.evaluation.sides import EvaluatedVariant, EvaluationOptions, EvaluationReporter, Sides, evaluated_variant
from assay.inputs.perturb.cases import perturbed_cases
from assay.project import StageContext
from assay.records.statuses import Perturbation, Population
from assay.runs.record_mapping import landed_id
from assay.statistics.measured import Measured
from assay.statistics.multiple.family import holm
from assay.statistics.paired import PairedComparison, compare, pair
from assay.tasks.fields.robustness_spec import ANY
from assay.tasks.gate_spec import OVERALL, RELIABILITY, RobustnessRule
from assay.tasks.task import Task
from assay.tasks.validation.gate import gate_of


@dataclass(frozen=True, slots=True, kw_only=True)
class PerturbedComparison:
    """Perturbed minus original input, for one metric and slice; only records that the kind changes are compared.

    `adjusted_p` is the p-value of no difference, adjusted for the kinds that were measured (Holm). `margin` is that of
    the strictest rule of this kind, None without one.
    """

    metric: str
    slice: str
    comparison: PairedComparison
    adjusted_p: float
    margin: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class KindResult:
    """One kind of perturbation; `perturbed` is None if it changes none of the `n_records` records.

    `followed` is the share of records whose responses followed the injected sentence, for the kind `injection`.
    """

    kind: Perturbation
    n_records: int
    perturbed: EvaluatedVariant | None = None
    comparisons: tuple[PerturbedComparison, ...] = ()
    followed: Measured | None = None
    broken: BrokenAnswer | None = None

    @property
    def n_changed(self) -> int:
        """Number of records whose text the kind changes."""
        return self.perturbed.outcomes.records() if self.perturbed else 0

    def compared(self, metric: str, slice: str) -> PerturbedComparison | None:
        """The comparison of this metric and slice; None if there is none."""
        found = (one for one in self.comparisons if (one.metric, one.slice) == (metric, slice))
        return next(found, None)


@dataclass(frozen=True, slots=True)
class Robustness:
    """The results of all kinds that were measured, the largest drop first."""

    kinds: tuple[KindResult, ...]

    def of(self, kind: str) -> KindResult | None:
        """The result of this kind; None if it was not measured."""
        return next((one for one in self.kinds if one.kind == kind), None)


def measure_robustness(
    context: StageContext, sides: Sides, options: EvaluationOptions, reporter: EvaluationReporter
) -> Robustness | None:
    """The candidate's robustness by kind; None if `options.perturb` is None.

    Each kind has a run of its own on the cases that it changes; a landed run of the same version and text is reused.

    Raises:
        UsageError: the budget of a run ran out before the last request.
        AssayError: a run could not be finished; repeating the command resumes it and reuses landed predictions.
    """
    if options.perturb is None:
        return None
    task = sides.candidate.task
    kinds = tuple(dict.fromkeys(options.perturb or task.spec.robustness.kinds))
    measured = [_measured(context, sides, kind, options, reporter) for kind in kinds]
    return Robustness(tuple(sorted(_adjusted(measured), key=_drop)))


def robustness_id(evaluation_id: str, kind: Perturbation, place: MetricSlice) -> str:
    """The id of a landed comparison of perturbed with original input."""
    return comparison_id(evaluation_id, f"{Population.PERTURBED.value}:{kind.value}", **place._asdict())


def kinds_of_rules(task: Task) -> tuple[Perturbation, ...] | None:
    """The kinds that the rules of the gate require, for `EvaluationOptions.perturb`; None if no rule requires any."""
    rules = [rule for rule in gate_of(task.spec).rules if isinstance(rule, RobustnessRule)]
    if any(rule.kind == ANY for rule in rules):
        return task.spec.robustness.kinds
    return tuple(dict.fromkeys(Perturbation(rule.kind) for rule in rules)) or None


def _measured(
    context: StageContext, sides: Sides, kind: Perturbation, options: EvaluationOptions, reporter: EvaluationReporter
) -> KindResult:
    original, task = sides.candidate, sides.candidate.task
    cases = [case for case in task.cases if options.input.endswith(f":{case.split}")][: options.limit]
    shown = frozenset(case.case_id for case in task.few_shot)
    changed = [case for case in perturbed_cases(task, cases, kind) if case.case_id not in shown]
    result = KindResult(kind=kind, n_records=original.outcomes.records())
    reporter.note(f"{kind}: changes {len(changed):,} of {result.n_records:,} records")
    if not changed:
        return result
    landed = frozenset(landed_id(task.spec.input, case, hash_key=context.settings.hash_key) for case in shown)
    perturbed = evaluated_variant(context, task, options, reporter, perturbation=kind).without(landed)
    places = list(_places(task, kind))
    marker = task.spec.robustness.injection.marker if kind is Perturbation.INJECTION else None
    return replace(
        result,
        perturbed=perturbed,
        comparisons=tuple(_compared(task, kind, places, perturbed.outcomes, original.outcomes)),
        followed=followed_share(context.warehouse, original, perturbed, marker=marker) if marker else None,
        broken=broken_answer(context.warehouse, original, perturbed, metric=places[0].metric),
    )


def _places(task: Task, kind: Perturbation) -> Iterator[MetricSlice]:
    """The metrics and slices that are compared: reliability, or else every scorer; and those of the rules."""
    stated = [RELIABILITY] if task.spec.correct else task.spec.scorers
    found = [MetricSlice(metric, OVERALL) for metric in stated]
    found += [MetricSlice(rule.metric, rule.slice) for rule in _rules(task, kind)]
    yield from dict.fromkeys(found)


def _rules(task: Task, kind: Perturbation) -> list[RobustnessRule]:
    rules = [rule for rule in gate_of(task.spec).rules if isinstance(rule, RobustnessRule)]
    return [rule for rule in rules if rule.kind in (ANY, kind)]


def _compared(
    task: Task, kind: Perturbation, places: Sequence[MetricSlice], perturbed: Outcomes, original: Outcomes
) -> Iterator[PerturbedComparison]:
    """The comparison at each place that has a record scored on both inputs; its p-value is not yet adjusted."""
    clusters = original.clusters()
    for place in places:
        outcomes = perturbed.by_record(*place), original.by_record(*place)
        if not is_comparable(*outcomes):
            continue
        margins = [rule.margin for rule in _rules(task, kind) if (rule.metric, rule.slice) == place]
        margin = min(margins, default=None)
        found = compare(pair(*outcomes, clusters=clusters if any(clusters.values()) else None), wanted=margin)
        yield PerturbedComparison(
            metric=place.metric, slice=place.slice, comparison=found, adjusted_p=found.p_value, margin=margin
        )


def _adjusted(results: Sequence[KindResult]) -> Iterator[KindResult]:
    """The results with p-values adjusted for the number of kinds, separately for each metric and slice."""
    for result in results:
        yield replace(result, comparisons=tuple(_adjusted_for(one, results) for one in result.comparisons))


def _adjusted_for(one: PerturbedComparison, results: Sequence[KindResult]) -> PerturbedComparison:
    family = [found for result in results if (found := result.compared(one.metric, one.slice)) is not None]
    adjusted = holm([found.comparison.p_value for found in family])
    return replace(one, adjusted_p=adjusted[next(index for index, found in enumerate(family) if found is one)])


def _drop(result: KindResult) -> tuple[float, str]:
    """Sorts by the difference of the first metric, the most negative first; kinds that change nothing are last."""
    return (result.comparisons[0].comparison.difference if result.comparisons else 2.0), result.kind.value
