"""Protocols of a run's tracing and log, and implementations that do nothing."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from assay.records import Prediction, Response
from assay.records.statuses import RunStatus

Field = int | float | str | None
"""Value of a log field: a number, or a name from Assay's code or configuration."""


class Events(Protocol):
    """Receives the events of a run."""

    def emit(self, name: str, **fields: Field) -> None:
        """Logs the event with the fields listed in `events.EVENTS`; never raises and never blocks."""
        ...


class RequestSpan(Protocol):
    """Span of one request in progress."""

    @property
    def trace_id(self) -> str:
        """32 hexadecimal digits, as written to the column `responses.trace_id`."""
        ...

    def end(self, prediction: Prediction | None, responses: Sequence[Response] = ()) -> None:
        """Ends the request and emits its span with one child span per call; must be called once."""
        ...


class RequestTracing(Protocol):
    """Starts the spans of requests."""

    def start_request(self, position: int, *, epoch: int) -> RequestSpan:
        """Starts the span of the request for the record at `position` of the input."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class RunEnd:
    """Outcome of a run, for the attributes of its span; times in UTC."""

    started_at: datetime
    ended_at: datetime
    status: RunStatus
    records: int
    predictions: int
    calls: int


@dataclass(frozen=True, slots=True)
class Delivery:
    """Numbers of exported and lost spans in one process."""

    exported: int = 0
    lost: int = 0


class Tracing(Protocol):
    """The spans of one run in one process."""

    @property
    def trace_id(self) -> str | None:
        """32 hexadecimal digits, the same in every process of the run; None if the run is not traced."""
        ...

    @property
    def per_request(self) -> RequestTracing | None:
        """Tracing of requests, for the engine; None if requests are not traced."""
        ...

    def stage(self, name: str) -> AbstractContextManager[None]:
        """Context manager for the span of a stage (`admit`, `batch`, `answer`, `score`); spans inside are its children."""
        ...

    def shard(self, number: int) -> AbstractContextManager[None]:
        """Context manager for the span of a shard; spans started inside are its children."""
        ...

    def finish_run(self, end: RunEnd) -> None:
        """Emits the run's own span, the parent of its stages in all processes."""
        ...

    def close(self) -> Delivery:
        """Exports the remaining spans, and gives up after 5 s at most; must be called once, at the end."""
        ...


class NoTracing:
    """Disabled tracing."""

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
    """A disabled log, which discards events."""

    def emit(self, name: str, **fields: Field) -> None:
        """See `Events.emit`."""
