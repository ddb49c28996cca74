"""Reopens a run that was interrupted, or joins a run that another process opened."""

from __future__ import annotations

from typing import Any

from assay.errors import UsageError
from assay.inputs.gate import decide
from assay.inputs.snapshot import InputSnapshot, open_snapshot, verify
from assay.project import Project, StageContext
from assay.runs.admission import _source, _why_stopped
from assay.runs.run import (
    Run,
    RunOptions,
    facts_of,
    input_of,
    uses_golden_set,
)
from assay.runs.run_rows import find_run, options_from
from assay.tasks.task import Task


def reopen(project: Project, run_id: str, *, input_spec: str | None = None) -> Run:
    """Returns an interrupted run as it was: same task version, same snapshot.

    Raises:
        UsageError: the run does not exist, its snapshot is missing or differs, or its task or input has changed since.
    """
    run = _as_it_stood(project, run_id, by_row=True)
    if input_spec is not None and input_spec != input_of(run.task, run.options):
        raise UsageError(
            f"Run {run_id} was started with {input_of(run.task, run.options)!r}, not {input_spec!r}",
            next_step="omit --input, or start a new run.",
        )
    _same_source(project, run.task, run.options, run.snapshot)
    return run


def join(project: Project, run_id: str) -> Run:
    """A run of which this worker processes a shard; another process has just reopened it and checked its source.

    Raises:
        UsageError: this machine cannot read the run's snapshot, or the snapshot or the task differs.
    """
    return _as_it_stood(project, run_id, by_row=False)


def _as_it_stood(project: Project, run_id: str, *, by_row: bool) -> Run:
    row = find_run(project.warehouse, run_id)
    options = options_from(row)
    task = project.task(row["task"], variant=row["variant"])
    _same_version(task, row)
    snapshot = _snapshot(project, run_id)
    verify(snapshot, by_row=by_row)
    if snapshot.manifest_hash != row["manifest_hash"]:
        raise UsageError(
            f"The input snapshot of run {run_id} is not the one it was started with", next_step="start a new run."
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
            f"Input snapshot {directory} is gone: expected it on the machine that started the run, or in the "
            "folder that ASSAY_SHARED_DIR names on all machines",
            next_step="mount that folder here, or start a new run.",
        )
    return open_snapshot(directory)


def _same_version(task: Task, row: dict[str, Any]) -> None:
    for what, now, then in (
        ("the inference version", task.versions.inference, row["inference_version"]),
        ("the golden set", task.versions.golden_set, row["golden_set_version"]),
    ):
        if now != then:
            raise UsageError(
                f"Task '{task.name}' changed since run {row['run_id']} began ({what}: {then} then, {now} now)",
                next_step="start a new run; predictions that are still valid are reused.",
            )


def _same_source(context: StageContext, task: Task, options: RunOptions, snapshot: InputSnapshot) -> None:
    if snapshot.fingerprint is None:
        return
    source = _source(context, task, options)
    if source.fingerprint() != snapshot.fingerprint:
        raise UsageError(
            f"{snapshot.source_label} changed since the run began: a resume would mix two inputs",
            next_step="put the file back, or start a new run; predictions of unchanged rows are reused.",
        )
