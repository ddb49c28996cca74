"""The stages of a run after its admission: requests are sent, then predictions are scored and the run is finished.

Used by `assay run` and by the Dagster assets, which run one stage per step.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial

from assay.errors import AssayError, RunInUse, ServiceUnreachable, UsageError
from assay.performance.process import fast_loop, settled_memory
from assay.project import StageContext
from assay.records.statuses import RunStatus
from assay.runs.observation import RunObserver, observe_run
from assay.runs.requests.request_stage import Interrupted, RequestProgress, RequestStage
from assay.runs.run import Run
from assay.runs.run_rows import find_run, finished_row, land_end, row_of
from assay.runs.shards import WHOLE, Shard
from assay.runs.summary import RunSummary, run_counts, summary_of
from assay.stop_signals import on_stop_signal, raise_if_stopped, stopped_code
from assay.warehouse.client import Warehouse


def answer(
    context: StageContext, run: Run, progress: RequestProgress, *, shard: Shard = WHOLE, handle_signals: bool = True
) -> None:
    """Lands a prediction for every request of the run or shard; Ctrl-C lands the results so far and raises `Interrupted`.

    Raises:
        AssayError: the run cannot continue. Its `finished` row contains the reason, and it can be resumed. A shard lands
            no such row, because the other shards may continue.
    """
    number = None if shard == WHOLE else shard.index
    with observe_run(context, run.facts, "answer", shard=number) as seen:
        answering = RequestStage(context, run, progress, shard=shard, observed=seen)
        try:
            with asyncio.Runner(loop_factory=fast_loop()) as runner, settled_memory():
                runner.run(_answer(answering, handle_signals=handle_signals))
        except RunInUse:  # the process that works on the run lands its end
            raise
        except AssayError as error:
            if shard == WHOLE:
                _record_stop(context.warehouse, run, error, seen)
            raise


def finish(context: StageContext, run: Run, *, report: Callable[[int], None]) -> RunSummary:
    """Scores the run and lands its `finished` row: completed if every request has a prediction, otherwise failed.

    Raises:
        StopRequested: a stop signal was received; the run can be resumed.
    """
    raise_if_stopped()
    with observe_run(context, run.facts, "score") as seen:
        return _finish(context, run, seen, report)


def _finish(context: StageContext, run: Run, seen: RunObserver, report: Callable[[int], None]) -> RunSummary:
    from assay.scoring.score_stage import (
        score_run,  # imported here: a process that only sends requests does not need it
    )

    score_run(context, run, report=report, observed=seen)
    started = row_of(find_run(context.warehouse, run.run_id))
    counts = run_counts(context.warehouse, run)
    complete = counts["predictions"] == started.expected_predictions
    reason = None if complete else f"{counts['predictions']} of {started.expected_predictions} predictions landed"
    status = RunStatus.COMPLETED if complete else RunStatus.FAILED
    finished = finished_row(
        started, status=status, predictions=counts["predictions"], calls=counts["calls"], reason=reason
    )
    land_end(context.warehouse, finished)
    seen.run_finished(started, finished)
    return summary_of(context.warehouse, run, started, counts, status=status)


async def _answer(answering: RequestStage, *, handle_signals: bool) -> None:
    if not handle_signals:
        await answering.answer_all()
        return
    loop = asyncio.get_running_loop()
    with on_stop_signal(partial(loop.call_soon_threadsafe, answering.stop.set), install=True):
        await asyncio.sleep(0)  # a signal that was received earlier sets `stop` now, before the first request
        try:
            await answering.answer_all()
        except Interrupted as error:
            error.exit_code = stopped_code()
            raise


def _record_stop(warehouse: Warehouse, run: Run, error: AssayError, seen: RunObserver) -> None:
    status = RunStatus.INTERRUPTED if isinstance(error, Interrupted) else RunStatus.FAILED
    try:
        started, counts = row_of(find_run(warehouse, run.run_id)), run_counts(warehouse, run)
        row = finished_row(
            started,
            status=status,
            predictions=counts["predictions"],
            calls=counts["calls"],
            reason=str(error),
        )
        if land_end(warehouse, row):
            seen.run_stopped(row)
    except (ServiceUnreachable, UsageError):
        # The warehouse is unreachable or rejects rows, so the run has no finished row and the marts count it as
        # unfinished. The error to report is the one that stopped the run.
        return
