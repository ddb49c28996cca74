"""Evaluates a candidate against a champion: both answer the same records, are compared, and the gate's rules decide.

Only the order of things belongs here; statistics and rules are in `evals`, the rows that land in `evaluation_rows.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime

from assay.errors import AssayError, UsageError
from assay.evals.evaluated_run import read_answers
from assay.evals.gate_evidence import (
    Compared,
    EvidenceIds,
    Grounds,
    MeasuredMetric,
    compared,
    evidence_for,
    gate_rules,
    gate_waivers,
    measured_for,
)
from assay.evals.gate_rules import Evidence, Rule, RuleKind, Verdict, decide
from assay.evals.outcomes import Answers
from assay.inference.keys import content_hash, new_id
from assay.pipeline.admission import admit
from assay.pipeline.answering import Progress
from assay.pipeline.evaluation_rows import comparison_rows, estimate_rows, gate_row
from assay.pipeline.execution import answer, finish
from assay.pipeline.project import Project
from assay.pipeline.run import EVER, RunOptions, asks_golden_set, golden_label, input_of, oldest_reused
from assay.pipeline.variants import FIRST_CHAMPION, variant_of
from assay.tasks.gate_mistakes import gate_of
from assay.tasks.gate_spec import RELIABILITY
from assay.tasks.task import DEFAULT_VARIANT, Task
from assay.warehouse.evaluation_statements import EVALUATED_BEFORE, GATE_SPLIT_USES
from assay.warehouse.landing import LandingWriter

GATE_SPLIT = "golden:gate"
BOTH_SPLITS = "golden"


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluationOptions:
    """What is evaluated on what; variants are names of task.yml, `@ref` or `@stage:ga`.

    Without a champion it is the version that serves `ga`, where there is one. `is_gate` records the decision.
    """

    data_date: date
    candidate: str = DEFAULT_VARIANT
    champion: str | None = None
    input: str = GATE_SPLIT
    epochs: int = 1
    limit: int | None = None
    budget_usd: float | None = None
    reuse: str | None = None
    stage: str | None = None
    is_gate: bool = False
    decided_by: str | None = None


@dataclass(frozen=True, slots=True)
class Telling:
    """Who is told how it goes: of the requests of a run while they are answered, of rows, and in words."""

    answering: Callable[[int], AbstractContextManager[Progress]]
    counting: Callable[[str], Callable[[int], None]]
    note: Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Side:
    """One of the two variants with the run that answers for it; `is_reused` where that run was there already."""

    task: Task
    run_id: str
    data_date: date
    is_reused: bool
    answers: Answers

    @property
    def label(self) -> str:
        """How the variant was named."""
        return self.task.variant


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """What came of it. `uses` counts runs and versions that have seen the gate split since it last changed."""

    evaluation_id: str
    gate_id: str | None
    options: EvaluationOptions
    stage: str
    on_inconclusive: str
    candidate: Side
    champion: Side | None
    population: str
    compared: tuple[Compared, ...]
    measured: dict[str, MeasuredMetric]
    verdict: Verdict
    uses: tuple[int, int] | None
    notes: tuple[str, ...] = field(default=())

    @property
    def blocks(self) -> bool:
        """Whether the candidate is stopped."""
        return self.verdict.blocks(on_inconclusive=self.on_inconclusive)

    @property
    def exit_code(self) -> int:
        """Of the command: that of the decision; 0 where an inconclusive one only warns at the gate."""
        return self.verdict.exit_code if self.blocks or not self.options.is_gate else 0


def evaluate(project: Project, name: str, options: EvaluationOptions, telling: Telling) -> Evaluation:
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
    champion = variant_of(project, name, options.champion or FIRST_CHAMPION)
    notes = [] if champion else [_no_champion(options)]
    first = _side(project, candidate, options, telling)
    other = None
    if champion is not None and _asks_the_same(candidate, champion):
        other = replace(first, task=champion)
        notes.append("candidate and champion ask the same in every respect: nothing to compare, nothing became worse")
    elif champion is not None:
        other = _side(project, champion, options, telling)
    shown = frozenset(case.case_id for side in (first, other) if side for case in side.task.few_shot)
    own = first.answers.without(shown) if options.input.startswith(BOTH_SPLITS) else first.answers
    return _decided(project, options, _Sides(first, other, own), notes)


def _asks_the_same(candidate: Task, champion: Task) -> bool:
    """True where neither what is sent nor what becomes of an answer differs; all else they have in common."""
    one, other = candidate.versions, champion.versions
    return (one.inference, one.policy) == (other.inference, other.policy)


@dataclass(frozen=True, slots=True)
class _Sides:
    candidate: Side
    champion: Side | None
    answers: Answers
    """The candidate's, without cases that either variant shows to the model."""

    @property
    def are_same(self) -> bool:
        """Whether there is a champion that asks just as the candidate does."""
        return self.champion is not None and _asks_the_same(self.candidate.task, self.champion.task)


def _decided(project: Project, options: EvaluationOptions, sides: _Sides, notes: list[str]) -> Evaluation:
    task = sides.candidate.task
    gate, population = gate_of(task.spec), _population(sides.answers)
    rules = gate_rules(gate, task.spec.sla)
    evaluation_id = content_hash(
        sides.candidate.run_id, sides.champion.run_id if sides.champion else "", task.versions.policy, population
    )
    grounds = Grounds(
        candidate=sides.answers,
        is_same=sides.are_same,
        compared=tuple(_compared(sides, rules)) if sides.champion and not sides.are_same else (),
        sla=task.spec.sla,
        calibration=_calibration(project, sides.candidate, rules),
    )
    measured = measured_for(rules, grounds)
    estimates = estimate_rows(sides.candidate, measured, evaluation_id=evaluation_id, population=population)
    comparisons = comparison_rows(sides.candidate, sides.champion, grounds.compared, evaluation_id, population)
    ids = EvidenceIds(
        {rule: row.estimate_id for rule, row in estimates.items()},
        {(row.metric, row.slice): row.comparison_id for row in comparisons},
    )
    verdict = decide(
        rules,
        evidence_for(rules, grounds, measured=measured, ids=ids),
        today=datetime.now(UTC).date(),
        waivers=gate_waivers(gate),
        champion=sides.champion is not None,
    )
    stage = options.stage or task.spec.stage
    evaluation = Evaluation(
        evaluation_id=evaluation_id,
        gate_id=new_id() if options.is_gate else None,
        options=options,
        stage=stage,
        on_inconclusive=gate.inconclusive_at(stage),
        candidate=sides.candidate,
        champion=sides.champion,
        population=population,
        compared=tuple(grounds.compared),
        measured=measured,
        verdict=verdict,
        uses=_uses(project, task) if population == GATE_SPLIT else None,
        notes=tuple(notes),
    )
    sink = LandingWriter(project.warehouse)
    sink.append(list({row.estimate_id: row for row in estimates.values()}.values()))
    sink.append(comparisons)
    if evaluation.gate_id is not None:
        sink.append([gate_row(project, evaluation)])
    return evaluation


def _side(project: Project, task: Task, options: EvaluationOptions, telling: Telling) -> Side:
    """The variant with its answers: those of an earlier run over the same cases, or of one made now."""
    asked = _run_options(task, options)
    run_id, data_date, is_reused = _evaluated_before(project, task, asked) or _run(project, task, asked, telling)
    answers = read_answers(project.warehouse, task, run_id=run_id, data_date=data_date)
    if is_reused:
        telling.note(f"{task.variant}: answers of run {run_id}, which asked the same")
    if answers.skipped:
        raise UsageError(
            f"Run {run_id} of {task.variant}: its budget ended before {answers.skipped:,} requests were asked, so that what "
            "is left is no fair sample; raise --budget and give the same command again, what was answered is reused."
        )
    if not answers.rows:
        raise UsageError(f"Run {run_id} of {task.variant} has no answer: expected at least one record to evaluate.")
    return Side(task, run_id, data_date, is_reused, answers)


def _run_options(task: Task, options: EvaluationOptions) -> RunOptions:
    return RunOptions(
        data_date=options.data_date,
        input=options.input,
        variant=task.variant,
        limit=options.limit,
        epochs=options.epochs,
        budget_usd=options.budget_usd,
        reuse=options.reuse,
        stage=options.stage,
        purpose="eval",
    )


def _evaluated_before(project: Project, task: Task, asked: RunOptions) -> tuple[str, date, bool] | None:
    """A completed run that asked and judged the very same; a table may have changed since, golden cases have a version.

    Taken whole, its failures count as they did: asking only those again would give them a second chance.
    """
    since = oldest_reused(asked.reuse or task.spec.reuse, now=datetime.now(UTC))
    if since is None or asked.limit is not None or not asks_golden_set(task, asked):
        return None
    parameters = {
        "task": task.name,
        "task_version_id": task.versions.task_version_id,
        "variant": task.variant,
        "input_source": golden_label(task, input_of(task, asked)),
        "epochs": asked.epochs,
        "since": max(since, EVER),
    }
    row = next(iter(project.warehouse.stream(EVALUATED_BEFORE.sql, parameters)), None)
    return None if row is None else (row["run_id"], row["data_date"], True)


def _run(project: Project, task: Task, asked: RunOptions, telling: Telling) -> tuple[str, date, bool]:
    admission = admit(project, task, asked, report=telling.counting("read"))
    run, requests = admission.run, admission.records * asked.epochs
    telling.note(f"{task.variant}: run {run.run_id}, {requests:,} requests")
    if admission.warning:
        telling.note(f"warning: {admission.warning}")
    with telling.answering(requests) as progress:
        answer(project, run, progress)
    summary = finish(project, run, report=telling.counting("scored"))
    if summary.status != "completed":
        raise AssayError(
            f"Run {run.run_id} of {task.variant} is not complete: {summary.predictions:,} of "
            f"{summary.expected_predictions:,} predictions landed; give the same command again, they are reused."
        )
    return run.run_id, asked.data_date, False


def _compared(sides: _Sides, rules: Sequence[Rule]) -> Iterator[Compared]:
    """Reliability, the scorers that it is made of, and what a rule names."""
    assert sides.champion is not None
    spec = sides.candidate.task.spec
    named = [rule.metric for rule in rules if rule.kind is RuleKind.NO_REGRESSION]
    metrics = tuple(dict.fromkeys([*([RELIABILITY] if spec.correct else []), *spec.correct, *named]))
    seed = int(content_hash(sides.candidate.run_id, sides.champion.run_id)[:8], 16)
    return compared(sides.answers, sides.champion.answers, metrics=metrics, rules=rules, seed=seed)


def _calibration(project: Project, candidate: Side, rules: Sequence[Rule]) -> dict[str, Evidence]:
    return {}


def _uses(project: Project, task: Task) -> tuple[int, int]:
    parameters = {"task": task.name, "golden_set_version": task.versions.golden_set}
    row = next(iter(project.warehouse.stream(GATE_SPLIT_USES.sql, parameters)))
    return row["runs"], row["versions"]


def _population(answers: Answers) -> str:
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
    if options.input == GATE_SPLIT and not any(case.split == "gate" for case in task.cases):
        raise UsageError(
            f"Task '{task.name}' has no golden case of the gate split: expected some in {task.name}/cases.jsonl with "
            '"split": "gate"; add them, or give another --input.'
        )


def _no_champion(options: EvaluationOptions) -> str:
    asked = f"{options.champion} has" if options.champion else "there is"
    return f"{asked} no champion yet: absolute rules only"
