"""Ensures that the marts include the latest completed run of a task before they are read."""

from __future__ import annotations

from collections.abc import Callable

from assay.errors import UsageError
from assay.warehouse.client import CALL_SECONDS, Warehouse, reachable, short_retry
from assay.warehouse.marts import DBT_PROJECT, build_marts
from assay.warehouse.statement import LATEST_RUN, MARTS, REPORTING, RUN_IN_MARTS


def refresh_marts(warehouse: Warehouse, task: str, *, report: Callable[[str], None]) -> str:
    """Builds the marts unless they include the task's latest completed run, and returns the id of that run.

    Raises:
        UsageError: the task has no completed run.
    """
    latest = next(warehouse.stream(LATEST_RUN.sql, {"task": task}), None)
    if latest is None:
        raise UsageError(
            f"Task '{task}' has no completed run in {warehouse.landing}",
            next_step=f"run it with `assay run {task}`.",
        )
    if not _in_marts(warehouse, latest["run_id"]) or _views_missing(warehouse):
        report("building the marts (dbt build) …")
        build_marts(warehouse.settings, report=lambda line: report(f"    {line}"))
    return str(latest["run_id"])


def _in_marts(warehouse: Warehouse, run_id: str) -> bool:
    from google.api_core.exceptions import NotFound

    try:
        return any(row["found"] for row in warehouse.stream(RUN_IN_MARTS.sql, {"run_id": run_id}, dataset=MARTS))
    except UsageError as error:
        if isinstance(error.__cause__, NotFound):  # the marts have not been built in this environment
            return False
        raise


def _views_missing(warehouse: Warehouse) -> bool:
    """True if a reporting view has not been built yet, for example after an upgrade."""
    models = warehouse.settings.root / DBT_PROJECT / "models" / REPORTING
    dataset = f"{warehouse.settings.project}.{warehouse.settings.dataset(REPORTING)}"
    with reachable(warehouse.settings):
        built = {
            view.table_id for view in warehouse.client.list_tables(dataset, timeout=CALL_SECONDS, retry=short_retry())
        }
    return not {model.stem for model in models.glob("rpt_*.sql")} <= built
