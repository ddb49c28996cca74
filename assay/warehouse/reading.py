"""Read-only queries: a single SELECT statement; any other statement is rejected."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from assay.errors import UsageError
from assay.performance.lean_import import load_queries
from assay.warehouse.client import Warehouse, place, reachable
from assay.warehouse.refusals import unknown_column
from assay.warehouse.statement import REPORTING


@dataclass(frozen=True, slots=True)
class Result:
    """Column names and an iterator over the rows of a query."""

    columns: tuple[str, ...]
    rows: Iterator[tuple[Any, ...]]


def read_only(warehouse: Warehouse, sql: str) -> Result:
    """Returns the result of the query; unqualified table names refer to the reporting dataset.

    Raises:
        UsageError: the statement is not a single SELECT, or BigQuery rejected it.
    """
    load_queries()
    from google.api_core.exceptions import GoogleAPICallError

    try:
        return _result(warehouse, sql)
    except UsageError as error:
        cause = error.__cause__
        if isinstance(cause, GoogleAPICallError) and (found := unknown_column(cause, place(warehouse.settings))):
            raise found from cause
        raise


def _result(warehouse: Warehouse, sql: str) -> Result:
    found = warehouse.select(sql, dataset=REPORTING, what="assay query")
    return Result(tuple(field.name for field in found.schema), _rows(warehouse, found))


def _rows(warehouse: Warehouse, found: Any) -> Iterator[tuple[Any, ...]]:
    with reachable(warehouse.settings):
        for row in found:
            yield tuple(row.values())
