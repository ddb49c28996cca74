"""Reads for people: one SELECT, refused when it would change anything.

Only `assay query` needs this; the engine's own statements are in `statements.py`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from assay.errors import UsageError
from assay.warehouse.client import Warehouse, reachable
from assay.warehouse.statements import REPORTING

READING = "SELECT"


@dataclass(frozen=True, slots=True)
class Result:
    """Column names, and rows as they arrive."""

    columns: tuple[str, ...]
    rows: Iterator[tuple[Any, ...]]


def read_only(warehouse: Warehouse, sql: str) -> Result:
    """The result of the query; bare table names are those of the reporting dataset, else of landing.

    Raises:
        UsageError: the statement is no SELECT, or BigQuery refuses it.
    """
    kind = warehouse.statement_type(sql, dataset=REPORTING)
    if kind != READING:
        raise UsageError(f"assay query only reads: expected a SELECT, found {kind}; change data with your own tools.")
    found = warehouse.query(sql, dataset=REPORTING)
    return Result(tuple(field.name for field in found.schema), _rows(warehouse, found))


def _rows(warehouse: Warehouse, found: Any) -> Iterator[tuple[Any, ...]]:
    with reachable(warehouse.settings):
        for row in found:
            yield tuple(row.values())
