"""Step 3 of an evaluation: candidate against champion on the same records, metric by metric, overall and by slice."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from assay.evaluation.outcomes import Outcomes
from assay.evaluation.sides import EvaluationOptions, EvaluationReporter, Sides
from assay.inference.keys import content_hash
from assay.project import StageContext
from assay.records.keys import PredictionKey, RecordKey
from assay.records.statuses import ScoreStatus
from assay.scoring.judges.preferences import Preferences, judge_named, prefer
from assay.statistics.conventions import RESAMPLES
from assay.statistics.paired import PairedComparison, compare, pair
from assay.tasks.gate_spec import OVERALL, RELIABILITY, GateSpec, NoRegressionRule
from assay.tasks.validation.gate import gate_of, preferred_by


class MetricSlice(NamedTuple):
    """A metric in one slice."""

    metric: str
    slice: str


Margins = Mapping[MetricSlice, float]
"""Margins of the rules against regressions."""


@dataclass(frozen=True, slots=True)
class MetricComparison:
    """One comparison with what it is of; `margin` is the gate's, None where no rule asks.

    `inconsistent_share` is of a judge's preferences: how often they changed with the order of the two answers.
    """

    metric: str
    slice: str
    comparison: PairedComparison
    candidate_rate: float
    champion_rate: float
    margin: float | None = None
    seed: int = 0
    """Of the bootstrap."""
    inconsistent_share: float | None = None


def compare_sides(
    context: StageContext, sides: Sides, options: EvaluationOptions, reporter: EvaluationReporter
) -> tuple[MetricComparison, ...]:
    """Reliability, the scorers that it is made of, what a rule names, and what a judge prefers where one is to be asked.

    None without a champion, or where it asks the same.

    Raises:
        UsageError: the two have no record in common, or none that is scored for both.
        AssayError: the judge cannot be asked.
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
    """The margin of each rule against regressions."""
    rules = [rule for rule in gate.rules if isinstance(rule, NoRegressionRule)]
    return {MetricSlice(rule.metric, rule.slice): rule.margin for rule in rules}


def comparison_id(evaluation_id: str, population: str, *, metric: str, slice: str) -> str:
    """The id under which a comparison is landed; evidence refers to it."""
    return content_hash(evaluation_id, metric, population, slice)


def compared(
    candidate: Outcomes, champion: Outcomes, *, metrics: Sequence[str], margins: Margins, seed: int
) -> Iterator[MetricComparison]:
    """Every metric overall and in each slice that both answered; `seed` is the bootstrap's.

    Raises:
        UsageError: the two have no record in common, or none that is scored for both.
    """
    clusters, slices = candidate.clusters(), (OVERALL, *candidate.slices)
    for metric in metrics:
        for name in slices:
            outcomes = candidate.by_record(metric, name), champion.by_record(metric, name)
            yield from _comparison(metric, name, outcomes, clusters=clusters, margins=margins, seed=seed)


def compared_preferences(
    preferences: Preferences, candidate: Outcomes, *, margins: Margins, seed: int
) -> Iterator[MetricComparison]:
    """How often the judge prefers each side, overall and by slice; a tie counts for neither, no verdict is unscored.

    Raises:
        UsageError: the judge gave no verdict at all.
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
    """What the judge prefers, where one is to be asked."""
    if options.prefer is None or sides.champion is None:
        return None
    candidate, champion = sides.candidate.run, sides.champion.run
    assert candidate is not None and champion is not None  # else they were asked anew
    judge = judge_named(sides.candidate.task, options.prefer)
    return prefer(context, candidate, champion, judge=judge, report=reporter.counting("compared"))


def _won(preferences: Preferences, candidate: Outcomes, name: str, side: str) -> dict[RecordKey, list[float]]:
    """Whether a side is preferred, by record of the slice: one entry for each epoch that was compared."""
    found: dict[RecordKey, list[float]] = {}
    for row in candidate.rows:
        said = preferences.found.get(PredictionKey(*row.record, row.epoch)) if row.lies_in(name) else None
        if said is not None:
            won = math.nan if said.status != ScoreStatus.SCORED else float(said.better == side)
            found.setdefault(row.record, []).append(won)
    return found


def _comparison(
    metric: str,
    name: str,
    outcomes: tuple[Mapping[RecordKey, Sequence[float]], Mapping[RecordKey, Sequence[float]]],
    *,
    clusters: Mapping[RecordKey, str | None],
    margins: Margins,
    seed: int,
) -> Iterator[MetricComparison]:
    """The comparison of outcomes by record; none for a slice without a record that is scored for both."""
    rates = _rates(*outcomes)
    if rates is None and name != OVERALL:
        return
    margin = margins.get(MetricSlice(metric, name))
    pairs = pair(*outcomes, clusters=clusters if any(clusters.values()) else None)
    found = compare(pairs, wanted=margin, resamples=RESAMPLES, seed=seed)
    yield MetricComparison(metric, name, found, *(rates or (math.nan, math.nan)), margin=margin, seed=seed)


def _rates(
    candidate: Mapping[RecordKey, Sequence[float]], champion: Mapping[RecordKey, Sequence[float]]
) -> tuple[float, float] | None:
    """Both rates on the records that have a score of either, each record counted once; None where there are none."""
    sides = [
        (first, second)
        for record in candidate.keys() & champion.keys()
        if (first := _mean(candidate[record])) is not None and (second := _mean(champion[record])) is not None
    ]
    if not sides:
        return None
    return sum(first for first, _ in sides) / len(sides), sum(second for _, second in sides) / len(sides)


def _mean(outcomes: Sequence[float]) -> float | None:
    scored = [value for value in outcomes if not math.isnan(value)]
    return sum(scored) / len(scored) if scored else None
