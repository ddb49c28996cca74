"""Batch runs of `assay run`: send, collect, and print how to resume. It registers no command."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from assay.errors import AssayError
from assay.project import StageContext

if TYPE_CHECKING:
    from assay.runs.batches.ledger import BatchStatus
    from assay.runs.run import Run


def run_batches(context: StageContext, run: Run, *, again: bool, wait: bool, style: str) -> int | None:
    """The number of requests left for online when no batch of the run is open; else prints how to collect, and None.

    Raises:
        AssayError: the warehouse or a provider failed; the message says how to resume.
    """
    from assay.records.statuses import UnfinishedRunStatus
    from assay.runs.batches.batch_run import advance_batches, wait_for_batches
    from assay.runs.batches.session import BatchesInUse
    from assay.runs.summary import open_requests
    from assay.terminal.output import note, write_json

    resume_command = f"assay run {run.task.name} --resume {run.run_id}"
    try:
        stand = (
            wait_for_batches(context, run, again=again, report=lambda seen: note(_line(seen)))
            if wait
            else advance_batches(context, run, again=again)
        )
    except BatchesInUse:
        raise
    except AssayError as error:
        error.then = f"No batch is sent twice; resume with: {resume_command}"
        raise
    note(_line(stand))
    if stand.open == 0:
        return open_requests(context.warehouse, run)
    if style == "json":
        write_json(
            {"run_id": run.run_id, "task": run.task.name, "status": UnfinishedRunStatus.SUBMITTED, **asdict(stand)}
        )
    note(f"providers take up to a day; collect with: {resume_command}")
    return None


def _line(stand: BatchStatus) -> str:
    done = stand.batches - stand.open
    collected = f"; {stand.answered:,} answered" if done else ""
    unanswered = stand.failed + stand.missing
    rest = f", {unanswered:,} not" if unanswered else ""
    return f"batches: {done} of {stand.batches} landed, {stand.open_requests:,} requests still open{collected}{rest}"
