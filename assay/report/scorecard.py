"""Reads the scorecard of a task's latest completed run from the reporting views."""

from __future__ import annotations

from dataclasses import asdict, dataclass
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
)
from assay.warehouse.client import Warehouse
from assay.warehouse.statement import LATEST_RUN, REPORTING

Rows = tuple[dict[str, Any], ...]


@dataclass(frozen=True, slots=True)
class Scorecard:
    """The metrics of one task, as the reporting views return them.

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


def read_scorecard(warehouse: Warehouse, task: str) -> Scorecard:
    """Returns the scorecard of the task's latest completed run.

    Raises:
        UsageError: there is no completed run, or the marts do not contain it yet.
    """
    latest = next(warehouse.stream(LATEST_RUN.sql, {"task": task}), None)
    run = next(_reporting(warehouse, REPORT_RUN.sql, {"run_id": latest["run_id"]}), None) if latest else None
    if run is None:
        raise UsageError(
            f"Task '{task}' has no completed run in the marts",
            next_step=f"run `assay run {task}`, then `assay report {task}`.",
        )
    version = {"task": task, **{name: run[name] for name in ("variant", "stage", "inference_version")}}
    calling_run = None if run["calls"] else next(_reporting(warehouse, REPORT_LAST_CALLING_RUN.sql, version), None)
    reference = next(warehouse.stream(REFERENCE_MODEL.sql, {"task": task}))
    of_run = {"run_id": run["run_id"]}
    return Scorecard(
        task=task,
        run=run,
        reliability=tuple(_reporting(warehouse, REPORT_RELIABILITY.sql, version)),
        scorers=tuple(_reporting(warehouse, REPORT_SCORES.sql, version)),
        failures=tuple(_reporting(warehouse, REPORT_FAILURES.sql, of_run)),
        reference_model=reference["reference_model"],
        reference_price_source=reference["reference_price_source"],
        asked=calling_run,
        routing=tuple(_reporting(warehouse, REPORT_ROUTING.sql, of_run)),
        caching=next(_reporting(warehouse, REPORT_CACHING.sql, of_run), None),
        repeats=tuple(_reporting(warehouse, REPORT_REPEATS.sql, version)),
        flaky=tuple(_reporting(warehouse, REPORT_FLAKY.sql, version)),
        gate=next(_reporting(warehouse, REPORT_GATE.sql, {"task": task}), None),
        gate_rules=tuple(_reporting(warehouse, REPORT_GATE_RULES.sql, {"task": task})),
        gate_split=next(_reporting(warehouse, REPORT_GATE_SPLIT.sql, {"task": task}), None),
    )


def _reporting(warehouse: Warehouse, sql: str, parameters: dict[str, object]) -> Any:
    return warehouse.stream(sql, parameters, dataset=REPORTING)
