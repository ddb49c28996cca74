"""Step 1 of an evaluation: the versions that candidate and champion name, and for each the run that answers for it.

A run over the same cases that is there already stands in; otherwise one is made now.
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
from assay.inputs.stored import open_snapshot
from assay.pipeline import answer, finish
from assay.project import REF, Project, StageContext
from assay.records.statuses import GoldenSplit, Population, RunPurpose, RunStatus, Stage
from assay.runs.admission import admit
from assay.runs.requests.request_stage import Interrupted, RequestProgress
from assay.runs.run import (
    GOLDEN,
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

AGAIN = "evaluate again to go on: answers that are landed are reused."
BOTH_SPLITS = "golden"
STAGE = f"{REF}stage:"
FIRST_CHAMPION = f"{STAGE}{Stage.GA}"


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluationOptions:
    """What is evaluated on what; variants are names of task.yml, `@ref` or `@stage:ga`.

    Without a champion it is the version that serves `ga`, where there is one. `is_gate` records the decision; `prefer` names
    the judge that is shown both answers to each record.
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
                f"--gate with {what}: expected a decision on all records, and not on the cases that prompts are made on",
                next_step=f"omit {what} or --gate.",
            )


@dataclass(frozen=True, slots=True)
class EvaluationReporter:
    """Who is told how it goes: of the requests of a run while they are answered, of rows, and in words.

    Without `handle_signals` Ctrl-C is somebody else's to hear, as in a thread that is not the main one.
    """

    answering: Callable[[int], AbstractContextManager[RequestProgress]]
    counting: Callable[[str], Callable[[int], None]]
    note: Callable[[str], None]
    handle_signals: bool = True


@dataclass(frozen=True, slots=True)
class EvaluatedVariant:
    """One of the two variants with the run that answers for it; `spent` is that run's account, unless it was there already.

    `run` is known where its input snapshot is on this machine.
    """

    task: Task
    run_id: str
    data_date: date
    outcomes: Outcomes
    spent: RunSummary | None
    run: Run | None

    @property
    def is_reused(self) -> bool:
        """Whether the run was there already."""
        return self.spent is None

    @property
    def label(self) -> str:
        """How the variant was named."""
        return self.task.variant

    def without(self, record_ids: frozenset[str]) -> EvaluatedVariant:
        """The variant on other records than these."""
        return replace(self, outcomes=self.outcomes.without(record_ids))


@dataclass(frozen=True, slots=True)
class Sides:
    """Candidate and champion, without cases that either of them shows to the model; all records are of one population."""

    candidate: EvaluatedVariant
    champion: EvaluatedVariant | None

    @property
    def are_same(self) -> bool:
        """Whether there is a champion that asks just as the candidate does."""
        return self.champion is not None and _asks_the_same(self.candidate.task, self.champion.task)

    @property
    def population(self) -> str:
        """Where the records come from."""
        return self.candidate.outcomes.populations[0]

    @property
    def evaluation_id(self) -> str:
        """The same for the same runs, judged by the same policy."""
        champion_run = self.champion.run_id if self.champion else ""
        policy = self.candidate.task.versions.policy
        return content_hash(self.candidate.run_id, champion_run, policy, self.population)


def evaluated_sides(project: Project, name: str, options: EvaluationOptions, reporter: EvaluationReporter) -> Sides:
    """Candidate and champion, each with the outcomes of its run; a champion that asks the same has the candidate's run.

    Raises:
        UsageError: no such variant or judge; a budget that ended before all were asked; nothing to evaluate; records of
            several populations.
        AssayError: a run could not be finished; the same command goes on, answers that are landed are reused.
    """
    candidate = variant_of(project, name, options.candidate)
    if candidate is None:
        raise UsageError(
            f"No version of task '{name}' serves {options.candidate}: expected one", next_step="name a variant or @ref."
        )
    _refuse_two_populations(candidate, options)
    if options.prefer is not None:
        judge_named(candidate, options.prefer)
    champion = variant_of(project, name, options.champion or FIRST_CHAMPION)
    first, other = _evaluated_variant(project, candidate, options, reporter), None
    if champion is not None and _asks_the_same(candidate, champion):
        other = replace(first, task=champion)
    elif champion is not None:
        other = _evaluated_variant(project, champion, options, reporter)
    if GOLDEN.fullmatch(options.input):
        shown = frozenset(case.case_id for side in (first, other) if side for case in side.task.few_shot)
        first, other = first.without(shown), other.without(shown) if other else None
    _refuse_mixed_populations(first.outcomes)
    return Sides(first, other)


def variant_of(project: Project, name: str, variant: str) -> Task | None:
    """The task as the variant asks it; None where no version serves the stage that it names.

    Raises:
        UsageError: there is no such variant, ref or stage, or the version that serves it is found nowhere any more.
    """
    if not variant.startswith(STAGE):
        return project.task(name, variant=variant)
    stage = variant.removeprefix(STAGE)
    if stage not in set(Stage):
        raise UsageError(f"{variant}: expected a stage, {', '.join(Stage)}", next_step="correct it.")
    served = next(iter(project.warehouse.stream(STAGE_SERVED.sql, {"task": name, "stage": stage})), None)
    if served is None:
        return None
    return _served(project, name, variant, served)


def commit_of(settings: Settings, task: Task) -> str | None:
    """The commit that what the task asks was read at; None outside git."""
    return task.git_sha or git_sha(settings.root)


def _served(project: Project, name: str, label: str, served: dict[str, str | None]) -> Task:
    """The promoted version: in the folder as it stands, or as it was at the commit it was promoted from."""
    current = project.task(name)
    for variant in (DEFAULT_VARIANT, *current.spec.variants):
        found = project.task(name, variant=variant)
        if found.versions.inference == served["inference_version"]:
            return replace(with_variant_of(current, found, label=label), git_sha=git_sha(project.settings.root))
    promoted = served["git_sha"]
    if promoted is None:
        raise UsageError(
            f"{label} of task '{name}' is inference version {served['inference_version']}, which the folder no longer asks, "
            "and it was promoted outside git: expected a commit to read it from",
            next_step="promote a version again.",
        )
    found = project.task_at(name, promoted, label=label, variant=served["variant"] or DEFAULT_VARIANT)
    if found.versions.inference != served["inference_version"]:
        raise UsageError(
            f"{label} of task '{name}': expected inference version {served['inference_version']} at commit {promoted[:12]}, "
            f"found {found.versions.inference}; it was promoted from files that were not committed, or the code that makes "
            "versions has changed",
            next_step="promote a version again.",
        )
    return found


def _asks_the_same(candidate: Task, champion: Task) -> bool:
    """True where neither what is sent nor what becomes of an answer differs; all else they have in common."""
    one, other = candidate.versions, champion.versions
    return (one.inference, one.policy) == (other.inference, other.policy)


def _evaluated_variant(
    context: StageContext, task: Task, options: EvaluationOptions, reporter: EvaluationReporter
) -> EvaluatedVariant:
    """The variant with its outcomes: of an earlier run over the same cases, or of one made now."""
    asked = _run_options(task, options)
    known = _VariantRun.find(context, task, asked)
    if known is not None and options.prefer is not None and known.run is None:
        known = None  # a judge is shown the records, which are gone with the snapshot; their answers are reused
    found = known or _asked_now(context, task, asked, reporter)
    if known is not None:
        reporter.note(f"{task.variant}: answers of run {known.run_id}, which asked the same")
    outcomes = read_outcomes(context.warehouse, task, run_id=found.run_id, data_date=found.data_date)
    if outcomes.skipped:
        raise UsageError(
            f"Run {found.run_id} of {task.variant}: its budget ended before {outcomes.skipped:,} requests were asked, so that "
            "what is left is no fair sample",
            next_step="raise --budget and give the same command again, what was answered is reused.",
        )
    if not outcomes.rows:
        raise UsageError(
            f"Run {found.run_id} of {task.variant} has no answer: expected at least one record to evaluate."
        )
    return EvaluatedVariant(task, found.run_id, found.data_date, outcomes, found.spent, found.run)


@dataclass(frozen=True, slots=True)
class _VariantRun:
    """A run that answers for a variant."""

    run_id: str
    data_date: date
    run: Run | None
    spent: RunSummary | None = None

    @classmethod
    def find(cls, context: StageContext, task: Task, asked: RunOptions) -> _VariantRun | None:
        """A completed run that asked the very same, by the same routes, and was judged by the same scorers.

        Golden cases have a version, a table may have changed since. Taken whole, the run's failures count as they did:
        asking only those again would give them a second chance.
        """
        since = oldest_reused(asked.reuse or task.spec.reuse, now=datetime.now(UTC))
        if since is None or asked.limit is not None or not uses_golden_set(task, asked):
            return None
        parameters = {
            "task": task.name,
            "inference_version": task.versions.inference,
            "input_source": golden_label(task, input_of(task, asked)),
            "epochs": asked.epochs,
            "since": since,
        }
        rows = context.warehouse.stream(EVALUATED_BEFORE.sql, parameters)
        row = next((row for row in rows if _asked_and_judged_so(task, row)), None)
        if row is None:
            return None
        return cls(row["run_id"], row["data_date"], _run_on_this_machine(context, task, asked, row))


def _asked_and_judged_so(task: Task, row: Mapping[str, Any]) -> bool:
    """True where neither time limits, attempts and rules of the routes nor a scorer were others."""
    routes = [route.model_dump(mode="json") for route in task.spec.routes]
    return (json.loads(row["routes"]), json.loads(row["scorer_versions"])) == (routes, dict(task.versions.scorers))


def _run_on_this_machine(context: StageContext, task: Task, asked: RunOptions, row: Mapping[str, Any]) -> Run | None:
    directory = context.snapshot_dir(row["run_id"])
    if not directory.is_dir():
        return None
    options = replace(asked, data_date=row["data_date"])
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


def _asked_now(context: StageContext, task: Task, asked: RunOptions, reporter: EvaluationReporter) -> _VariantRun:
    admission = admit(context, task, asked, report=reporter.counting("read"))
    run, requests = admission.run, admission.records * asked.epochs
    reporter.note(f"{task.variant}: run {run.run_id}, {requests:,} requests")
    if admission.warning:
        reporter.note(f"warning: {admission.warning}")
    try:
        with reporter.answering(requests) as progress:
            answer(context, run, progress, handle_signals=reporter.handle_signals)
        summary = finish(context, run, report=reporter.counting("scored"))
    except Interrupted as error:
        raise Interrupted(error.message, next_step=AGAIN) from error
    if summary.status != RunStatus.COMPLETED:
        raise AssayError(
            f"Run {run.run_id} of {task.variant} is not complete: {summary.predictions:,} of "
            f"{summary.expected_predictions:,} predictions landed",
            next_step="give the same command again, they are reused.",
        )
    return _VariantRun(run.run_id, asked.data_date, run, summary)


def _refuse_two_populations(task: Task, options: EvaluationOptions) -> None:
    if options.input == BOTH_SPLITS:
        raise UsageError(
            "--input golden: expected one split, since prompts are made on dev cases and evaluated on the others",
            next_step="give golden:gate or golden:dev.",
        )
    if options.input == GATE_SPLIT and not any(case.split == GoldenSplit.GATE for case in task.cases):
        raise UsageError(
            f"Task '{task.name}' has no golden case of the gate split: expected some in {task.name}/cases.jsonl with "
            '"split": "gate"',
            next_step="add them, or give another --input.",
        )


def _refuse_mixed_populations(outcomes: Outcomes) -> None:
    if len(outcomes.populations) != 1:
        raise UsageError(
            f"The records belong to {', '.join(outcomes.populations) or 'no population'}: expected one, since a rate is "
            "of one",
            next_step="name it with --input, for example golden:gate.",
        )
