"""Lists runs with their status, their counts and their cost, read from the landing tables."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import date, datetime
from decimal import Decimal
from itertools import islice
from typing import Any

from assay.formatting import NOTHING, usd
from assay.records.statuses import PartialReason, RunPurpose, RunStatus
from assay.report.runs.queries import LISTED_RUNS
from assay.warehouse.client import Warehouse

COLUMNS = ("run", "data date", "variant", "input", "status", "predictions", "total\ncost", "whole")
PARTIAL = {
    PartialReason.NOT_COMPLETED: "no",
    PartialReason.LIMITED: "no: limit {row_limit}",
    PartialReason.OUT_OF_BUDGET: "no: budget",
    PartialReason.PERTURBED: "no: perturbed input",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedRun:
    """One run; its costs are those of `assay report` (`assay/warehouse/call_costs.py`), each None if a price is missing.

    `calls` excludes those of judges; `adopted` counts predictions that were made outside Assay.
    """

    run_id: str
    task: str
    data_date: date
    variant: str
    stage: str
    purpose: str
    input_source: str | None
    status: str
    started_at: datetime
    finished_at: datetime | None
    row_limit: int | None
    rows_read: int | None
    rows_rejected: int | None
    records: int | None
    expected_predictions: int | None
    predictions: int
    answered: int
    skipped: int
    adopted: int
    calls: int
    judge_calls: int
    cost_usd: Decimal | None
    judge_cost_usd: Decimal | None
    total_cost_usd: Decimal | None

    @property
    def partial_reason(self) -> PartialReason | None:
        """Why the run is not whole, as in `rpt_runs.partial_reason`; None for a whole run."""
        if self.status != RunStatus.COMPLETED:
            return PartialReason.NOT_COMPLETED
        if self.purpose == RunPurpose.PERTURB:
            return PartialReason.PERTURBED
        if self.row_limit is not None and (self.rows_read is None or self.row_limit <= self.rows_read):
            return PartialReason.LIMITED
        return PartialReason.OUT_OF_BUDGET if self.skipped else None

    def as_dict(self) -> dict[str, Any]:
        """Returns the run as plain values, with `is_whole` and `partial_reason`."""
        reason = self.partial_reason
        return {**asdict(self), "is_whole": reason is None, "partial_reason": reason}


def list_runs(warehouse: Warehouse, task: str | None, *, last: int) -> list[ListedRun]:
    """Returns the runs that started last, of one task or of all tasks; the newest is first."""
    rows: Iterator[dict[str, Any]] = warehouse.stream(LISTED_RUNS.sql, {"task": task or ""})
    return [ListedRun(**row) for row in islice(rows, last)]


def run_row(run: ListedRun, *, names_task: bool) -> tuple[str, ...]:
    """Returns the run as a row of the table that the command prints; the variant can be preceded by the task."""
    reason = run.partial_reason
    expected = NOTHING if run.expected_predictions is None else f"{run.expected_predictions:,}"
    return (
        run.run_id,
        run.data_date.isoformat(),
        f"{run.task}: {run.variant}" if names_task else run.variant,
        _input_text(run),
        run.status,
        f"{run.predictions:,} of {expected}",
        usd(run.total_cost_usd) if run.total_cost_usd is not None else f"{NOTHING} (no price)",
        "yes" if reason is None else PARTIAL[reason].format(row_limit=run.row_limit),
    )


def _input_text(run: ListedRun) -> str:
    """The input without the version of a golden set; adopted and perturbed runs say so."""
    source = run.input_source or NOTHING
    golden = re.search(r"golden(?::\w+)?(?=@)", source)
    shown = golden[0] if golden else source
    if run.purpose == RunPurpose.PERTURB:
        return f"{source.split(':')[1]} of {shown}"
    return f"{shown} (adopted)" if run.adopted else shown
