"""Reopens a run that was interrupted, or joins a run that another process opened."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import Any

from assay.errors import UsageError
from assay.inputs.gate import decide
from assay.inputs.snapshot import InputSnapshot, open_snapshot, verify
from assay.project import Project, StageContext
from assay.runs.admission import _why_stopped, source_of
from assay.runs.run import (
    Run,
    RunOptions,
    facts_of,
    input_of,
    purpose_of,
    uses_golden_set,
)
from assay.runs.run_rows import find_run, options_from
from assay.tasks.task import Task


def reopen(project: Project, run_id: str, *, input_spec: str | None = None) -> Run:
    """Returns an interrupted run with the task version and the snapshot it was started with.

    Raises:
        UsageError: the run does not exist, its snapshot is missing or differs, or its task or input has changed.
    """
    run = _reopened(project, run_id, by_row=True)
    if input_spec is not None and input_spec != input_of(run.task, run.options):
        raise UsageError(
            f"Run {run_id} was started with {input_of(run.task, run.options)!r}, not {input_spec!r}",
            next_step="omit --input, or start a new run.",
        )
    _same_source(project, run.task, run.options, run.snapshot)
    return run


def join(project: Project, run_id: str) -> Run:
    """Returns a run of which this worker processes a shard; another process has reopened it and checked its source.

    Raises:
        UsageError: this machine cannot read the run's snapshot, or the snapshot or the task differs.
    """
    return _reopened(project, run_id, by_row=False)


def run_on_this_machine(
    context: StageContext, task: Task, options: RunOptions, *, run_id: str, data_date: date
) -> Run | None:
    """Returns a finished run on golden cases with these options; None if its input snapshot is not on this machine."""
    directory = context.snapshot_dir(run_id)
    if not directory.is_dir():
        return None
    options = replace(options, data_date=data_date)
    return Run(
        facts=facts_of(task, options, run_id=run_id),
        task=task,
        options=options,
        snapshot=open_snapshot(directory),
        is_golden=True,
        purpose=purpose_of(task, options),
    )


def _reopened(project: Project, run_id: str, *, by_row: bool) -> Run:
    row = find_run(project.warehouse, run_id)
    options = options_from(row)
    if options.adoption is not None:
        raise UsageError(
            f"Run {run_id} holds adopted predictions, for which no request is sent",
            next_step="repeat the `assay adopt` command to resume it.",
        )
    task = project.task(row["task"], variant=row["variant"])
    _same_version(task, row)
    snapshot = _snapshot(project, run_id)
    verify(snapshot, by_row=by_row)
    if snapshot.manifest_hash != row["manifest_hash"]:
        raise UsageError(
            f"The input snapshot of run {run_id} differs from the one it was started with", next_step="start a new run."
        )
    run = Run(
        facts=facts_of(task, options, run_id=run_id),
        task=task,
        options=options,
        snapshot=snapshot,
        is_golden=uses_golden_set(task, options),
        purpose=row["purpose"],
    )
    failures = row["rows_rejected"] - snapshot.rows_rejected
    if reason := _why_stopped(run, decide(snapshot, run.rules), records=row["records"], failures=failures):
        raise UsageError(
            f"Run {run_id} was rejected at input validation and cannot be resumed: {reason}",
            next_step="start a new run.",
        )
    return run


def _snapshot(context: StageContext, run_id: str) -> InputSnapshot:
    directory = context.snapshot_dir(run_id)
    if not directory.is_dir():
        raise UsageError(
            f"Input snapshot {directory} does not exist on this machine",
            next_step="resume on the machine that started the run, set ASSAY_SHARED_DIR to a folder that all machines "
            "share, or start a new run.",
        )
    return open_snapshot(directory)


def _same_version(task: Task, row: dict[str, Any]) -> None:
    for what, now, then in (
        ("inference version", task.versions.inference, row["inference_version"]),
        ("golden set", task.versions.golden_set, row["golden_set_version"]),
    ):
        if now != then:
            raise UsageError(
                f"Task '{task.name}' has changed since run {row['run_id']} started ({what}: {then} then, {now} now)",
                next_step="start a new run; predictions that are still valid are reused.",
            )


def _same_source(context: StageContext, task: Task, options: RunOptions, snapshot: InputSnapshot) -> None:
    if snapshot.fingerprint is None:
        return
    source = source_of(context, task, options)
    if source.fingerprint() != snapshot.fingerprint:
        raise UsageError(
            f"{snapshot.source_label} has changed since the run started; a resume would mix two inputs",
            next_step="restore the file, or start a new run; predictions of unchanged rows are reused.",
        )
