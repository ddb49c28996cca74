"""Batch runs of `assay run`: submits and collects batches, and prints how to resume."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from assay.errors import AssayError, RunInUse
from assay.project import StageContext

if TYPE_CHECKING:
    from assay.runs.batches.ledger import BatchStatus
    from assay.runs.run import Run


def run_batches(context: StageContext, run: Run, *, again: bool, wait: bool, style: str) -> int | None:
    """Returns how many requests remain to be sent online, or None while batches are open; prints how to collect them.

    Raises:
        AssayError: the warehouse or a provider failed; the message includes how to resume.
    """
    from assay.records.statuses import UnfinishedRunStatus
    from assay.runs.batches.batch_run import advance_batches, wait_for_batches
    from assay.runs.summary import open_requests
    from assay.terminal.output import note, write_json

    resume_command = f"assay run {run.task.name} --resume {run.run_id}"
    try:
        stand = (
            wait_for_batches(context, run, again=again, report=lambda seen: note(_line(seen)))
            if wait
            else advance_batches(context, run, again=again)
        )
    except RunInUse:
        raise
    except AssayError as error:
        error.then = f"No batch is submitted twice; resume with: {resume_command}"
        raise
    note(_line(stand))
    if stand.open == 0:
        return open_requests(context.warehouse, run)
    if style == "json":
        write_json(
            {"run_id": run.run_id, "task": run.task.name, "status": UnfinishedRunStatus.SUBMITTED, **asdict(stand)}
        )
    note(f"providers may take up to a day to complete a batch; collect the results with: {resume_command}")
    return None


def _line(stand: BatchStatus) -> str:
    done = stand.batches - stand.open
    collected = f"; responses: {stand.answered:,}" if done else ""
    unanswered = stand.failed + stand.missing
    rest = f", failed or missing: {unanswered:,}" if unanswered else ""
    return f"batches: {done} of {stand.batches} landed; open requests: {stand.open_requests:,}{collected}{rest}"
