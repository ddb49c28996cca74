"""A run from start to end: admit or reopen, answer, score, finish.

Used by the command and, stage by stage, by the Dagster assets.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable

from assay.errors import AssayError, ServiceUnreachable, UsageError
from assay.performance.process import fast_loop, settled_memory
from assay.project import Project
from assay.runs.observation import RunObserver, observe_run
from assay.runs.requests.request_stage import Interrupted, RequestProgress, RequestStage
from assay.runs.run import Run
from assay.runs.run_rows import find_run, finished_row, row_of
from assay.runs.shards import WHOLE, Shard
from assay.runs.summary import RunSummary, run_counts, summary_of
from assay.warehouse.landing import LandingWriter

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM)


def answer(
    project: Project, run: Run, progress: RequestProgress, *, shard: Shard = WHOLE, handle_signals: bool = True
) -> None:
    """Every request of the run, or of the shard, has its prediction; Ctrl-C lands what there is and raises `Interrupted`.

    Raises:
        AssayError: the run cannot go on; its `finished` row says why, a resume continues it. A shard lands no such row:
            the others may go on, and the run ends with all of them.
    """
    number = None if shard == WHOLE else shard.index
    with observe_run(project, run.facts, "answer", shard=number) as seen:
        answering = RequestStage(project, run, progress, shard=shard, observed=seen)
        try:
            with asyncio.Runner(loop_factory=fast_loop()) as runner, settled_memory():
                runner.run(_answer(answering, handle_signals=handle_signals))
        except AssayError as error:
            if shard == WHOLE:
                _record_stop(project, run, error, seen)
            raise


def finish(project: Project, run: Run, *, report: Callable[[int], None]) -> RunSummary:
    """The run is scored and its `finished` row landed: completed when every request has a prediction, else failed."""
    with observe_run(project, run.facts, "score") as seen:
        return _finish(project, run, seen, report)


def _finish(project: Project, run: Run, seen: RunObserver, report: Callable[[int], None]) -> RunSummary:
    from assay.scoring.score_stage import score_run  # a process that only answers has no use for it

    score_run(project, run, report=report, observed=seen)
    started = row_of(find_run(project, run.run_id))
    counts = run_counts(project, run)
    complete = counts["predictions"] == started.expected_predictions
    reason = None if complete else f"{counts['predictions']} of {started.expected_predictions} predictions landed"
    status = "completed" if complete else "failed"
    finished = finished_row(
        started, status=status, predictions=counts["predictions"], calls=counts["calls"], reason=reason
    )
    LandingWriter(project.warehouse).append([finished])
    seen.run_finished(started, finished)
    return summary_of(project, run, started, counts, status=status)


async def _answer(answering: RequestStage, *, handle_signals: bool) -> None:
    loop = asyncio.get_running_loop()
    if handle_signals:
        for name in STOP_SIGNALS:
            loop.add_signal_handler(name, answering.stop.set)
    try:
        await answering.answer_all()
    finally:
        if handle_signals:
            for name in STOP_SIGNALS:
                loop.remove_signal_handler(name)


def _record_stop(project: Project, run: Run, error: AssayError, seen: RunObserver) -> None:
    status = "interrupted" if isinstance(error, Interrupted) else "failed"
    try:
        started, counts = row_of(find_run(project, run.run_id)), run_counts(project, run)
        row = finished_row(
            started,
            status=status,
            predictions=counts["predictions"],
            calls=counts["calls"],
            reason=str(error).splitlines()[0],
        )
        LandingWriter(project.warehouse).append([row])
        seen.run_stopped(row)
    except (ServiceUnreachable, UsageError):
        # The warehouse is what went away, or refuses rows: the run stays without a finished row, which marts read
        # as unfinished, and the error that stopped it is the one to be told.
        return
