"""Protocols through which a run is observed, and their implementations that do nothing."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from assay.records import Prediction, Response
from assay.records.statuses import RunStatus

Field = int | float | str | None
"""Value of a log field: a number, or a name that the program or its configuration chose."""


class Events(Protocol):
    """Receives the events of a run."""

    def emit(self, name: str, **fields: Field) -> None:
        """Logs the event with its fields listed in `events.EVENTS`; never raises, never blocks."""
        ...


class RequestSpan(Protocol):
    """Span of one request in progress."""

    @property
    def trace_id(self) -> str:
        """32 hexadecimal digits, for `responses.trace_id`."""
        ...

    def end(self, prediction: Prediction | None, responses: Sequence[Response] = ()) -> None:
        """Ends the request: emits its span with one child span per call. Call it once."""
        ...


class RequestTracing(Protocol):
    """Starts the spans of requests."""

    def start_request(self, position: int, *, epoch: int) -> RequestSpan:
        """Starts the request of the record at that position of the input."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class RunEnd:
    """Outcome of a run for its span; times in UTC."""

    started_at: datetime
    ended_at: datetime
    status: RunStatus
    records: int
    predictions: int
    calls: int


@dataclass(frozen=True, slots=True)
class Delivery:
    """Number of exported and of lost spans of one process."""

    exported: int = 0
    lost: int = 0


class Tracing(Protocol):
    """The spans of one run in one process."""

    @property
    def trace_id(self) -> str | None:
        """32 hexadecimal digits, the same in every process of the run; None when the run is not traced."""
        ...

    @property
    def per_request(self) -> RequestTracing | None:
        """Tracing of requests for the engine; None when requests are not traced."""
        ...

    def stage(self, name: str) -> AbstractContextManager[None]:
        """The block is a stage of the run (`admit`, `batch`, `answer`, `score`), the parent of spans started inside."""
        ...

    def shard(self, number: int) -> AbstractContextManager[None]:
        """The block works on one shard, the parent of spans started inside."""
        ...

    def finish_run(self, end: RunEnd) -> None:
        """Emits the run's own span, the ancestor of its stages in all processes."""
        ...

    def close(self) -> Delivery:
        """Spans are delivered, or abandoned after 5 s at most; call it once, last."""
        ...


class NoTracing:
    """Tracing that is off."""

    trace_id = None
    per_request = None

    def stage(self, name: str) -> AbstractContextManager[None]:
        """See `Tracing.stage`."""
        return nullcontext()

    def shard(self, number: int) -> AbstractContextManager[None]:
        """See `Tracing.shard`."""
        return nullcontext()

    def finish_run(self, end: RunEnd) -> None:
        """See `Tracing.finish_run`."""

    def close(self) -> Delivery:
        """See `Tracing.close`."""
        return Delivery()


class NoEvents:
    """A log that discards events."""

    def emit(self, name: str, **fields: Field) -> None:
        """See `Events.emit`."""
