"""Reads for people: one SELECT, refused when it would change anything.

Only `assay query` needs this; the engine's own statements are in `statements.py`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from assay.errors import UsageError
from assay.warehouse.client import Warehouse, reachable
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
    """Column names, and rows as they arrive."""

    columns: tuple[str, ...]
    rows: Iterator[tuple[Any, ...]]


def read_only(warehouse: Warehouse, sql: str) -> Result:
    """The result of the query; bare table names are those of the reporting dataset.

    Raises:
        UsageError: the statement is no SELECT, or BigQuery refuses it.
    """
    kind = _kind_by_words(sql)
    if kind == READING:
        kind = warehouse.statement_type(sql, dataset=REPORTING) or READING
    if kind != READING:
        raise UsageError(f"assay query only reads: expected a SELECT, found {kind}; change data with your own tools.")
    found = warehouse.query(sql, dataset=REPORTING)
    return Result(tuple(field.name for field in found.schema), _rows(warehouse, found))


def _kind_by_words(sql: str) -> str:
    """The kind of a statement by its first word: SELECT only for one query and nothing beside it.

    Asked before the dry run, for an emulator's dry run of a script runs it; where in doubt, it is a script.
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
