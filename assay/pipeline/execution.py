"""A run from start to end: admit or reopen, answer, score, finish.

Used by the command and, stage by stage, by the Dagster assets.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from assay.errors import AssayError, Unreachable, UsageError
from assay.pipeline.answering import Answering, Interrupted, Progress
from assay.pipeline.observing import Observed, observed
from assay.pipeline.process import fast_loop, settled_memory
from assay.pipeline.project import Project
from assay.pipeline.run import Run, find_run, finished_row, row_of
from assay.pipeline.shards import WHOLE, Shard
from assay.records import Run as RunRow
from assay.warehouse.landing import LandingWriter
from assay.warehouse.shard_statements import SHARD_COUNTS
from assay.warehouse.statements import PREDICTION_STATUSES, RUN_COUNTS, RUN_TOTALS

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM)


@dataclass(frozen=True, slots=True)
class RunSummary:
    """How a run ended, counted in the warehouse; costs in USD, None where a model has no price.

    Calls, tokens and cost are those of the answers; what judging them took stands apart.
    """

    run_id: str
    task: str
    status: str
    rows_read: int
    rejected: int
    records: int
    predictions: int
    expected_predictions: int
    statuses: dict[str, int]
    reused: int
    errors: dict[str, int]
    calls: int
    input_tokens: int
    output_tokens: int
    cost_usd: Decimal | None
    unpriced_calls: int
    unknown_billing_calls: int
    judge_calls: int
    judge_cost_usd: Decimal | None


def answer(
    project: Project, run: Run, progress: Progress, *, shard: Shard = WHOLE, handle_signals: bool = True
) -> None:
    """Every request of the run, or of the shard, has its prediction; Ctrl-C lands what there is and raises `Interrupted`.

    Raises:
        AssayError: the run cannot go on; its `finished` row says why, a resume continues it. A shard lands no such row:
            the others may go on, and the run ends with all of them.
    """
    number = None if shard == WHOLE else shard.index
    with observed(project, run.facts, "answer", shard=number) as seen:
        answering = Answering(project, run, progress, shard=shard, observed=seen)
        try:
            with asyncio.Runner(loop_factory=fast_loop()) as runner, settled_memory():
                runner.run(_answer(answering, handle_signals=handle_signals))
        except AssayError as error:
            if shard == WHOLE:
                _record_stop(project, run, error, seen)
            raise


def finish(project: Project, run: Run, *, report: Callable[[int], None]) -> RunSummary:
    """The run is scored and its `finished` row landed: completed when every request has a prediction, else failed."""
    with observed(project, run.facts, "score") as seen:
        return _finish(project, run, seen, report)


def _finish(project: Project, run: Run, seen: Observed, report: Callable[[int], None]) -> RunSummary:
    from assay.pipeline.scoring import score_run  # a process that only answers has no use for it

    score_run(project, run, report=report, observed=seen)
    started = row_of(find_run(project, run.run_id))
    counts = _one(project, RUN_COUNTS.sql, run)
    complete = counts["predictions"] == started.expected_predictions
    reason = None if complete else f"{counts['predictions']} of {started.expected_predictions} predictions landed"
    status = "completed" if complete else "failed"
    finished = finished_row(
        started, status=status, predictions=counts["predictions"], calls=counts["calls"], reason=reason
    )
    LandingWriter(project.warehouse).append([finished])
    seen.run_finished(started, finished)
    return _summary(project, run, started, counts, status=status)


def summarise(project: Project, run: Run, *, status: str) -> RunSummary:
    """The run's figures as they stand in the warehouse."""
    started = row_of(find_run(project, run.run_id))
    return _summary(project, run, started, _one(project, RUN_COUNTS.sql, run), status=status)


def _summary(project: Project, run: Run, started: RunRow, counts: dict[str, Any], *, status: str) -> RunSummary:
    totals = _one(project, RUN_TOTALS.sql, run)
    groups = list(project.warehouse.stream(PREDICTION_STATUSES.sql, run.window))
    return RunSummary(
        run_id=run.run_id,
        task=run.task.name,
        status=status,
        rows_read=started.rows_read or 0,
        rejected=counts["rejected"],
        records=counts["records"],
        predictions=counts["predictions"],
        expected_predictions=started.expected_predictions or 0,
        statuses=_summed(groups, "status"),
        reused=_summed(groups, "answer_source").get("reused", 0),
        errors={name: count for name, count in _summed(groups, "error_type").items() if name != "none"},
        calls=totals["calls"],
        input_tokens=totals["input_tokens"],
        output_tokens=totals["output_tokens"],
        cost_usd=totals["cost_usd"] if not totals["unpriced_calls"] else None,
        unpriced_calls=totals["unpriced_calls"],
        unknown_billing_calls=totals["unknown_billing_calls"],
        judge_calls=totals["judge_calls"],
        judge_cost_usd=totals["judge_cost_usd"] if not totals["unpriced_judge_calls"] else None,
    )


def open_requests(project: Project, run: Run, *, shard: Shard = WHOLE) -> int:
    """Requests of the run, or of the shard, that have no prediction yet."""
    if shard != WHOLE:
        counts = next(project.warehouse.stream(SHARD_COUNTS.sql, {**run.window, **shard.parameters}))
        return int(counts["records"]) * run.options.epochs - int(counts["predictions"])
    started = row_of(find_run(project, run.run_id))
    return (started.expected_predictions or 0) - int(_one(project, RUN_COUNTS.sql, run)["predictions"])


async def _answer(answering: Answering, *, handle_signals: bool) -> None:
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


def _record_stop(project: Project, run: Run, error: AssayError, seen: Observed) -> None:
    status = "interrupted" if isinstance(error, Interrupted) else "failed"
    try:
        started, counts = row_of(find_run(project, run.run_id)), _one(project, RUN_COUNTS.sql, run)
        row = finished_row(
            started,
            status=status,
            predictions=counts["predictions"],
            calls=counts["calls"],
            reason=str(error).splitlines()[0],
        )
        LandingWriter(project.warehouse).append([row])
        seen.run_stopped(row)
    except (Unreachable, UsageError):
        # The warehouse is what went away, or refuses rows: the run stays without a finished row, which marts read
        # as unfinished, and the error that stopped it is the one to be told.
        return


def _one(project: Project, sql: str, run: Run) -> dict[str, Any]:
    return next(project.warehouse.stream(sql, run.window))


def _summed(groups: list[dict[str, Any]], column: str) -> dict[str, int]:
    sums: dict[str, int] = {}
    for group in groups:
        sums[group[column]] = sums.get(group[column], 0) + group["predictions"]
    return sums
