"""The scorecard of a task: what the reporting views say about its latest completed run.

Reading the figures belongs here; showing them is `scorecard_views.py`. No rate or interval is computed here.
"""

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
    REPORT_LAST_ASKED,
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
    """Figures of one task, as the reporting views give them.

    `asked` is the last run that made calls, where the latest one only reused answers: cost and latency speak of it.
    `routing` has a row for each route of the run, `caching` says where its answers came from; None without predictions.
    `repeats` has a row for each k and slice where records were asked several times, `flaky` how many of them waver.
    `gate` is the task's latest decision with its rules in `gate_rules`; `gate_split` says how often its cases were used.
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
        """The same as plain values."""
        return asdict(self)


def read_scorecard(warehouse: Warehouse, task: str) -> Scorecard:
    """The scorecard of the task's latest completed run.

    Raises:
        UsageError: there is no completed run, or the marts do not hold it yet.
    """
    latest = next(warehouse.stream(LATEST_RUN.sql, {"task": task}), None)
    run = next(_reporting(warehouse, REPORT_RUN.sql, {"run_id": latest["run_id"]}), None) if latest else None
    if run is None:
        raise UsageError(
            f"Task '{task}' has no completed run in the marts: expected one; run `assay run {task}`, then `assay report {task}`."
        )
    version = {"task": task, **{name: run[name] for name in ("variant", "stage", "inference_version")}}
    asked = None if run["calls"] else next(_reporting(warehouse, REPORT_LAST_ASKED.sql, version), None)
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
        asked=asked,
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
