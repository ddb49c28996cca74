"""Evaluates a candidate against a champion: both answer the same records, are compared, and the gate's rules decide.

Only the order of things belongs here; statistics and rules are in `evals`, the rows that land in `evaluation_rows.py`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from assay.calibration.calibrate import calibrate
from assay.errors import UsageError
from assay.evaluation.evaluation import Evaluation
from assay.evaluation.gate_evidence import (
    EvidenceIds,
    GateInputs,
    MeasuredMetric,
    MetricComparison,
    MetricSlice,
    compared,
    compared_preferences,
    evidence_for,
    gate_rules,
    gate_waivers,
    measured_for,
)
from assay.evaluation.gate_rules import Evidence, GateRule, GateVerdict, RuleKind, absolute_evidence, decide
from assay.evaluation.outcomes import Outcomes
from assay.evaluation.preferences import Preferences, judge_named, prefer
from assay.evaluation.queries import GATE_SPLIT_USES
from assay.evaluation.rows import comparison_rows, estimate_rows, gate_row
from assay.evaluation.side import EvaluatedVariant, EvaluationOptions, EvaluationReporter, evaluated_variant
from assay.evaluation.variants import FIRST_CHAMPION, variant_of
from assay.inference.keys import content_hash, new_id
from assay.project import Project
from assay.records import Comparison, Estimate
from assay.records.statuses import GoldenSplit
from assay.runs.run import GOLDEN
from assay.tasks.gate_spec import GATE_SPLIT, RELIABILITY, GateSpec
from assay.tasks.task import Task
from assay.tasks.validation.gate import gate_of
from assay.warehouse.landing import LandingWriter

BOTH_SPLITS = "golden"


def evaluate(project: Project, name: str, options: EvaluationOptions, telling: EvaluationReporter) -> Evaluation:
    """The candidate is judged; estimates and comparisons are landed, and at a gate its decision.

    Raises:
        UsageError: no such variant; nothing in common to compare; records of several populations; a budget that ended
            before all were asked.
        AssayError: a run could not be finished; the same command goes on, answers that are landed are reused.
    """
    candidate = variant_of(project, name, options.candidate)
    if candidate is None:
        raise UsageError(
            f"No version of task '{name}' serves {options.candidate}: expected one; name a variant or @ref."
        )
    _refuse_two_populations(candidate, options)
    if options.prefer is not None:
        judge_named(candidate, options.prefer)
    champion = variant_of(project, name, options.champion or FIRST_CHAMPION)
    notes = [] if champion else [_no_champion(options)]
    first = evaluated_variant(project, candidate, options, telling)
    other = None
    if champion is not None and _asks_the_same(candidate, champion):
        other = replace(first, task=champion)
        notes.append("candidate and champion ask the same in every respect: nothing to compare, nothing became worse")
    elif champion is not None:
        other = evaluated_variant(project, champion, options, telling)
    if GOLDEN.fullmatch(options.input):
        shown = frozenset(case.case_id for side in (first, other) if side for case in side.task.few_shot)
        first = replace(first, answers=first.answers.without(shown))
        other = replace(other, answers=other.answers.without(shown)) if other else None
    preferences = _preferences(project, first, other, options, telling)
    if preferences is not None and preferences.inconsistent_share is not None:
        share = preferences.inconsistent_share
        notes.append(
            f"judge {preferences.judge} changed its mind with the order of the answers in {share:.0%} of pairs"
        )
    return _decided(project, options, _Sides(first, other, preferences), notes)


def _preferences(
    project: Project,
    candidate: EvaluatedVariant,
    champion: EvaluatedVariant | None,
    options: EvaluationOptions,
    telling: EvaluationReporter,
) -> Preferences | None:
    """What the judge prefers, where one is to be asked and there are two different answers to show."""
    if options.prefer is None or champion is None or _asks_the_same(candidate.task, champion.task):
        return None
    assert candidate.run is not None and champion.run is not None  # else they were asked anew
    judge = judge_named(candidate.task, options.prefer)
    return prefer(project, candidate.run, champion.run, judge=judge, report=telling.counting("compared"))


def _asks_the_same(candidate: Task, champion: Task) -> bool:
    """True where neither what is sent nor what becomes of an answer differs; all else they have in common."""
    one, other = candidate.versions, champion.versions
    return (one.inference, one.policy) == (other.inference, other.policy)


@dataclass(frozen=True, slots=True)
class _Sides:
    """Both variants, without cases that either of them shows to the model."""

    candidate: EvaluatedVariant
    champion: EvaluatedVariant | None
    preferences: Preferences | None = None

    @property
    def are_same(self) -> bool:
        """Whether there is a champion that asks just as the candidate does."""
        return self.champion is not None and _asks_the_same(self.candidate.task, self.champion.task)


@dataclass(frozen=True, slots=True)
class _Found:
    """What the rules came to, and the rows of what they rest on; estimates are by the rule's name."""

    grounds: GateInputs
    measured: dict[str, MeasuredMetric]
    estimates: dict[str, Estimate]
    comparisons: list[Comparison]
    verdict: GateVerdict

    def land(self, sink: LandingWriter) -> None:
        """Estimates and comparisons are in the warehouse; rules about the same figure share an estimate."""
        sink.append(list({row.estimate_id: row for row in self.estimates.values()}.values()))
        sink.append(self.comparisons)


def _decided(project: Project, options: EvaluationOptions, sides: _Sides, notes: list[str]) -> Evaluation:
    task, population = sides.candidate.task, _population(sides.candidate.answers)
    gate, stage = gate_of(task.spec), options.stage or task.spec.stage
    champion_run = sides.champion.run_id if sides.champion else ""
    evaluation_id = content_hash(sides.candidate.run_id, champion_run, task.versions.policy, population)
    found = _found(project, sides, gate, evaluation_id=evaluation_id, population=population)
    evaluation = Evaluation(
        evaluation_id=evaluation_id,
        gate_id=new_id() if options.is_gate else None,
        options=options,
        stage=stage,
        on_inconclusive=gate.inconclusive_at(stage),
        candidate=sides.candidate,
        champion=sides.champion,
        population=population,
        compared=tuple(found.grounds.compared),
        measured=found.measured,
        verdict=found.verdict,
        uses=_uses(project, task) if population == GATE_SPLIT else None,
        notes=tuple(notes),
    )
    sink = LandingWriter(project.warehouse)
    found.land(sink)
    if evaluation.gate_id is not None:
        sink.append([gate_row(project, evaluation)])
    return evaluation


def _found(project: Project, sides: _Sides, gate: GateSpec, *, evaluation_id: str, population: str) -> _Found:
    """Every rule is measured and decided; nothing is landed yet."""
    task = sides.candidate.task
    rules = gate_rules(gate, task.spec.sla)
    grounds = GateInputs(
        candidate=sides.candidate.answers,
        is_same=sides.are_same,
        compared=tuple(_compared(sides, rules)) if sides.champion and not sides.are_same else (),
        sla=task.spec.sla,
        calibration=_calibration(project, task, rules),
    )
    measured = measured_for(rules, grounds)
    estimates = estimate_rows(sides.candidate, measured, evaluation_id=evaluation_id, population=population)
    comparisons = comparison_rows(
        sides.candidate, sides.champion, grounds.compared, evaluation_id=evaluation_id, population=population
    )
    ids = EvidenceIds(
        {rule: row.estimate_id for rule, row in estimates.items()},
        {MetricSlice(row.metric, row.slice): row.comparison_id for row in comparisons},
    )
    verdict = decide(
        rules,
        evidence_for(rules, grounds, measured=measured, ids=ids),
        today=datetime.now(UTC).date(),
        waivers=gate_waivers(gate),
        champion=sides.champion is not None,
    )
    return _Found(grounds, measured, estimates, comparisons, verdict)


def _compared(sides: _Sides, rules: Sequence[GateRule]) -> Iterator[MetricComparison]:
    """Reliability, the scorers that it is made of, and what a rule names."""
    assert sides.champion is not None
    spec = sides.candidate.task.spec
    scorers = {RELIABILITY, *sides.candidate.task.versions.scorers}
    named = [rule.metric for rule in rules if rule.kind is RuleKind.NO_REGRESSION and rule.metric in scorers]
    metrics = tuple(dict.fromkeys([*([RELIABILITY] if spec.correct else []), *spec.correct, *named]))
    seed = int(content_hash(sides.candidate.run_id, sides.champion.run_id)[:8], 16)
    yield from compared(sides.candidate.answers, sides.champion.answers, metrics=metrics, rules=rules, seed=seed)
    if sides.preferences is not None:
        said = sides.preferences
        yield from compared_preferences(said.judge, said.found, sides.candidate.answers, rules=rules, seed=seed)


def _calibration(project: Project, task: Task, rules: Sequence[GateRule]) -> dict[str, Evidence]:
    """How far each judge that a rule asks about agrees with people, by its name, computed from the labels of today."""
    asked = {rule.metric for rule in rules if rule.kind is RuleKind.JUDGE_CALIBRATED}
    if not asked:
        return {}
    known = calibrate(project, task)
    found = {name: judge for name in asked if (judge := known.of(name)) is not None}
    return {name: absolute_evidence(one.kappa, estimate_ids=(one.kappa_id,)) for name, one in found.items()}


def _uses(project: Project, task: Task) -> tuple[int, int]:
    parameters = {"task": task.name, "golden_set_version": task.versions.golden_set}
    row = next(iter(project.warehouse.stream(GATE_SPLIT_USES.sql, parameters)))
    return row["runs"], row["versions"]


def _population(answers: Outcomes) -> str:
    if len(answers.populations) != 1:
        raise UsageError(
            f"The records belong to {', '.join(answers.populations) or 'no population'}: expected one, for a rate speaks of "
            "one; name it with --input, for example golden:gate."
        )
    return answers.populations[0]


def _refuse_two_populations(task: Task, options: EvaluationOptions) -> None:
    if options.input == BOTH_SPLITS:
        raise UsageError(
            "--input golden: expected one split, for prompts are made on dev cases and judged on the others; "
            "give golden:gate or golden:dev."
        )
    if options.input == GATE_SPLIT and not any(case.split == GoldenSplit.GATE for case in task.cases):
        raise UsageError(
            f"Task '{task.name}' has no golden case of the gate split: expected some in {task.name}/cases.jsonl with "
            '"split": "gate"; add them, or give another --input.'
        )


def _no_champion(options: EvaluationOptions) -> str:
    asked = f"{options.champion} has" if options.champion else "there is"
    return f"{asked} no champion yet: absolute rules only"
