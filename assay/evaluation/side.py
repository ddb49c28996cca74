"""One side of an evaluation: a variant with the run that answers for it, made now or found in the warehouse.

What two sides are compared by is `evaluating.py`'s matter.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from typing import Any

from assay.errors import AssayError, UsageError
from assay.evaluation.outcomes import Outcomes
from assay.evaluation.queries import EVALUATED_BEFORE
from assay.evaluation.read_outcomes import read_outcomes
from assay.inputs.stored import open_snapshot
from assay.pipeline import answer, finish
from assay.project import StageContext
from assay.records.statuses import Population, RunPurpose, RunStatus, Stage
from assay.runs.admission import admit
from assay.runs.requests.request_stage import Interrupted, RequestProgress
from assay.runs.run import Run, RunOptions, asks_golden_set, facts_of, golden_label, input_of, oldest_reused, purpose_of
from assay.runs.summary import RunSummary
from assay.tasks.gate_spec import GATE_SPLIT
from assay.tasks.task import DEFAULT_VARIANT, Task

AGAIN = "evaluate again to go on: answers that are landed are reused."


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
                next_step=f"leave {what} or --gate away.",
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
    answers: Outcomes
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


def evaluated_variant(
    context: StageContext, task: Task, options: EvaluationOptions, telling: EvaluationReporter
) -> EvaluatedVariant:
    """The variant with its answers: those of an earlier run over the same cases, or of one made now.

    Raises:
        UsageError: the budget ended before all were asked, or there is nothing to ask.
        AssayError: the run could not be finished.
    """
    asked = _run_options(task, options)
    known = _Known.find(context, task, asked)
    if known is not None and options.prefer is not None and known.run is None:
        known = None  # a judge is shown the records, which are gone with the snapshot; their answers are reused
    found = known or _asked_now(context, task, asked, telling)
    if known is not None:
        telling.note(f"{task.variant}: answers of run {known.run_id}, which asked the same")
    answers = read_outcomes(context.warehouse, task, run_id=found.run_id, data_date=found.data_date)
    if answers.skipped:
        raise UsageError(
            f"Run {found.run_id} of {task.variant}: its budget ended before {answers.skipped:,} requests were asked, so that "
            "what is left is no fair sample",
            next_step="raise --budget and give the same command again, what was answered is reused.",
        )
    if not answers.rows:
        raise UsageError(
            f"Run {found.run_id} of {task.variant} has no answer: expected at least one record to evaluate."
        )
    return EvaluatedVariant(task, found.run_id, found.data_date, answers, found.spent, found.run)


@dataclass(frozen=True, slots=True)
class _Known:
    """A run that answers for a variant."""

    run_id: str
    data_date: date
    run: Run | None
    spent: RunSummary | None = None

    @classmethod
    def find(cls, context: StageContext, task: Task, asked: RunOptions) -> _Known | None:
        """A completed run that asked the very same, by the same routes, and was judged by the same scorers.

        Golden cases have a version, a table may have changed since. Taken whole, the run's failures count as they did:
        asking only those again would give them a second chance.
        """
        since = oldest_reused(asked.reuse or task.spec.reuse, now=datetime.now(UTC))
        if since is None or asked.limit is not None or not asks_golden_set(task, asked):
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


def _asked_now(context: StageContext, task: Task, asked: RunOptions, telling: EvaluationReporter) -> _Known:
    admission = admit(context, task, asked, report=telling.counting("read"))
    run, requests = admission.run, admission.records * asked.epochs
    telling.note(f"{task.variant}: run {run.run_id}, {requests:,} requests")
    if admission.warning:
        telling.note(f"warning: {admission.warning}")
    try:
        with telling.answering(requests) as progress:
            answer(context, run, progress, handle_signals=telling.handle_signals)
        summary = finish(context, run, report=telling.counting("scored"))
    except Interrupted as error:
        raise Interrupted(error.message, next_step=AGAIN) from error
    if summary.status != RunStatus.COMPLETED:
        raise AssayError(
            f"Run {run.run_id} of {task.variant} is not complete: {summary.predictions:,} of "
            f"{summary.expected_predictions:,} predictions landed",
            next_step="give the same command again, they are reused.",
        )
    return _Known(run.run_id, asked.data_date, run, summary)
