"""Reads the scorecard of one run from its landing rows; by default, of a task's latest completed whole run."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date
from typing import Any

from assay.errors import UsageError
from assay.report.block import Scorecard
from assay.report.blocks import BLOCKS
from assay.report.queries.runs import COMPLETED_RUNS, N_SKIPPED
from assay.report.source import AT_ONCE, RunSource
from assay.warehouse.client import Warehouse

WRONG_SHOWN = 10
"""Default number of wrong answers on a scorecard."""
MOST_TRIED = 20
"""Number of runs that are tried until one is found whose budget did not run out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportedRun:
    """Selects the run of a scorecard: by id, or the latest of a variant or a data date."""

    run_id: str | None = None
    variant: str | None = None
    data_date: date | None = None

    @property
    def parameters(self) -> dict[str, str]:
        """Query parameters; an empty text selects everything."""
        day = self.data_date.isoformat() if self.data_date else ""
        return {"run_id": self.run_id or "", "variant": self.variant or "", "day": day}

    @property
    def described(self) -> str:
        """The selection in words, in parentheses after a space; empty if nothing is selected."""
        named = (("run", self.run_id), ("variant", self.variant), ("data date", self.data_date))
        words = ", ".join(f"{name} {value}" for name, value in named if value is not None)
        return f" ({words})" if words else ""


LATEST_WHOLE = ReportedRun()


def read_scorecard(
    warehouse: Warehouse, task: str, selected: ReportedRun = LATEST_WHOLE, *, wrong: int = WRONG_SHOWN
) -> Scorecard:
    """Returns the scorecard of the latest whole run that is selected; of a partial one only if no run is whole.

    Without a variant, a run of the variant `default` is preferred. `wrong` is the number of wrong answers to read.

    Raises:
        UsageError: there is no such completed run.
        ServiceUnreachable: the warehouse does not respond.
    """
    run = _selected_run(warehouse, task, selected)
    with ThreadPoolExecutor(max_workers=AT_ONCE, thread_name_prefix="report") as pool:
        source = RunSource(warehouse, pool, task, run, wrong)
        for block in BLOCKS:
            source.start(block.statements)
        return Scorecard(task, tuple(block.read(source) for block in BLOCKS))


def _selected_run(warehouse: Warehouse, task: str, selected: ReportedRun) -> dict[str, Any]:
    found = list(warehouse.stream(COMPLETED_RUNS.sql, {"task": task, **selected.parameters}))
    if not found and selected.described:
        raise UsageError(
            f"Task '{task}' has no completed run{selected.described}",
            next_step=f"`assay runs {task}` lists its runs.",
        )
    if not found:
        raise UsageError(
            f"Task '{task}' has no completed run in {warehouse.landing}", next_step=f"run it with `assay run {task}`."
        )
    return _whole_run(warehouse, found) or found[0]


def _whole_run(warehouse: Warehouse, runs: Sequence[dict[str, Any]]) -> dict[str, Any] | None:
    """Returns the first run that was neither limited nor cut short by its budget."""
    for run in [run for run in runs if not run["is_limited"]][:MOST_TRIED]:
        place = {"run_id": run["run_id"], "data_date": run["data_date"]}
        if not next(warehouse.stream(N_SKIPPED.sql, place))["n_skipped"]:
            return run
    return None
