"""The rows of one run that the blocks of its scorecard read: each statement runs once, and several at the same time."""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from assay.warehouse.client import Warehouse
from assay.warehouse.statement import Statement

Rows = tuple[dict[str, Any], ...]
AT_ONCE = 6
"""Number of statements that run at the same time."""


@dataclass(frozen=True, slots=True)
class RunSource:
    """Runs statements with the parameters of one run; `run` is its row of `COMPLETED_RUNS`.

    `pool` runs the statements; `wrong` is the number of wrong predictions to show.
    """

    warehouse: Warehouse
    pool: ThreadPoolExecutor
    task: str
    run: dict[str, Any]
    wrong: int
    _started: dict[Statement, Future[Rows]] = field(default_factory=dict)

    def start(self, statements: Iterable[Statement]) -> None:
        """Starts the statements that have not been started yet, without waiting for them."""
        for statement in statements:
            if statement not in self._started:
                self._started[statement] = self.pool.submit(self._read, statement)

    def rows(self, statement: Statement) -> Rows:
        """Returns the rows of the statement, which runs only once.

        Raises:
            ServiceUnreachable: the warehouse does not respond.
            UsageError: BigQuery rejected the statement.
        """
        self.start([statement])
        return self._started[statement].result()

    def row(self, statement: Statement) -> dict[str, Any] | None:
        """Returns the first row of the statement, or None if it has none."""
        return next(iter(self.rows(statement)), None)

    def aggregate(self, statement: Statement) -> dict[str, Any]:
        """Returns the one row of a statement that aggregates all rows."""
        return self.rows(statement)[0]

    def of(self, run: dict[str, Any]) -> RunSource:
        """Returns the source of another run of the task."""
        return RunSource(self.warehouse, self.pool, self.task, {**self.run, **run}, self.wrong)

    def _read(self, statement: Statement) -> Rows:
        known = {**self.run, "task": self.task, "wrong": self.wrong}
        parameters = {name: known[name] for name, _ in statement.parameters}
        return tuple(self.warehouse.stream(statement.sql, parameters, dataset=statement.dataset))
