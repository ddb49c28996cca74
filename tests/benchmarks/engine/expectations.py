"""What must become of each record, worked out from the endpoint's own fault function and the documented rules.

Nothing of the engine is used here: each record is played through call by call.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.benchmarks.engine.endpoint import Endpoint

AGAIN = frozenset({"500", "503", "429", "408", "timeout", "reset", "truncated", "html", "empty", "late_reset"})
"""The same call is made again: rate limited, timeout, connection, server, an answer that is none."""
FREE = frozenset({"429"})
"""Refused before any work was done: does not count as an attempt."""
INVALID = frozenset({"badjson", "schema", "null"})
"""A complete answer that the schema refuses: one repair turn."""
REFUSED = frozenset({"content_filter", "refusal", "filter400"})
BROKEN_OFF = frozenset({"timeout", "reset", "truncated", "late_reset"})
"""The request was sent and no whole answer came: nobody can say what it cost."""
CUT = "length"
"""An answer that ends at the limit of tokens: one repair turn, which asks for a shorter one."""
GOOD = (None, "slow", "fenced")


@dataclass(frozen=True, slots=True)
class Rules:
    """What the task states: calls on a route at most, and whether a faulty answer is shown once to the model."""

    max_attempts: int
    repair: bool


@dataclass(slots=True)
class Expected:
    """The record's one right status, and the fault of each call in order (None: answered well)."""

    status: str = ""
    faults: list[str | None] = field(default_factory=list)


class Oracle:
    """Plays records through for one set of faults."""

    def __init__(self, endpoint: Endpoint, rules: Rules, options: Sequence[str]) -> None:
        module = endpoint.module
        self._app: Any = module.App(module.parser().parse_args(list(options)))
        self._hash = module.h64
        self._rules = rules

    def expected(self, row: str) -> Expected:
        """What becomes of the record."""
        found = Expected()
        first = self._call(row, found)
        found.status = self._status(first, found, row)
        return found

    def _status(self, outcome: str | None, found: Expected, row: str) -> str:
        if self._rules.repair and (outcome in INVALID or outcome == CUT):
            second = self._call(row, found)
            if second in GOOD:
                return "repaired"
            return self._final(outcome if second in AGAIN else second)
        return self._final(outcome)

    @staticmethod
    def _final(outcome: str | None) -> str:
        if outcome in GOOD:
            return "ok"
        if outcome in INVALID:
            return "invalid_output"
        return "refused" if outcome in REFUSED else "failed"

    def _call(self, row: str, found: Expected) -> str | None:
        """The last fault of the call with its repeats, None for a good answer."""
        attempts = 0
        while True:
            fault: str | None = self._app.fault_of(self._hash(row.encode()), len(found.faults) + 1)
            found.faults.append(fault)
            attempts += fault not in FREE
            if fault not in AGAIN or attempts == self._rules.max_attempts:
                return fault
