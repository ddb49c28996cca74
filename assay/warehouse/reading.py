"""Read-only queries: a single SELECT statement; any other statement is rejected."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from assay.errors import UsageError
from assay.performance.lean_import import load_queries
from assay.warehouse.client import Warehouse, place, reachable
from assay.warehouse.refusals import unknown_column
from assay.warehouse.statement import REPORTING

READING = "SELECT"
NOT_CODE = re.compile(
    r"""
    --[^\r\n]* | \#[^\r\n]* | /\*.*?\*/                      # comments
    | (?P<three>"{3}|'{3}) (?:\\.|[^\\])*? (?P=three)         # texts of several lines
    | "(?:\\.|[^"\\\r\n])*" | '(?:\\.|[^'\\\r\n])*'       # texts of one line
    | `(?:\\.|[^`\\\r\n])*`                                  # quoted names
    """,
    re.DOTALL | re.VERBOSE,
)


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
    kind = _kind_by_words(sql)
    if kind == READING:
        kind = warehouse.statement_type(sql, dataset=REPORTING) or READING
    if kind != READING:
        raise UsageError(
            f"assay query runs only a single SELECT statement, found {kind}",
            next_step="use a different tool to change data.",
        )
    found = warehouse.query(sql, dataset=REPORTING)
    return Result(tuple(field.name for field in found.schema), _rows(warehouse, found))


def _kind_by_words(sql: str) -> str:
    """Returns the kind of a statement according to its first word, or SCRIPT if it contains a semicolon.

    This check precedes the dry run, because the emulator executes scripts in a dry run.
    """
    words = NOT_CODE.sub(" ", sql).strip().rstrip(";").strip()
    if not words:
        return "nothing"
    if ";" in words:
        return "SCRIPT"
    first = words.lstrip("( \t\r\n").split(None, 1)[0].upper()
    return READING if first in ("SELECT", "WITH", "FROM") else first


def _rows(warehouse: Warehouse, found: Any) -> Iterator[tuple[Any, ...]]:
    with reachable(warehouse.settings):
        for row in found:
            yield tuple(row.values())
