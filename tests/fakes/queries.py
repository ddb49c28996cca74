"""A warehouse behind its port: answers every statement from a list."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence


class ListQuery:
    """Yields `rows` for any statement and records the statements with their parameters."""

    def __init__(self, rows: Sequence[dict[str, object]]) -> None:
        self._rows = rows
        self.calls: list[tuple[str, dict[str, object]]] = []

    def stream(self, sql: str, parameters: Mapping[str, object]) -> Iterator[dict[str, object]]:
        """The rows, one by one."""
        self.calls.append((sql, dict(parameters)))
        yield from self._rows

    def stream_select(self, sql: str, parameters: Mapping[str, object], *, what: str) -> Iterator[dict[str, object]]:
        """As `stream`: its statements are single SELECTs."""
        return self.stream(sql, parameters)
