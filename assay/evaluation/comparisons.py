"""Step 3 of an evaluation: compares candidate and champion on the same records, by metric and slice."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from assay.evaluation.outcomes import Outcomes
from assay.evaluation.sides import EvaluationOptions, EvaluationReporter, Sides
from assay.inference.keys import content_hash
from assay.project import StageContext
from assay.records.keys import ClusterKey, PredictionKey, RecordKey
from assay.records.statuses import ScoreStatus
from assay.scoring.judges.preferences import Preferences, judge_named, prefer
from assay.statistics.conventions import RESAMPLES
from assay.statistics.paired import PairedComparison, compare, pair
from assay.tasks.gate_spec import OVERALL, RELIABILITY, GateSpec, NoRegressionRule
from assay.tasks.validation.gate import gate_of, preferred_by


class MetricSlice(NamedTuple):
    """A metric and a slice."""

    metric: str
    slice: str


Margins = Mapping[MetricSlice, float]
"""Margins of the no-regression rules."""


@dataclass(frozen=True, slots=True)
class MetricComparison:
    """The comparison of one metric in one slice; `margin` is the margin of the gate rule, None if no rule compares it.

    `inconsistent_share` is the share of a judge's preferences that changed with the order of the two predictions.
    """

    metric: str
    slice: str
    comparison: PairedComparison
    margin: float | None = None
    seed: int = 0
    """Seed of the bootstrap."""
    inconsistent_share: float | None = None


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
    margins = regression_margins(gate_of(task.spec))
    scorers = {RELIABILITY, *task.versions.scorers}
    named = [metric for metric, _ in margins if metric in scorers]
    metrics = tuple(dict.fromkeys([*([RELIABILITY] if task.spec.correct else []), *task.spec.correct, *named]))
    seed = int(content_hash(sides.candidate.run_id, sides.champion.run_id)[:8], 16)
    found = compared(candidate, champion, metrics=metrics, margins=margins, seed=seed)
    if preferences is None:
        return tuple(found)
    return (*found, *compared_preferences(preferences, candidate, margins=margins, seed=seed))


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
    if name != OVERALL and not _is_comparable(*outcomes):
        return
    margin = margins.get(MetricSlice(metric, name))
    pairs = pair(*outcomes, clusters=clusters if any(clusters.values()) else None)
    found = compare(pairs, wanted=margin, resamples=RESAMPLES, seed=seed)
    yield MetricComparison(metric, name, found, margin=margin, seed=seed)


def _is_comparable(
    candidate: Mapping[RecordKey, Sequence[float]], champion: Mapping[RecordKey, Sequence[float]]
) -> bool:
    """True if at least one record is scored for both variants."""
    return any(_is_scored(candidate[record]) and _is_scored(champion[record]) for record in candidate.keys() & champion)


def _is_scored(outcomes: Sequence[float]) -> bool:
    return not all(math.isnan(value) for value in outcomes)
