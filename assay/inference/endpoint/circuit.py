"""Circuit breaker per route: stops calls to a failing endpoint and retries after a pause.

A circuit opens after a number of consecutive endpoint failures, counted over all requests. After a pause, one call is
permitted, and its outcome decides whether the circuit closes. Rate limits and invalid requests are not failures of the
endpoint.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from assay.inference.endpoint.failures import CallFailure, FailureKind
from assay.inference.endpoint.replies import Reply
from assay.inference.telemetry.protocol import Events, NoEvents

FAILURES_IN_A_ROW = 20
FIRST_PAUSE_S = 2.0
LONGEST_PAUSE_S = 60.0
OF_THE_ENDPOINT = frozenset({FailureKind.CONNECT, FailureKind.SERVER, FailureKind.TIMEOUT})


@dataclass(slots=True)
class _Circuit:
    failures: int = 0
    pause_s: float = 0.0
    open_until: float = 0.0
    opened_at: float = 0.0
    is_being_tried: bool = True


class Circuits:
    """One circuit per route."""

    def __init__(
        self,
        *,
        clock: Callable[[], float] = time.monotonic,
        failures_in_a_row: int = FAILURES_IN_A_ROW,
        events: Events | None = None,
    ) -> None:
        self._clock = clock
        self._events = events or NoEvents()
        self._most = failures_in_a_row
        self._circuits: dict[str, _Circuit] = {}

    def wait_s(self, route: str) -> float:
        """Seconds until a call may be made: 0 if the circuit is closed, or if the call may test an open circuit."""
        circuit = self._circuits.get(route)
        if circuit is None or circuit.failures < self._most:
            return 0.0
        now = self._clock()
        if now < circuit.open_until:
            return circuit.open_until - now
        circuit.is_being_tried, circuit.open_until = True, now + circuit.pause_s  # other calls wait for its outcome
        return 0.0

    def note(self, route: str, outcome: Reply | CallFailure, *, is_first: bool = True) -> None:
        """Counts the outcome of a call.

        While the circuit is closed, failed retries do not count: near the end of a run, only records that always fail
        may be left, although the endpoint is working.
        """
        if isinstance(outcome, Reply) or outcome.kind not in OF_THE_ENDPOINT:
            ended = self._circuits.pop(route, None)
            if ended is not None and ended.failures >= self._most:
                self._events.emit("circuit_closed", route=route, open_s=round(self._clock() - ended.opened_at, 1))
            return
        circuit = self._circuits.setdefault(route, _Circuit())
        if not is_first and circuit.failures < self._most:
            return
        circuit.failures += 1
        if circuit.failures >= self._most and circuit.is_being_tried:
            # Calls that were in flight when the circuit opened do not extend the pause.
            now = self._clock()
            circuit.opened_at = circuit.opened_at if circuit.pause_s else now
            circuit.pause_s = min(LONGEST_PAUSE_S, circuit.pause_s * 2 or FIRST_PAUSE_S)
            circuit.open_until, circuit.is_being_tried = now + circuit.pause_s, False
            self._events.emit("circuit_opened", route=route, failures=circuit.failures, open_s=circuit.pause_s)
