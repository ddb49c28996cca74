"""Adopts predictions made outside Assay: one run per variant, with records, predictions, scores and estimates.

The input is read once; its snapshot is shared by the runs. An adoption is identified by its content: repeating the
command resumes an unfinished run with the same rows, and lands nothing for a finished one.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from assay.adoption.locks import LOCK_SUFFIX, HeldLock, described, exclusive, working_folder
from assay.adoption.opening import STORES, AdoptedRows, adopted_rows, of_variant
from assay.adoption.options import AdoptOptions, refuse_taken_names
from assay.adoption.predictions import land_predictions
from assay.adoption.queries import SAME_CONTENT_ADOPTED
from assay.adoption.variants import adopted_task
from assay.errors import InputRejected, UsageError
from assay.inference.keys import new_id
from assay.inputs.gate import decide
from assay.inputs.manifest import PARTIAL_SUFFIX
from assay.inputs.snapshot import InputSnapshot, Lifetime, open_snapshot, purge_expired, spool
from assay.pipeline import finish
from assay.project import Project, StageContext
from assay.records.statuses import ANSWERED, RunStatus
from assay.runs.admission import land_input
from assay.runs.adopted_answers import NO_ANSWER
from assay.runs.observation import observe_run
from assay.runs.run import Run, RunOptions, facts_of, input_of, purpose_of
from assay.runs.run_rows import find_run, options_from, row_of
from assay.runs.summary import RunSummary, run_counts, summary_of
from assay.scoring.score_stage import read_estimates
from assay.stop_signals import raise_if_stopped
from assay.tasks.digest import digest
from assay.tasks.gate_spec import OVERALL
from assay.tasks.task import Task


@dataclass(frozen=True, slots=True)
class AdoptReporter:
    """Reports messages, and the number of rows that were read, adopted and scored."""

    counting: Callable[[str], Callable[[int], None]]
    note: Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class AdoptedRun:
    """The run of one adopted variant; `is_known` if an earlier command adopted the same content.

    `input` is the source of its records, as an option of an evaluation.
    `reliability` is the run's estimate over all records, None without one. `unreadable` counts the cells of each number
    that were not finite, non-negative numbers, in this command.
    """

    variant: str
    input: str
    summary: RunSummary
    is_known: bool
    reliability: dict[str, Any] | None
    unreadable: dict[str, int]

    @property
    def answered(self) -> int:
        """Number of predictions with a valid output."""
        return sum(count for status, count in self.summary.statuses.items() if status in ANSWERED)

    @property
    def without_answer(self) -> int:
        """Number of predictions for which the source has no answer, such as NULL."""
        return self.summary.errors.get(NO_ANSWER, 0)


def adopt(project: Project, name: str, options: AdoptOptions, reporter: AdoptReporter) -> list[AdoptedRun]:
    """Lands the answers as one completed run per variant, in the order of the options; no prediction is requested.

    Raises:
        UsageError: a variant name is taken, a source, column or file does not exist or cannot be read as a whole, or
            another process on this machine adopts the same rows.
        InputRejected: too many rows were rejected; the rejected rows are landed with their reasons.
        AssayError: a judge cannot be called, or the warehouse does not respond; repeating the command resumes.
    """
    task = project.task(name)
    refuse_taken_names(task, options.answers)
    _require_field(task, options)
    project.warehouse.check()
    purge_expired(project.snapshots_dir, datetime.now(UTC))
    with (
        adopted_rows(project, task, options, reporter.note) as rows,
        _shared_snapshot(project, rows, reporter) as snapshot,
    ):
        for answer in options.answers:
            if (unmatched := rows.unmatched(answer.variant)) and options.limit is None:
                reporter.note(
                    f"{answer.variant}: {unmatched:,} ids with an answer are ids of no record, and are ignored"
                )
        return [
            _adopted(project, task, of_variant(rows, answer, options), snapshot, reporter) for answer in options.answers
        ]


def _require_field(task: Task, options: AdoptOptions) -> None:
    known = [info.alias or name for name, info in task.output_model.model_fields.items()]
    if options.field is not None and options.field not in known:
        raise UsageError(
            f"--field {options.field!r} is not a field of the output of task '{task.name}': expected one of "
            f"{', '.join(known)}",
            next_step="pass one of them.",
        )


@contextmanager
def _shared_snapshot(context: StageContext, rows: AdoptedRows, reporter: AdoptReporter) -> Iterator[InputSnapshot]:
    """The snapshot of the rows, for the block only: each run has its own copy."""
    with working_folder(context.snapshots_dir) as directory:
        yield spool(
            rows.source,
            rows.rules,
            directory=directory,
            hash_key=context.settings.hash_key,
            report=reporter.counting("read"),
            lifetime=Lifetime.of_days(context.settings.snapshot_days),
        )


def _adopted(
    project: Project, base: Task, options: RunOptions, snapshot: InputSnapshot, reporter: AdoptReporter
) -> AdoptedRun:
    raise_if_stopped()
    task = adopted_task(base, options.variant)
    with _sole_adoption(project, task, options, snapshot) as lock:
        return _adopted_alone(project, task, options, snapshot, reporter, lock)


@contextmanager
def _sole_adoption(project: Project, task: Task, options: RunOptions, snapshot: InputSnapshot) -> Iterator[HeldLock]:
    """Prevents another process on this machine from adopting the same content inside the block.

    Raises:
        UsageError: another process does.
    """
    identity = (task.name, task.versions.task_version_id, snapshot.manifest_hash, options)
    path = project.settings.state_dir / STORES / f"{digest(identity)}{LOCK_SUFFIX}"
    with exclusive(path) as lock:
        if lock is None:
            run_id = described(path)
            raise UsageError(
                f"{task.variant}: another process on this machine is adopting the same rows"
                + (f" as run {run_id}" if run_id else "; its run has not started yet"),
                next_step="wait until it exits; if it does not complete the run, repeat the command to resume it.",
            )
        yield lock


def _adopted_alone(
    project: Project,
    task: Task,
    options: RunOptions,
    snapshot: InputSnapshot,
    reporter: AdoptReporter,
    lock: HeldLock,
) -> AdoptedRun:
    known = _same_content(project, task, options, snapshot)
    if known is not None and known["final_status"] == RunStatus.COMPLETED:
        run = _run(task, options, snapshot, run_id=known["run_id"])
        reporter.note(f"{options.variant}: run {run.run_id} has adopted the same rows; nothing is landed again")
        started, counts = row_of(find_run(project.warehouse, run.run_id)), run_counts(project.warehouse, run)
        summary = summary_of(project.warehouse, run, started, counts, status=RunStatus.COMPLETED)
        return _result(project, run, summary, is_known=True, unreadable={})
    run_id = new_id() if known is None else str(known["run_id"])
    lock.describe(run_id)
    run = (_admitted if known is None else _reopened)(project, task, options, snapshot, run_id)
    reporter.note(f"{options.variant}: run {run.run_id}{'' if known is None else ' is resumed'}")
    with observe_run(project, run.facts, "answer"):
        unreadable = land_predictions(project, run, report=reporter.counting(f"{options.variant}: adopted"))
    summary = finish(project, run, report=reporter.counting(f"{options.variant}: scored"))
    return _result(project, run, summary, is_known=False, unreadable=dict(unreadable))


def _same_content(project: Project, task: Task, options: RunOptions, snapshot: InputSnapshot) -> dict[str, Any] | None:
    """The newest run that adopts the same rows with the same options and task version: completed, or unfinished."""
    parameters = {
        "task": task.name,
        "data_date": options.data_date,
        "variant": task.variant,
        "manifest_hash": snapshot.manifest_hash,
        "task_version_id": task.versions.task_version_id,
    }
    for row in project.warehouse.stream(SAME_CONTENT_ADOPTED.sql, parameters):
        if row["final_status"] in (None, RunStatus.COMPLETED) and options_from(row) == options:
            return row
    return None


def _admitted(project: Project, task: Task, options: RunOptions, snapshot: InputSnapshot, run_id: str) -> Run:
    """The new run with its records landed."""
    facts = facts_of(task, options, run_id=run_id)
    directory = project.snapshot_dir(facts.run_id)
    run = _run(task, options, _copied(snapshot, directory), run_id=facts.run_id)
    try:
        with observe_run(project, facts, "admit") as seen:
            land_input(project, run, decide(run.snapshot, run.rules), seen)
    except InputRejected:
        raise
    except BaseException:
        shutil.rmtree(directory, ignore_errors=True)  # without a `started` row, the run cannot be found again
        raise
    return run


def _reopened(project: Project, task: Task, options: RunOptions, snapshot: InputSnapshot, run_id: str) -> Run:
    """The unfinished run; another machine may have started it, so its snapshot is copied again."""
    directory = project.snapshot_dir(run_id)
    if not directory.is_dir():
        _copied(snapshot, directory)
    return _run(task, options, open_snapshot(directory), run_id=run_id)


def _run(task: Task, options: RunOptions, snapshot: InputSnapshot, *, run_id: str) -> Run:
    is_golden = (options.input or "").startswith("golden:")
    return Run(
        facts=facts_of(task, options, run_id=run_id),
        task=task,
        options=options,
        snapshot=snapshot,
        is_golden=is_golden,
        purpose=purpose_of(task, options),
    )


def _result(
    project: Project, run: Run, summary: RunSummary, *, is_known: bool, unreadable: dict[str, int]
) -> AdoptedRun:
    estimates = read_estimates(project.warehouse, run)
    return AdoptedRun(
        variant=run.facts.variant,
        input=input_of(run.task, run.options),
        summary=summary,
        is_known=is_known,
        reliability=next((row for row in estimates if row["slice"] == OVERALL), None),
        unreadable=unreadable,
    )


def _copied(snapshot: InputSnapshot, directory: Path) -> InputSnapshot:
    """The snapshot in `directory`, whose files are links to the same bytes where the file system supports them."""
    partial = directory.with_name(f".{directory.name}.{new_id()[:8]}{PARTIAL_SUFFIX}")
    try:
        shutil.copytree(snapshot.directory, partial, copy_function=_link)
        partial.rename(directory)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return open_snapshot(directory)


def _link(source: str, target: str) -> None:
    with suppress(OSError):
        os.link(source, target)
        return
    shutil.copy2(source, target)
