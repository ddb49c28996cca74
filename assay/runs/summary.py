"""Counts, tokens and cost of a run, read from the landing tables."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from assay.errors import AssayError
from assay.records import RunEvent
from assay.records.statuses import ANSWERED, AnswerSource, RunStatus, UnfinishedRunStatus
from assay.runs.queries import PREDICTION_STATUSES, RUN_COUNTS, RUN_TOTALS, SHARD_COUNTS
from assay.runs.run import Run
from assay.runs.run_rows import find_run, row_of
from assay.runs.shards import WHOLE, Shard
from assay.warehouse.client import Warehouse


@dataclass(frozen=True, slots=True)
class RunSummary:
    """The outcome of a run, counted in the warehouse; costs in USD, None if a price is missing.

    Calls, tokens and `cost_usd` are those of the predictions, without judges; the total cost includes judges.
    """

    run_id: str
    task: str
    status: RunStatus | UnfinishedRunStatus
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
    total_cost_usd: Decimal | None


def refuse_unanswered(summary: RunSummary) -> None:
    """Raises an error for a run without any prediction by a model.

    Raises:
        AssayError: no request has a valid response; the message counts the causes.
    """
    if not summary.predictions or any(summary.statuses.get(status) for status in ANSWERED):
        return
    causes = ", ".join(f"{name} ({count:,})" for name, count in sorted(summary.errors.items(), key=lambda one: -one[1]))
    raise AssayError(
        f"None of the {summary.predictions:,} requests of run {summary.run_id} has a valid response: {causes}",
        next_step=f"see `assay report {summary.task} --run {summary.run_id}` for the messages, then start a new run.",
    )


def summarize(warehouse: Warehouse, run: Run, *, status: UnfinishedRunStatus) -> RunSummary:
    """Returns the run's counts, tokens and cost as they are in the warehouse now."""
    return summary_of(
        warehouse, run, row_of(find_run(warehouse, run.run_id)), run_counts(warehouse, run), status=status
    )


def run_counts(warehouse: Warehouse, run: Run) -> dict[str, Any]:
    """Returns the number of landed records, rejected rows, predictions and calls of the run."""
    return _one(warehouse, RUN_COUNTS.sql, run)


def summary_of(
    warehouse: Warehouse,
    run: Run,
    started: RunEvent,
    counts: dict[str, Any],
    *,
    status: RunStatus | UnfinishedRunStatus,
) -> RunSummary:
    """Returns the run's summary from its `started` row and counts, which the caller has already read."""
    totals = _one(warehouse, RUN_TOTALS.sql, run)
    groups = list(warehouse.stream(PREDICTION_STATUSES.sql, run.window))
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
        reused=_summed(groups, "answer_source").get(AnswerSource.REUSED, 0),
        errors={name: count for name, count in _summed(groups, "error_type").items() if name != "none"},
        calls=totals["calls"],
        input_tokens=totals["input_tokens"],
        output_tokens=totals["output_tokens"],
        cost_usd=totals["cost_usd"],
        unpriced_calls=totals["unpriced_calls"],
        unknown_billing_calls=totals["unknown_billing_calls"],
        judge_calls=totals["judge_calls"],
        judge_cost_usd=totals["judge_cost_usd"],
        total_cost_usd=totals["total_cost_usd"],
    )


def open_requests(warehouse: Warehouse, run: Run, *, shard: Shard = WHOLE) -> int:
    """Returns the number of requests of the run, or of the shard, that have no prediction yet."""
    if shard != WHOLE:
        counts = next(warehouse.stream(SHARD_COUNTS.sql, {**run.window, **shard.parameters}))
        return int(counts["records"]) * run.options.epochs - int(counts["predictions"])
    started = row_of(find_run(warehouse, run.run_id))
    return (started.expected_predictions or 0) - int(run_counts(warehouse, run)["predictions"])


def _one(warehouse: Warehouse, sql: str, run: Run) -> dict[str, Any]:
    return next(warehouse.stream(sql, run.window))


def _summed(groups: list[dict[str, Any]], column: str) -> dict[str, int]:
    sums: dict[str, int] = {}
    for group in groups:
        sums[group[column]] = sums.get(group[column], 0) + group["predictions"]
    return sums
