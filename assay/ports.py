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


class RowSink(Protocol):
    """Stores rows, at least once."""

    def append(self, rows: Sequence[Row]) -> int:
        """Stores the rows, all of one table, and returns their number."""
        ...
