"""Updates the marts to the latest completed run of a task before they are read."""

from __future__ import annotations

from collections.abc import Callable

from assay.errors import UsageError
from assay.warehouse.client import CALL_SECONDS, Warehouse, reachable, short_retry
from assay.warehouse.marts import DBT_PROJECT, build_marts
from assay.warehouse.statement import LATEST_RUN, MARTS, REPORTING, RUN_IN_MARTS


def refresh_marts(warehouse: Warehouse, task: str, *, report: Callable[[str], None]) -> str:
    """Ensures that the marts hold the task's latest completed run, and returns its id; builds them when they do not.

    Raises:
        UsageError: the task has no completed run.
    """
    latest = next(warehouse.stream(LATEST_RUN.sql, {"task": task}), None)
    if latest is None:
        raise UsageError(
            f"Task '{task}' has no completed run in {warehouse.landing}: expected one",
            next_step=f"start it with `assay run {task}`.",
        )
    if not _in_marts(warehouse, latest["run_id"]) or _views_missing(warehouse):
        report("building the marts (dbt build) …")
        build_marts(warehouse.settings)
    return str(latest["run_id"])


def _in_marts(warehouse: Warehouse, run_id: str) -> bool:
    from google.api_core.exceptions import NotFound

    try:
        return any(row["found"] for row in warehouse.stream(RUN_IN_MARTS.sql, {"run_id": run_id}, dataset=MARTS))
    except UsageError as error:
        if isinstance(error.__cause__, NotFound):  # the marts were never built here
            return False
        raise


def _views_missing(warehouse: Warehouse) -> bool:
    """True where a reporting view of the models is not built yet, as after an upgrade."""
    models = warehouse.settings.root / DBT_PROJECT / "models" / REPORTING
    dataset = f"{warehouse.settings.project}.{warehouse.settings.dataset(REPORTING)}"
    with reachable(warehouse.settings):
        built = {
            view.table_id for view in warehouse.client.list_tables(dataset, timeout=CALL_SECONDS, retry=short_retry())
        }
    return not {model.stem for model in models.glob("rpt_*.sql")} <= built
