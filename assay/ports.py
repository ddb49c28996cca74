"""Protocols through which the rooms of the engine reach what is injected from above.

Only shapes belong here: no implementation, no import of a client library.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Protocol

from assay.records import Row


class QueryPort(Protocol):
    """A warehouse that answers SQL."""

    def stream(self, sql: str, parameters: Mapping[str, object]) -> Iterator[dict[str, object]]:
        """Rows of `sql` one by one, column name to value, with named query parameters (a `date` is a DATE).

        Raises:
            UsageError: the warehouse refuses the statement.
            Unreachable: it does not answer.
        """
        ...


class RowSink(Protocol):
    """Where rows go; at least once."""

    def append(self, rows: Sequence[Row]) -> int:
        """The rows, all of one table, are kept."""
        ...
