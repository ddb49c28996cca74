"""Brings the marts up to the latest finished run of a task before somebody reads them."""

from __future__ import annotations

from collections.abc import Callable

from assay.errors import UsageError
from assay.warehouse.client import Warehouse
from assay.warehouse.marts import build_marts
from assay.warehouse.statements import LATEST_RUN, MARTS, RUN_IN_MARTS


def refresh_marts(warehouse: Warehouse, task: str, *, report: Callable[[str], None]) -> str:
    """The marts hold the task's latest completed run, whose id is returned; builds them when they do not.

    Raises:
        UsageError: the task has no completed run.
    """
    latest = next(warehouse.stream(LATEST_RUN.sql, {"task": task}), None)
    if latest is None:
        raise UsageError(
            f"Task '{task}' has no completed run in {warehouse.landing}: expected one; start it with `assay run {task}`."
        )
    if not _in_marts(warehouse, latest["run_id"]):
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
