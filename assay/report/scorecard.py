"""Reads the scorecard of one run from the reporting views; by default, of a task's latest completed whole run."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import date
from typing import Any

from assay.errors import UsageError
from assay.report.queries import (
    REFERENCE_MODEL,
    REPORT_CACHING,
    REPORT_FAILURES,
    REPORT_FLAKY,
    REPORT_GATE,
    REPORT_GATE_RULES,
    REPORT_GATE_SPLIT,
    REPORT_LAST_CALLING_RUN,
    REPORT_RELIABILITY,
    REPORT_REPEATS,
    REPORT_ROUTING,
    REPORT_RUN,
    REPORT_SCORES,
    REPORTED_RUN,
)
from assay.warehouse.client import Warehouse
from assay.warehouse.statement import REPORTING

Rows = tuple[dict[str, Any], ...]


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
        return {"run_id": self.run_id or "", "variant": self.variant or "", "data_date": day}

    @property
    def described(self) -> str:
        """The selection in words, in parentheses after a space; empty if nothing is selected."""
        named = (("run", self.run_id), ("variant", self.variant), ("data date", self.data_date))
        words = ", ".join(f"{name} {value}" for name, value in named if value is not None)
        return f" ({words})" if words else ""


LATEST_WHOLE = ReportedRun()


@dataclass(frozen=True, slots=True)
class Scorecard:
    """The metrics of one run, as the reporting views return them; only the gate is the task's.

    `asked` is the last run that made calls, if the latest run only reused responses; cost and latency are from that
    run. `routing` contains a row per route of the run; `caching` counts the sources of its predictions and is None
    without predictions. `repeats` contains a row per k and slice for runs with several epochs; `flaky` counts records
    whose epochs differ. `gate` is the task's latest decision, `gate_rules` its rules; `gate_split` counts the uses of
    the gate cases.
    """

    task: str
    run: dict[str, Any]
    reliability: Rows
    scorers: Rows
    failures: Rows
    reference_model: str | None
    reference_price_source: str | None
    asked: dict[str, Any] | None = None
    routing: Rows = ()
    caching: dict[str, Any] | None = None
    repeats: Rows = ()
    flaky: Rows = ()
    gate: dict[str, Any] | None = None
    gate_rules: Rows = ()
    gate_split: dict[str, Any] | None = None

    def as_dict(self) -> dict[str, Any]:
        """Returns the scorecard as plain values."""
        return asdict(self)


def selected_run(warehouse: Warehouse, task: str, selected: ReportedRun) -> str:
    """Returns the id of the latest whole run that is selected; of a partial one only if no run is whole.

    Without a variant, a run of the variant `default` is preferred.

    Raises:
        UsageError: there is no such completed run.
    """
    latest = next(warehouse.stream(REPORTED_RUN.sql, {"task": task, **selected.parameters}), None)
    if latest is None:
        raise UsageError(
            f"Task '{task}' has no completed run{selected.described}",
            next_step=f"`assay runs {task}` lists its runs.",
        )
    return str(latest["run_id"])


def read_scorecard(warehouse: Warehouse, task: str, selected: ReportedRun = LATEST_WHOLE) -> Scorecard:
    """Returns the scorecard of the run that `selected_run` selects.

    Raises:
        UsageError: there is no such completed run, or the marts do not contain it yet.
    """
    run_id = selected_run(warehouse, task, selected)
    run = next(_reporting(warehouse, REPORT_RUN.sql, {"run_id": run_id}), None)
    if run is None:
        raise UsageError(f"Run {run_id} of task '{task}' is not in the marts", next_step=f"run `assay report {task}`.")
    version = {"task": task, **{name: run[name] for name in ("variant", "stage", "inference_version")}}
    calling_run = None if run["calls"] else next(_reporting(warehouse, REPORT_LAST_CALLING_RUN.sql, version), None)
    reference = next(warehouse.stream(REFERENCE_MODEL.sql, {"task": task}))
    of_run = {"run_id": run["run_id"]}
    return Scorecard(
        task=task,
        run=run,
        reliability=tuple(_reporting(warehouse, REPORT_RELIABILITY.sql, of_run)),
        scorers=tuple(_reporting(warehouse, REPORT_SCORES.sql, of_run)),
        failures=tuple(_reporting(warehouse, REPORT_FAILURES.sql, of_run)),
        reference_model=reference["reference_model"],
        reference_price_source=reference["reference_price_source"],
        asked=calling_run,
        routing=tuple(_reporting(warehouse, REPORT_ROUTING.sql, of_run)),
        caching=next(_reporting(warehouse, REPORT_CACHING.sql, of_run), None),
        repeats=tuple(_reporting(warehouse, REPORT_REPEATS.sql, of_run)),
        flaky=tuple(_reporting(warehouse, REPORT_FLAKY.sql, of_run)),
        gate=next(_reporting(warehouse, REPORT_GATE.sql, {"task": task}), None),
        gate_rules=tuple(_reporting(warehouse, REPORT_GATE_RULES.sql, {"task": task})),
        gate_split=next(_reporting(warehouse, REPORT_GATE_SPLIT.sql, {"task": task}), None),
    )


def _reporting(warehouse: Warehouse, sql: str, parameters: dict[str, object]) -> Any:
    return warehouse.stream(sql, parameters, dataset=REPORTING)
