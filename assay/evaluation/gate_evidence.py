"""The evidence for each rule of a gate, from the answers of a candidate and the comparison with its champion.

Pure functions. What a rule decides from its evidence is `gate_rules.py`'s matter, where estimates go is the callers'.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from assay.evaluation.gate_rules import (
    Evidence,
    GateRule,
    RuleKind,
    Waiver,
    absolute_evidence,
    golden_evidence,
    regression_evidence,
)
from assay.evaluation.outcomes import Outcomes
from assay.records.keys import PredictionKey, RecordKey
from assay.records.statuses import ScoreStatus
from assay.scoring.judges.pairwise import Preference
from assay.statistics.measured import Measured
from assay.statistics.paired import PairedComparison, compare, pair
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
from assay.tasks.validation.gate import preferred_by

TWO_SIDED_LEVEL = 0.9
"""Both bounds of such an interval are one-sided 95 % bounds, which the rules ask for."""
RESAMPLES = 2_000
COST = "cost_per_correct_usd"
LATENCY = "share_within_sla"
CASES = RuleKind.GOLDEN_CASES.value


@dataclass(frozen=True, slots=True)
class MetricComparison:
    """One comparison with what it is of; `margin` is the gate's, None where no rule asks."""

    metric: str
    slice: str
    comparison: PairedComparison
    candidate_rate: float
    champion_rate: float
    margin: float | None = None
    seed: int = 0
    """Of the bootstrap."""


@dataclass(frozen=True, slots=True)
class MeasuredMetric:
    """One estimate with what it is of."""

    metric: str
    slice: str
    measured: Measured


class MetricSlice(NamedTuple):
    """A metric in one slice."""

    metric: str
    slice: str


@dataclass(frozen=True, slots=True)
class EvidenceIds:
    """Under which ids evidence is landed: estimates by the rule's name, comparisons by metric and slice."""

    estimates: Mapping[str, str]
    comparisons: Mapping[MetricSlice, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class GateInputs:
    """What a gate decides on; `calibration` has κ of each judge that people labelled answers of.

    `is_same` where candidate and champion ask the same in every respect, so that nothing can have become worse.
    """

    candidate: Outcomes
    is_same: bool = False
    compared: Sequence[MetricComparison] = ()
    sla: SlaSpec | None = None
    calibration: Mapping[str, Evidence] = field(default_factory=dict)


def gate_rules(gate: GateSpec, sla: SlaSpec | None) -> tuple[GateRule, ...]:
    """The rules of `task.yml` as the gate decides them."""
    return tuple(_rule(rule, sla) for rule in gate.rules)


def gate_waivers(gate: GateSpec) -> tuple[Waiver, ...]:
    """The waivers of `task.yml`."""
    return tuple(
        Waiver(rule=waiver.rule, owner=waiver.owner, reason=waiver.reason, expires=waiver.expires)
        for waiver in gate.waivers
    )


def measured_for(rules: Iterable[GateRule], grounds: GateInputs) -> dict[str, MeasuredMetric]:
    """The estimate behind each rule about the candidate's own figures, by the rule's name."""
    found = {}
    for rule in rules:
        measured = _measured(rule, grounds)
        if measured is not None:
            found[rule.name] = MeasuredMetric(rule.metric, rule.slice, measured)
    return found


def evidence_for(
    rules: Iterable[GateRule],
    grounds: GateInputs,
    *,
    measured: Mapping[str, MeasuredMetric],
    ids: EvidenceIds,
) -> dict[str, Evidence]:
    """The evidence for each rule that has any; `measured` is that of `measured_for`."""
    found = {rule.name: _evidence(rule, grounds, measured=measured, ids=ids) for rule in rules}
    return {name: one for name, one in found.items() if one is not None}


def _evidence(
    rule: GateRule, grounds: GateInputs, *, measured: Mapping[str, MeasuredMetric], ids: EvidenceIds
) -> Evidence | None:
    if rule.kind is RuleKind.GOLDEN_CASES:
        counts = {name: grounds.candidate.records(name) for name in rule.covering}
        return golden_evidence(grounds.candidate.records(), counts)
    if rule.kind is RuleKind.JUDGE_CALIBRATED:
        return grounds.calibration.get(rule.metric)
    if rule.kind is RuleKind.NO_REGRESSION:
        return _regression(rule, grounds, ids)
    own = measured.get(rule.name)
    return None if own is None else absolute_evidence(own.measured, estimate_ids=(ids.estimates[rule.name],))


def _regression(rule: GateRule, grounds: GateInputs, ids: EvidenceIds) -> Evidence | None:
    if grounds.is_same:
        return _nothing_changed(grounds.candidate.records(rule.slice))
    place = MetricSlice(rule.metric, rule.slice)
    found = next((one.comparison for one in grounds.compared if (one.metric, one.slice) == place), None)
    if found is None:
        return None
    return regression_evidence(found, margin=rule.bar, estimate_ids=(ids.comparisons[place],))


def _nothing_changed(records: int) -> Evidence:
    """Zero, without an interval: it is no estimate."""
    return Evidence(value=0.0, lower=0.0, upper=0.0, n=records, p_failing=1.0, method="same_version")


def compared(
    candidate: Outcomes, champion: Outcomes, *, metrics: Sequence[str], rules: Iterable[GateRule], seed: int
) -> Iterator[MetricComparison]:
    """Every metric overall and in each slice that both answered; `seed` is the bootstrap's.

    Raises:
        UsageError: the two have no record in common, or none that is scored for both.
    """
    asked, clusters, slices = list(rules), candidate.clusters(), (OVERALL, *candidate.slices)
    for metric in metrics:
        for name in slices:
            sides = candidate.by_record(metric, name), champion.by_record(metric, name)
            yield from _compared(metric, name, sides, clusters=clusters, rules=asked, seed=seed)


def compared_preferences(
    judge: str,
    preferences: Mapping[PredictionKey, Preference],
    candidate: Outcomes,
    *,
    rules: Iterable[GateRule],
    seed: int,
) -> Iterator[MetricComparison]:
    """How often the judge prefers each side, overall and by slice; a tie counts for neither, no verdict is unscored.

    Preferences are by tenant, record id and epoch, `a` being the candidate's answer.

    Raises:
        UsageError: the judge gave no verdict at all.
    """
    asked, clusters = list(rules), candidate.clusters()
    for name in (OVERALL, *candidate.slices):
        sides = _won(preferences, candidate, name, "a"), _won(preferences, candidate, name, "b")
        yield from _compared(preferred_by(judge), name, sides, clusters=clusters, rules=asked, seed=seed)


def _won(
    preferences: Mapping[PredictionKey, Preference], candidate: Outcomes, name: str, side: str
) -> dict[RecordKey, list[float]]:
    """Whether a side is preferred, by record of the slice: one entry for each epoch that was compared."""
    found: dict[RecordKey, list[float]] = {}
    for row in candidate.rows:
        said = preferences.get(PredictionKey(*row.record, row.epoch)) if row.lies_in(name) else None
        if said is not None:
            won = math.nan if said.status != ScoreStatus.SCORED else float(said.better == side)
            found.setdefault(row.record, []).append(won)
    return found


def _compared(
    metric: str,
    name: str,
    sides: tuple[Mapping[RecordKey, Sequence[float]], Mapping[RecordKey, Sequence[float]]],
    *,
    clusters: Mapping[RecordKey, str | None],
    rules: Sequence[GateRule],
    seed: int,
) -> Iterator[MetricComparison]:
    """The comparison of outcomes by record; none for a slice without a record that is scored for both."""
    margins = {(rule.metric, rule.slice): rule.bar for rule in rules if rule.kind is RuleKind.NO_REGRESSION}
    rates = _rates(*sides)
    if rates is None and name != OVERALL:
        return
    margin = margins.get((metric, name))
    pairs = pair(*sides, clusters=clusters if any(clusters.values()) else None)
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


def _measured(rule: GateRule, grounds: GateInputs) -> Measured | None:
    """The estimate that the rule asks for, None where it asks for something else."""
    answers = grounds.candidate
    if rule.kind is RuleKind.LOWER_BOUND:
        return answers.rate(rule.metric, rule.slice, level=TWO_SIDED_LEVEL)
    if rule.kind is RuleKind.COST_PER_CORRECT:
        return answers.cost_per_correct(rule.slice, level=TWO_SIDED_LEVEL)
    if rule.kind is RuleKind.LATENCY and grounds.sla is not None:
        return answers.within(grounds.sla.latency_ms, rule.slice, level=TWO_SIDED_LEVEL)
    return None
