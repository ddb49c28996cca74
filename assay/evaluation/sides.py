"""Step 1 of an evaluation: the versions of candidate and champion, each with its run.

A completed run of the same version on the same cases is reused; otherwise a new run is made.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from typing import Any

from assay.adoption.evaluated_run import adopted_run_on_this_machine, latest_adopted_run, require_same_inputs
from assay.adoption.named_variants import FIRST_CHAMPION, variant_of
from assay.adoption.variants import is_adopted
from assay.errors import AssayError, UsageError
from assay.evaluation.outcomes import Outcomes, read_outcomes, validate_population
from assay.evaluation.queries import EVALUATED_BEFORE
from assay.inference.keys import content_hash
from assay.inputs.perturb.cases import validate_perturbable
from assay.inputs.sources import GOLDEN
from assay.pipeline import answer, finish
from assay.project import Project, StageContext
from assay.records.statuses import GoldenSplit, Perturbation, Population, RunPurpose, RunStatus, Stage
from assay.runs.admission import admit
from assay.runs.record_mapping import landed_examples
from assay.runs.requests.request_stage import Interrupted, RequestProgress
from assay.runs.resume import run_on_this_machine
from assay.runs.run import (
    Run,
    RunOptions,
    golden_source_label,
    oldest_reused,
    purpose_of,
    uses_golden_set,
)
from assay.runs.summary import RunSummary
from assay.scoring.judges.preferences import judge_named
from assay.settings import Settings
from assay.tasks.gate_spec import GATE_SPLIT
from assay.tasks.task import DEFAULT_VARIANT, Task
from assay.version import git_sha
from assay.warehouse.client import Warehouse

REPEAT_TO_RESUME = "repeat the command to resume: landed predictions are reused."
BOTH_SPLITS = "golden"


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluationOptions:
    """The variants and input of an evaluation; a variant is a name from task.yml, `@ref` or `@stage:ga`.

    By default, the champion is the version that serves `ga`, if there is one. `is_gate` records the decision; `prefer`
    names a judge that compares the two predictions of each record. `variants`, if given, are compared with each other in
    place of candidate and champion. `perturb` lists the kinds by which the candidate's robustness is measured; empty for
    the kinds of the task, None for no measurement.
    """

    data_date: date
    candidate: str = DEFAULT_VARIANT
    champion: str | None = None
    input: str = GATE_SPLIT
    epochs: int = 1
    limit: int | None = None
    budget_usd: float | None = None
    reuse: str | None = None
    stage: Stage | None = None
    is_gate: bool = False
    prefer: str | None = None
    decided_by: str | None = None
    perturb: tuple[Perturbation, ...] | None = None
    variants: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        self._validate_variants()
        if self.is_gate and (self.limit is not None or self.input == Population.GOLDEN_DEV):
            what = "--limit" if self.limit is not None else "--input golden:dev"
            raise UsageError(
                f"--gate cannot be combined with {what}: a gate needs all records, and no cases that prompts were written on",
                next_step=f"omit {what} or --gate.",
            )

    def _validate_variants(self) -> None:
        """Refuses options that are about one candidate if several variants are compared with each other."""
        conflicts = {
            "--gate": (self.is_gate, "a gate decides on one candidate"),
            "--champion": (self.champion is not None, "the champion is one of the compared variants"),
            "--candidate": (self.candidate != DEFAULT_VARIANT, "the candidate is one of the compared variants"),
            "--prefer": (self.prefer is not None, "a judge compares two predictions"),
            "--perturb": (self.perturb is not None, "robustness is that of one candidate"),
        }
        for option, (is_given, reason) in conflicts.items():
            if self.variants and is_given:
                raise UsageError(
                    f"--variants cannot be combined with {option}: {reason}",
                    next_step=f"omit {option} and name every version in --variants, or omit --variants.",
                )


@dataclass(frozen=True, slots=True)
class EvaluationReporter:
    """Reports messages and the progress of requests and rows.

    `handle_signals` is False if the caller handles Ctrl-C, for example because this is not the main thread.
    """

    answering: Callable[[int], AbstractContextManager[RequestProgress]]
    counting: Callable[[str], Callable[[int], None]]
    note: Callable[[str], None]
    handle_signals: bool = True


@dataclass(frozen=True, slots=True)
class EvaluatedVariant:
    """A variant with its run; `spent` is the summary of the run, None if the run is reused.

    `run` is None if the input snapshot of a reused run is not on this machine.
    """

    task: Task
    run_id: str
    data_date: date
    outcomes: Outcomes
    spent: RunSummary | None
    run: Run | None

    @property
    def is_reused(self) -> bool:
        """True if the run existed before the evaluation."""
        return self.spent is None

    @property
    def label(self) -> str:
        """The name of the variant."""
        return self.task.variant

    def without(self, record_ids: frozenset[str]) -> EvaluatedVariant:
        """The variant without the outcomes of these records."""
        return replace(self, outcomes=self.outcomes.without(record_ids))


@dataclass(frozen=True, slots=True)
class Sides:
    """Candidate and champion on one population, without the few-shot examples of either."""

    candidate: EvaluatedVariant
    champion: EvaluatedVariant | None

    @property
    def are_same(self) -> bool:
        """True if there is a champion with the same requests and policy as the candidate."""
        return self.champion is not None and is_same_version(self.candidate.task, self.champion.task)

    @property
    def population(self) -> str:
        """The population of the records."""
        return self.candidate.outcomes.populations[0]

    @property
    def evaluation_id(self) -> str:
        """Deterministic evaluation id, derived from the runs and the policy."""
        champion_run = self.champion.run_id if self.champion else ""
        policy = self.candidate.task.versions.policy
        return content_hash(self.candidate.run_id, champion_run, policy, self.population)


def evaluated_sides(project: Project, name: str, options: EvaluationOptions, reporter: EvaluationReporter) -> Sides:
    """Candidate and champion with the outcomes of their runs; a champion of the same version gets the candidate's run.

    Raises:
        UsageError: the variant or judge does not exist, the budget ran out before the last request, there is no record to
            evaluate, or the records belong to several populations.
        AssayError: a run could not be finished; repeating the command resumes it and reuses landed predictions.
    """
    candidate = variant_of(project, name, options.candidate)
    if candidate is None:
        raise UsageError(
            f"No version of task '{name}' serves {options.candidate}",
            next_step="promote one, or pass a variant or @ref.",
        )
    validate_input(candidate, options)
    if options.perturb is not None:
        validate_perturbable(candidate, input=options.input)
    if options.perturb is not None and is_adopted(candidate):
        raise UsageError(
            f"--perturb: adopted variant '{candidate.variant}' makes no predictions for perturbed input",
            next_step="omit --perturb.",
        )
    if options.prefer is not None:
        judge_named(candidate, options.prefer)
    champion = variant_of(project, name, options.champion or FIRST_CHAMPION)
    apart = None if champion is None or is_same_version(candidate, champion) else champion
    first, *found = evaluated_in_order(project, [candidate, *([apart] if apart else [])], options, reporter)
    other = found[0] if found else None
    if champion is not None and apart is None:
        other = replace(first, task=champion)
    if other is not None:
        require_comparable(project.warehouse, name, first, other)
    first, *others = without_examples([first, *([other] if other else [])], options, hash_key=project.settings.hash_key)
    validate_population(first.outcomes)
    return Sides(first, others[0] if others else None)


def evaluated_in_order(
    context: StageContext, tasks: Sequence[Task], options: EvaluationOptions, reporter: EvaluationReporter
) -> list[EvaluatedVariant]:
    """The variants in the order of the tasks; those that need no request are read first, so that a refusal costs nothing.

    Raises:
        UsageError: the budget ran out before the last request, or there is no record to evaluate.
        AssayError: a run could not be finished; repeating the command resumes it and reuses landed predictions.
    """
    places = sorted(range(len(tasks)), key=lambda place: not is_adopted(tasks[place]))
    found = {place: evaluated_variant(context, tasks[place], options, reporter) for place in places}
    return [found[place] for place in range(len(tasks))]


def require_comparable(warehouse: Warehouse, task: str, one: EvaluatedVariant, other: EvaluatedVariant) -> None:
    """Checks that the runs have the same inputs if one of them is adopted; the inputs of others are read by Assay.

    Raises:
        UsageError: they share no record, belong to different populations, or the inputs of shared records differ.
    """
    if is_adopted(one.task) or is_adopted(other.task):
        runs = {"candidate": (one.run_id, one.data_date), "champion": (other.run_id, other.data_date)}
        require_same_inputs(warehouse, task, **runs)


def without_examples(
    sides: Sequence[EvaluatedVariant], options: EvaluationOptions, *, hash_key: bytes
) -> list[EvaluatedVariant]:
    """The variants without the golden cases that the prompt of any of them shows as examples."""
    tasks = [side.task for side in sides] if GOLDEN.fullmatch(options.input) else []
    shown = frozenset[str]().union(*(landed_examples(task, hash_key=hash_key) for task in tasks))
    return [side.without(shown) for side in sides]


def commit_of(settings: Settings, task: Task) -> str | None:
    """The commit of the task's prompts; None outside git."""
    return task.git_sha or git_sha(settings.root)


def is_same_version(candidate: Task, champion: Task) -> bool:
    """True if inference and policy version are the same; everything else is common to both variants."""
    one, other = candidate.versions, champion.versions
    return (one.inference, one.policy) == (other.inference, other.policy)


def evaluated_variant(
    context: StageContext,
    task: Task,
    options: EvaluationOptions,
    reporter: EvaluationReporter,
    *,
    perturbation: Perturbation | None = None,
) -> EvaluatedVariant:
    """The variant with the outcomes of a reused run on the same cases, perturbed if stated, or of a new run.

    Raises:
        UsageError: the budget ran out before the last request, or there is no record to evaluate.
        AssayError: the run could not be finished; repeating the command resumes it and reuses landed predictions.
    """
    run_options = _run_options(task, options, perturbation)
    known = _adopted_run(context, task, options) if is_adopted(task) else _VariantRun.find(context, task, run_options)
    if known is not None and perturbation is None and options.prefer is not None and known.run is None:
        known = None  # The judge needs the records, and thus the snapshot; a new run reuses the predictions.
    found = known or _new_run(context, task, run_options, reporter)
    if known is not None:
        what = (
            f"adopted run {known.run_id} of {known.data_date}"
            if is_adopted(task)
            else f"run {known.run_id} of the same version"
        )
        reporter.note(f"{_named(task, run_options)}: {what} is reused")
    outcomes = read_outcomes(context.warehouse, task, run_id=found.run_id, data_date=found.data_date)
    if outcomes.skipped:
        raise UsageError(
            f"Run {found.run_id} of {_named(task, run_options)}: the budget ran out with requests not sent ({outcomes.skipped:,}), so "
            "the other predictions are not a representative sample",
            next_step="raise --budget and repeat the command; landed predictions are reused.",
        )
    if not outcomes.rows:
        raise UsageError(
            f"Run {found.run_id} of {task.variant} has no predictions to evaluate",
            next_step="check --input and --limit.",
        )
    return EvaluatedVariant(task, found.run_id, found.data_date, outcomes, found.spent, found.run)


@dataclass(frozen=True, slots=True)
class _VariantRun:
    """The run of a variant."""

    run_id: str
    data_date: date
    run: Run | None
    spent: RunSummary | None = None

    @classmethod
    def find(cls, context: StageContext, task: Task, options: RunOptions) -> _VariantRun | None:
        """A completed run of the same inference version, routes and scorer versions; None if there is none.

        Searched only for golden sets, which have a version; a table may have changed. A reused run keeps its failures,
        because repeating only those would bias the result.
        """
        since = oldest_reused(options.reuse or task.spec.reuse, now=datetime.now(UTC))
        if since is None or options.limit is not None or not uses_golden_set(task, options):
            return None
        parameters = {
            "task": task.name,
            "inference_version": task.versions.inference,
            "purpose": purpose_of(task, options),
            "input_source": golden_source_label(task, options),
            "epochs": options.epochs,
            "since": since,
        }
        rows = context.warehouse.stream(EVALUATED_BEFORE.sql, parameters)
        row = next((row for row in rows if _same_routes_and_scorers(task, row)), None)
        if row is None:
            return None
        return cls(
            row["run_id"],
            row["data_date"],
            run_on_this_machine(context, task, options, run_id=row["run_id"], data_date=row["data_date"]),
        )


def _adopted_run(context: StageContext, task: Task, options: EvaluationOptions) -> _VariantRun:
    found = latest_adopted_run(context, task, options.input, data_date=options.data_date)
    run = adopted_run_on_this_machine(context, task, found)
    if run is None and options.prefer is not None:
        raise UsageError(
            f"Judge '{options.prefer}' needs the records of run {found.run_id} of adopted variant '{task.variant}', and "
            "their snapshot is not on this machine",
            next_step="adopt the answers on this machine, or omit --prefer.",
        )
    return _VariantRun(found.run_id, found.data_date, run)


def _same_routes_and_scorers(task: Task, row: Mapping[str, Any]) -> bool:
    """True if the routes, with their timeouts, attempts and rules, and all scorer versions are the same."""
    routes = [route.model_dump(mode="json") for route in task.spec.routes]
    return (json.loads(row["routes"]), json.loads(row["scorer_versions"])) == (routes, dict(task.versions.scorers))


def _run_options(task: Task, options: EvaluationOptions, perturbation: Perturbation | None) -> RunOptions:
    return RunOptions(
        data_date=options.data_date,
        input=options.input,
        variant=task.variant,
        limit=options.limit,
        epochs=options.epochs,
        budget_usd=options.budget_usd,
        reuse=options.reuse,
        stage=options.stage,
        purpose=RunPurpose.EVAL if perturbation is None else RunPurpose.PERTURB,
        perturbation=perturbation,
    )


def _new_run(context: StageContext, task: Task, options: RunOptions, reporter: EvaluationReporter) -> _VariantRun:
    admission = admit(context, task, options, report=reporter.counting("read"))
    run, requests = admission.run, admission.records * options.epochs
    reporter.note(f"{_named(task, options)}: run {run.run_id}, {requests:,} requests")
    if admission.warning:
        reporter.note(f"warning: {admission.warning}")
    try:
        with reporter.answering(requests) as progress:
            answer(context, run, progress, handle_signals=reporter.handle_signals)
        summary = finish(context, run, report=reporter.counting("scored"))
    except Interrupted as error:
        raise Interrupted(error.message, next_step=REPEAT_TO_RESUME, exit_code=error.exit_code) from error
    if summary.status != RunStatus.COMPLETED:
        raise AssayError(
            f"Run {run.run_id} of {task.variant} is not complete: {summary.predictions:,} of "
            f"{summary.expected_predictions:,} predictions landed",
            next_step="repeat the command; landed predictions are reused.",
        )
    return _VariantRun(run.run_id, options.data_date, run, summary)


def _named(task: Task, options: RunOptions) -> str:
    """The variant, and what perturbed its input."""
    return f"{task.variant}, {options.perturbation}" if options.perturbation else task.variant


def validate_input(task: Task, options: EvaluationOptions) -> None:
    """Raises UsageError if the input is both splits of the golden set, or a gate split without a case."""
    if options.input == BOTH_SPLITS:
        raise UsageError(
            "--input golden: expected one split, because prompts are written on dev cases and evaluated on gate cases",
            next_step="pass golden:gate or golden:dev.",
        )
    if options.input == GATE_SPLIT and not any(case.split == GoldenSplit.GATE for case in task.cases):
        raise UsageError(
            f"Task '{task.name}' has no golden cases in the gate split",
            next_step=f'add cases with "split": "gate" to {task.name}/cases.jsonl, or pass another --input.',
        )
