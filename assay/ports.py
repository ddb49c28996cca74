"""Protocols for the dependencies that are injected into the engine."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Protocol

from assay.records.row import Row


class QueryPort(Protocol):
    """A warehouse that runs SQL queries."""

    def stream(self, sql: str, parameters: Mapping[str, object]) -> Iterator[dict[str, object]]:
        """Yields the rows of `sql`, each a mapping of column name to value; `parameters` are named (a `date` is a DATE).

        Raises:
            UsageError: the warehouse rejects the statement.
            ServiceUnreachable: it does not respond.
        """
        ...

    def stream_select(self, sql: str, parameters: Mapping[str, object], *, what: str) -> Iterator[dict[str, object]]:
        """As `stream`, for SQL that a person stated in `what`, which may be a single SELECT and nothing else.

        Raises:
            UsageError: as for `stream`, or the statement is not a single SELECT; nothing was executed.
        """
        ...


class RowSink(Protocol):
    """Stores rows, at least once."""

    def append(self, rows: Sequence[Row]) -> int:
        """Stores the rows, all of one table, and returns their number."""
        ...
