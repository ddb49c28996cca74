"""Step 1 of an evaluation: the versions of candidate and champion, each with its run.

A completed run of the same version on the same cases is reused; otherwise a new run is made.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from typing import Any

from assay.errors import AssayError, UsageError
from assay.evaluation.outcomes import Outcomes, read_outcomes
from assay.evaluation.queries import EVALUATED_BEFORE, STAGE_SERVED
from assay.inference.keys import content_hash
from assay.inputs.sources import GOLDEN
from assay.inputs.stored import open_snapshot
from assay.pipeline import answer, finish
from assay.project import REF, Project, StageContext
from assay.records.statuses import GoldenSplit, Population, RunPurpose, RunStatus, Stage
from assay.runs.admission import admit
from assay.runs.requests.request_stage import Interrupted, RequestProgress
from assay.runs.run import (
    Run,
    RunOptions,
    facts_of,
    golden_label,
    input_of,
    oldest_reused,
    purpose_of,
    uses_golden_set,
)
from assay.runs.summary import RunSummary
from assay.scoring.judges.preferences import judge_named
from assay.settings import Settings
from assay.tasks.gate_spec import GATE_SPLIT
from assay.tasks.task import DEFAULT_VARIANT, Task, with_variant_of
from assay.version import git_sha

REPEAT_TO_RESUME = "repeat the command to resume: landed predictions are reused."
BOTH_SPLITS = "golden"
STAGE = f"{REF}stage:"
FIRST_CHAMPION = f"{STAGE}{Stage.GA}"


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluationOptions:
    """The variants and input of an evaluation; a variant is a name from task.yml, `@ref` or `@stage:ga`.

    By default, the champion is the version that serves `ga`, if there is one. `is_gate` records the decision; `prefer`
    names a judge that compares the two predictions of each record.
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

    def __post_init__(self) -> None:
        if self.is_gate and (self.limit is not None or self.input == Population.GOLDEN_DEV):
            what = "--limit" if self.limit is not None else "--input golden:dev"
            raise UsageError(
                f"--gate cannot be combined with {what}: a gate needs all records, and no cases that prompts were written on",
                next_step=f"omit {what} or --gate.",
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
        return self.champion is not None and _is_same_version(self.candidate.task, self.champion.task)

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
    _validate_input(candidate, options)
    if options.prefer is not None:
        judge_named(candidate, options.prefer)
    champion = variant_of(project, name, options.champion or FIRST_CHAMPION)
    first, other = _evaluated_variant(project, candidate, options, reporter), None
    if champion is not None and _is_same_version(candidate, champion):
        other = replace(first, task=champion)
    elif champion is not None:
        other = _evaluated_variant(project, champion, options, reporter)
    if GOLDEN.fullmatch(options.input):
        shown = frozenset(case.case_id for side in (first, other) if side for case in side.task.few_shot)
        first, other = first.without(shown), other.without(shown) if other else None
    _validate_population(first.outcomes)
    return Sides(first, other)


def variant_of(project: Project, name: str, variant: str) -> Task | None:
    """The task in the named variant; None if no version serves the named stage.

    Raises:
        UsageError: the variant, ref or stage does not exist, or the version that serves the stage cannot be found.
    """
    if not variant.startswith(STAGE):
        return project.task(name, variant=variant)
    stage = variant.removeprefix(STAGE)
    if stage not in set(Stage):
        raise UsageError(
            f"{variant}: unknown stage; expected one of {', '.join(Stage)}",
            next_step=f"use one of them, such as {FIRST_CHAMPION}.",
        )
    served = next(iter(project.warehouse.stream(STAGE_SERVED.sql, {"task": name, "stage": stage})), None)
    if served is None:
        return None
    return _served(project, name, variant, served)


def commit_of(settings: Settings, task: Task) -> str | None:
    """The commit of the task's prompts; None outside git."""
    return task.git_sha or git_sha(settings.root)


def _served(project: Project, name: str, label: str, served: dict[str, str | None]) -> Task:
    """The promoted version, from the current folder or from the commit from which it was promoted."""
    current = project.task(name)
    for variant in (DEFAULT_VARIANT, *current.spec.variants):
        found = project.task(name, variant=variant)
        if found.versions.inference == served["inference_version"]:
            return replace(with_variant_of(current, found, label=label), git_sha=git_sha(project.settings.root))
    promoted = served["git_sha"]
    if promoted is None:
        raise UsageError(
            f"{label} of task '{name}': inference version {served['inference_version']} is no longer in the task folder, "
            "and it was promoted outside git, so no commit contains it",
            next_step="promote a current version to the stage.",
        )
    found = project.task_at(name, promoted, label=label, variant=served["variant"] or DEFAULT_VARIANT)
    if found.versions.inference != served["inference_version"]:
        raise UsageError(
            f"{label} of task '{name}': expected inference version {served['inference_version']} at commit {promoted[:12]}, "
            f"found {found.versions.inference}; it was promoted from uncommitted files, or the code that computes "
            "versions has changed",
            next_step="promote a current version to the stage.",
        )
    return found


def _is_same_version(candidate: Task, champion: Task) -> bool:
    """True if inference and policy version are the same; everything else is common to both variants."""
    one, other = candidate.versions, champion.versions
    return (one.inference, one.policy) == (other.inference, other.policy)


def _evaluated_variant(
    context: StageContext, task: Task, options: EvaluationOptions, reporter: EvaluationReporter
) -> EvaluatedVariant:
    """The variant with the outcomes of a reused run on the same cases, or of a new run."""
    run_options = _run_options(task, options)
    known = _VariantRun.find(context, task, run_options)
    if known is not None and options.prefer is not None and known.run is None:
        known = None  # The judge needs the records, and thus the snapshot; a new run reuses the predictions.
    found = known or _new_run(context, task, run_options, reporter)
    if known is not None:
        reporter.note(f"{task.variant}: run {known.run_id} of the same version is reused")
    outcomes = read_outcomes(context.warehouse, task, run_id=found.run_id, data_date=found.data_date)
    if outcomes.skipped:
        raise UsageError(
            f"Run {found.run_id} of {task.variant}: the budget ran out with requests not sent ({outcomes.skipped:,}), so "
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
            "input_source": golden_label(task, input_of(task, options)),
            "epochs": options.epochs,
            "since": since,
        }
        rows = context.warehouse.stream(EVALUATED_BEFORE.sql, parameters)
        row = next((row for row in rows if _same_routes_and_scorers(task, row)), None)
        if row is None:
            return None
        return cls(row["run_id"], row["data_date"], _run_on_this_machine(context, task, options, row))


def _same_routes_and_scorers(task: Task, row: Mapping[str, Any]) -> bool:
    """True if the routes, with their timeouts, attempts and rules, and all scorer versions are the same."""
    routes = [route.model_dump(mode="json") for route in task.spec.routes]
    return (json.loads(row["routes"]), json.loads(row["scorer_versions"])) == (routes, dict(task.versions.scorers))


def _run_on_this_machine(context: StageContext, task: Task, options: RunOptions, row: Mapping[str, Any]) -> Run | None:
    directory = context.snapshot_dir(row["run_id"])
    if not directory.is_dir():
        return None
    options = replace(options, data_date=row["data_date"])
    return Run(
        facts=facts_of(task, options, run_id=row["run_id"]),
        task=task,
        options=options,
        snapshot=open_snapshot(directory),
        is_golden=True,
        purpose=purpose_of(task, options),
    )


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
        purpose=RunPurpose.EVAL,
    )


def _new_run(context: StageContext, task: Task, options: RunOptions, reporter: EvaluationReporter) -> _VariantRun:
    admission = admit(context, task, options, report=reporter.counting("read"))
    run, requests = admission.run, admission.records * options.epochs
    reporter.note(f"{task.variant}: run {run.run_id}, {requests:,} requests")
    if admission.warning:
        reporter.note(f"warning: {admission.warning}")
    try:
        with reporter.answering(requests) as progress:
            answer(context, run, progress, handle_signals=reporter.handle_signals)
        summary = finish(context, run, report=reporter.counting("scored"))
    except Interrupted as error:
        raise Interrupted(error.message, next_step=REPEAT_TO_RESUME) from error
    if summary.status != RunStatus.COMPLETED:
        raise AssayError(
            f"Run {run.run_id} of {task.variant} is not complete: {summary.predictions:,} of "
            f"{summary.expected_predictions:,} predictions landed",
            next_step="repeat the command; landed predictions are reused.",
        )
    return _VariantRun(run.run_id, options.data_date, run, summary)


def _validate_input(task: Task, options: EvaluationOptions) -> None:
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


def _validate_population(outcomes: Outcomes) -> None:
    if len(outcomes.populations) != 1:
        raise UsageError(
            f"The records belong to {', '.join(outcomes.populations) or 'no population'}: expected exactly one population",
            next_step="select one with --input, for example golden:gate.",
        )
