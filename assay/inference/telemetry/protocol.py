"""The seams through which a run is observed, and what stands behind them when nobody does.

Only shapes and their empty forms belong here: no library, no file, no clock.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from assay.records import Prediction, Response
from assay.records.statuses import RunStatus

Field = int | float | str | None
"""What a log line may hold: figures, and names that the program or its configuration gave."""


class Events(Protocol):
    """Who is told what happens in a run."""

    def emit(self, name: str, **fields: Field) -> None:
        """The event is noted, with those of its fields that `events.EVENTS` names; never raises, never waits."""
        ...


class RequestSpan(Protocol):
    """One request under way."""

    @property
    def trace_id(self) -> str:
        """32 hexadecimal digits, for `responses.trace_id`."""
        ...

    def end(self, prediction: Prediction | None, responses: Sequence[Response] = ()) -> None:
        """The request is over: its span, and one below it for each of its calls, are on their way; call it once."""
        ...


class RequestTracing(Protocol):
    """What the engine asks for each request."""

    def start_request(self, position: int, *, epoch: int) -> RequestSpan:
        """The request at the record's place in the input is under way."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class RunEnd:
    """How a run ended, as its span tells it; times in UTC."""

    started_at: datetime
    ended_at: datetime
    status: RunStatus
    records: int
    predictions: int
    calls: int


@dataclass(frozen=True, slots=True)
class Delivery:
    """What became of the spans of one process."""

    exported: int = 0
    lost: int = 0


class Tracing(Protocol):
    """The spans of one run in one process."""

    @property
    def trace_id(self) -> str | None:
        """32 hexadecimal digits, the run's in every process that works on it; None when it is not traced."""
        ...

    @property
    def per_request(self) -> RequestTracing | None:
        """What the engine is given; None when requests are not traced."""
        ...

    def stage(self, name: str) -> AbstractContextManager[None]:
        """The block is a stage of the run (`admit`, `batch`, `answer`, `score`); what starts inside stands below it."""
        ...

    def shard(self, number: int) -> AbstractContextManager[None]:
        """The block works on one shard; what starts inside stands below it."""
        ...

    def finish_run(self, end: RunEnd) -> None:
        """The run's own span, above those of all its stages in whichever process they ran, is on its way."""
        ...

    def close(self) -> Delivery:
        """Spans are delivered, or given up after 5 s at the latest; call it once, last."""
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
    """A log that keeps nothing."""

    def emit(self, name: str, **fields: Field) -> None:
        """See `Events.emit`."""
