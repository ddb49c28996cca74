"""Step 3 of an evaluation: compares candidate and champion on the same records, by metric and slice."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import NamedTuple

from assay.evaluation.outcomes import Outcomes
from assay.evaluation.sides import EvaluationOptions, EvaluationReporter, Sides
from assay.inference.keys import content_hash
from assay.project import StageContext
from assay.records.keys import ClusterKey, PredictionKey, RecordKey
from assay.records.statuses import ScoreStatus
from assay.scoring.judges.preferences import Preferences, judge_named, prefer
from assay.scoring.means import MEAN, is_ordered, scale_of
from assay.statistics.conventions import RESAMPLES
from assay.statistics.numeric.means import ScoreScale
from assay.statistics.numeric.paired_means import compare_means, unestimable
from assay.statistics.paired import PairedComparison, Pairs, compare, pair
from assay.tasks.gate_spec import OVERALL, RELIABILITY, GateSpec, NoRegressionRule
from assay.tasks.task import Task
from assay.tasks.validation.gate import gate_of, preferred_by

RATE = "rate"
"""Kind of a comparison of rates."""


class MetricSlice(NamedTuple):
    """A metric and a slice."""

    metric: str
    slice: str


Margins = Mapping[MetricSlice, float]
"""Margins of the no-regression rules."""


@dataclass(frozen=True, slots=True)
class MetricComparison:
    """The comparison of one metric in one slice; `margin` is the margin of the gate rule, None if no rule compares it.

    `is_mean` is true for a scorer that measures, whose values are in its own unit. `inconsistent_share` is the share of a judge's preferences that changed with the order of the two predictions.
    """

    metric: str
    slice: str
    comparison: PairedComparison
    margin: float | None = None
    seed: int = 0
    """Seed of the bootstrap."""
    inconsistent_share: float | None = None
    is_mean: bool = False

    @property
    def kind(self) -> str:
        """Whether rates or means are compared: `rate` or `mean`."""
        return MEAN if self.is_mean else RATE


def compare_sides(
    context: StageContext, sides: Sides, options: EvaluationOptions, reporter: EvaluationReporter
) -> tuple[MetricComparison, ...]:
    """Comparisons of reliability, its scorers, the metrics of the rules, and the preferences of `options.prefer`.

    Empty without a champion, or if the champion is the same version.

    Raises:
        UsageError: the variants have no record in common, or no record that is scored for both variants.
        AssayError: the requests to the judge failed.
    """
    if sides.champion is None or sides.are_same:
        return ()
    preferences = _preferences(context, sides, options, reporter)
    candidate, champion, task = sides.candidate.outcomes, sides.champion.outcomes, sides.candidate.task
    measuring = {*candidate.measuring, *champion.measuring}
    margins = regression_margins(gate_of(task.spec))
    metrics = [metric for metric in compared_metrics(task) if metric not in measuring]
    seed = int(content_hash(sides.candidate.run_id, sides.champion.run_id)[:8], 16)
    rated = compared(candidate, champion, metrics=metrics, margins=margins, seed=seed)
    scales = {name: scale_of(task, name) for name in sorted(measuring) if is_ordered(task, name)}
    found = [*rated, *compared_means(candidate, champion, scales=scales, margins=margins, seed=seed)]
    if preferences is None:
        return tuple(found)
    return (*found, *compared_preferences(preferences, candidate, margins=margins, seed=seed))


def compared_metrics(task: Task) -> tuple[str, ...]:
    """Reliability, its scorers, and the metrics of the no-regression rules."""
    scorers = {RELIABILITY, *task.versions.scorers}
    named = [metric for metric, _ in regression_margins(gate_of(task.spec)) if metric in scorers]
    return tuple(dict.fromkeys([*([RELIABILITY] if task.spec.correct else []), *task.spec.correct, *named]))


def uncompared(task: Task, compared: Collection[str], measuring: Collection[str]) -> Iterator[str]:
    """A sentence for the scorers that are not compared, with the reason and how to compare them.

    `compared` are the metrics with a comparison, `measuring` the scorers that give numbers.
    """
    missing = [name for name in task.versions.scorers if name not in compared]
    for name in missing:
        if not is_ordered(task, name):
            yield f"not compared: {name}, because its levels have no order; `assay report` shows those of each variant"
        elif name in measuring:
            yield f"not compared: {name}, because no two variants have numbers that differ on records of both"
    others = [name for name in missing if is_ordered(task, name) and name not in measuring]
    if others:
        yield (
            f"not compared: {', '.join(others)}, because neither `correct` nor a rule names them; a no_regression rule with the scorer "
            "as its metric compares it"
        )


def regression_margins(gate: GateSpec) -> Margins:
    """The margin of each no-regression rule."""
    rules = [rule for rule in gate.rules if isinstance(rule, NoRegressionRule)]
    return {MetricSlice(rule.metric, rule.slice): rule.margin for rule in rules}


def comparison_id(evaluation_id: str, population: str, *, metric: str, slice: str) -> str:
    """The id of a landed comparison, by which evidence refers to it."""
    return content_hash(evaluation_id, metric, population, slice)


def compared(
    candidate: Outcomes, champion: Outcomes, *, metrics: Sequence[str], margins: Margins, seed: int
) -> Iterator[MetricComparison]:
    """Comparisons of every metric, overall and in each slice; `seed` is the seed of the bootstrap.

    Raises:
        UsageError: the variants have no record in common, or no record that is scored for both variants.
    """
    clusters, slices = candidate.clusters(), (OVERALL, *candidate.slices)
    for metric in metrics:
        for name in slices:
            outcomes = candidate.by_record(metric, name), champion.by_record(metric, name)
            yield from _comparison(metric, name, outcomes, clusters=clusters, margins=margins, seed=seed)


def compared_means(
    candidate: Outcomes, champion: Outcomes, *, scales: Mapping[str, ScoreScale | None], margins: Margins, seed: int
) -> Iterator[MetricComparison]:
    """Comparisons of the means of every scorer that measures, overall and in each slice; `scales` names the scorers.

    Empty where there is none: `without_means` gives the reason.
    """
    for scorer, name in product(scales, (OVERALL, *candidate.slices)):
        if without_means(candidate, champion, MetricSlice(scorer, name), scale=scales[scorer]) is not None:
            continue
        pairs, margin = paired_values(candidate, champion, scorer, name), margins.get(MetricSlice(scorer, name))
        found = compare_means(pairs, scale=scales[scorer], wanted=margin, resamples=RESAMPLES, seed=seed)
        yield MetricComparison(scorer, name, found, margin=margin, seed=seed, is_mean=True)


def without_means(
    candidate: Outcomes, champion: Outcomes, place: MetricSlice, *, scale: ScoreScale | None
) -> str | None:
    """The reason why the means of a scorer cannot be compared in a slice; None if they can."""
    values = candidate.values(*place), champion.values(*place)
    if not is_comparable(*values):
        return "no record has a number for both variants"
    return None if scale is not None else unestimable(paired_values(candidate, champion, *place))


def paired_values(candidate: Outcomes, champion: Outcomes, scorer: str, name: str) -> Pairs:
    """The numbers of both variants on the records that both have; there is at least one."""
    clusters = candidate.clusters()
    known = clusters if any(clusters.values()) else None
    return pair(candidate.values(scorer, name), champion.values(scorer, name), clusters=known)


def compared_preferences(
    preferences: Preferences, candidate: Outcomes, *, margins: Margins, seed: int
) -> Iterator[MetricComparison]:
    """Comparisons of how often the judge prefers each side, overall and by slice.

    A tie counts for neither side; a pair without a verdict is unscored.

    Raises:
        UsageError: the judge gave no verdict.
    """
    clusters, share = candidate.clusters(), preferences.inconsistent_share
    for name in (OVERALL, *candidate.slices):
        outcomes = _won(preferences, candidate, name, "a"), _won(preferences, candidate, name, "b")
        metric = preferred_by(preferences.judge)
        for found in _comparison(metric, name, outcomes, clusters=clusters, margins=margins, seed=seed):
            yield replace(found, inconsistent_share=share)


def _preferences(
    context: StageContext, sides: Sides, options: EvaluationOptions, reporter: EvaluationReporter
) -> Preferences | None:
    """The preferences of the judge `options.prefer`; None if no judge is named."""
    if options.prefer is None or sides.champion is None:
        return None
    candidate, champion = sides.candidate.run, sides.champion.run
    # With `prefer`, a run without its input snapshot is not reused.
    assert candidate is not None and champion is not None
    judge = judge_named(sides.candidate.task, options.prefer)
    return prefer(context, candidate, champion, judge=judge, report=reporter.counting("compared"))


def _won(preferences: Preferences, candidate: Outcomes, name: str, side: str) -> dict[RecordKey, list[float]]:
    """For each record of the slice: 1 for each compared epoch in which the judge prefers the side, else 0."""
    found: dict[RecordKey, list[float]] = {}
    for row in candidate.rows:
        preference = preferences.found.get(PredictionKey(*row.record, row.epoch)) if row.is_in_slice(name) else None
        if preference is not None:
            won = math.nan if preference.status != ScoreStatus.SCORED else float(preference.better == side)
            found.setdefault(row.record, []).append(won)
    return found


def _comparison(
    metric: str,
    name: str,
    outcomes: tuple[Mapping[RecordKey, Sequence[float]], Mapping[RecordKey, Sequence[float]]],
    *,
    clusters: Mapping[RecordKey, ClusterKey | None],
    margins: Margins,
    seed: int,
) -> Iterator[MetricComparison]:
    """The comparison of outcomes by record; empty for a slice without a record that is scored for both variants."""
    if name != OVERALL and not is_comparable(*outcomes):
        return
    margin = margins.get(MetricSlice(metric, name))
    pairs = pair(*outcomes, clusters=clusters if any(clusters.values()) else None)
    found = compare(pairs, wanted=margin, resamples=RESAMPLES, seed=seed)
    yield MetricComparison(metric, name, found, margin=margin, seed=seed)


def is_comparable(
    candidate: Mapping[RecordKey, Sequence[float]], champion: Mapping[RecordKey, Sequence[float]]
) -> bool:
    """True if at least one record is scored for both variants."""
    return any(_is_scored(candidate[record]) and _is_scored(champion[record]) for record in candidate.keys() & champion)


def _is_scored(outcomes: Sequence[float]) -> bool:
    return not all(math.isnan(value) for value in outcomes)
