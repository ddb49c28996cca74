"""Creates the spans of a run with the OpenTelemetry SDK: run, stage, shard, request, call.

Attributes are in `attributes.py`, the export is in `export.py`. This module imports the SDK, so it is imported only if
tracing is enabled. The tracer provider is not set globally, because libraries that trace through the global provider
would put SQL statements, and thus content, into spans.

The spans of a request are created from its rows when it ends: they agree with the rows, and an unsampled
request adds almost no overhead.
"""

from __future__ import annotations

import hashlib
import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from opentelemetry.context import Context
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.id_generator import IdGenerator
from opentelemetry.trace import (
    NonRecordingSpan,
    Span,
    SpanContext,
    SpanKind,
    StatusCode,
    TraceFlags,
    set_span_in_context,
)

from assay.inference.request import RunFacts
from assay.inference.telemetry import attributes
from assay.inference.telemetry.attributes import Server
from assay.inference.telemetry.protocol import Delivery, RequestTracing, RunEnd
from assay.records import Prediction, Response
from assay.records.keys import RequestPlace
from assay.records.statuses import PredictionStatus, RunStatus

SAMPLED = TraceFlags(TraceFlags.SAMPLED)
FAILED = frozenset(
    {
        PredictionStatus.FAILED,
        PredictionStatus.REFUSED,
        PredictionStatus.INVALID_OUTPUT,
        PredictionStatus.FALLBACK,
    }
)
FAILURES_PER_SECOND = 20
"""Maximum number of failed requests per second that are traced in addition to the sample, e.g. in an outage."""
SPREAD, PLACES = 2654435761, 1 << 32
"""2^32 divided by the golden ratio; its multiples modulo 2^32 are evenly distributed."""


class RunIds(IdGenerator):
    """Generates ids from the system's random source, independent of seeds; inside `fixed`, uses the given ids."""

    def __init__(self) -> None:
        self._fixed = threading.local()

    @contextmanager
    def fixed(self, trace_id: int, span_id: int) -> Iterator[None]:
        """Context manager: a span that this thread starts inside the block gets these ids."""
        self._fixed.ids = (trace_id, span_id)
        try:
            yield
        finally:
            del self._fixed.ids

    def generate_trace_id(self) -> int:
        """The fixed trace id, or a random one other than 0."""
        ids: tuple[int, int] | None = getattr(self._fixed, "ids", None)
        return ids[0] if ids else int.from_bytes(os.urandom(16)) or 1

    def generate_span_id(self) -> int:
        """The fixed span id, or a random one other than 0."""
        ids: tuple[int, int] | None = getattr(self._fixed, "ids", None)
        return ids[1] if ids else int.from_bytes(os.urandom(8)) or 1

    def is_trace_id_random(self) -> bool:
        """False, because the trace id of a run is its run id, in which some bits are constant."""
        return False


@dataclass(frozen=True, slots=True, kw_only=True)
class TracedRun:
    """The run that is traced; `sample` is the share of requests that are traced, from 0 to 1.

    `servers` maps a provider to its host and port; `parent` is the span whose trace the run continues, if any.
    """

    facts: RunFacts
    servers: Mapping[str, Server] = field(default_factory=dict)
    sample: float = 1.0
    parent: SpanContext | None = None

    @property
    def trace_id(self) -> int:
        """The id of the trace that the run continues, otherwise the run's own."""
        if self.parent is not None:
            return self.parent.trace_id
        digits = (
            self.facts.run_id
            if _is_trace_id(self.facts.run_id)
            else hashlib.sha256(self.facts.run_id.encode()).hexdigest()
        )
        return int(digits[:32], 16)

    @property
    def span_id(self) -> int:
        """The id of the run's own span; the same in every process of the run."""
        return int(hashlib.sha256(f"run:{self.facts.run_id}".encode()).hexdigest()[:16], 16)


class OpenTelemetryTracing:
    """Tracing of one run in this process; `close` exports the remaining spans."""

    def __init__(
        self,
        provider: TracerProvider,
        run: TracedRun,
        *,
        ids: RunIds,
        close: Callable[[], Delivery],
        now_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        self._tracer = provider.get_tracer("assay")
        self._run = run
        self._ids = ids
        self._close = close
        self._common = attributes.of_run(run.facts)
        self._above = _below(SpanContext(run.trace_id, run.span_id, is_remote=True, trace_flags=SAMPLED))
        self._sampled_places = round(run.sample * PLACES)
        self._second = self._failures = 0
        self.now_ns = now_ns
        self._trace_id = format(run.trace_id, "032x")

    @property
    def trace_id(self) -> str | None:
        """See `Tracing.trace_id`."""
        return self._trace_id

    @property
    def per_request(self) -> RequestTracing | None:
        """See `Tracing.per_request`."""
        return self

    def start_request(self, position: int, *, epoch: int) -> TracedRequest:
        """See `RequestTracing.start_request`."""
        return TracedRequest(self, self._above, RequestPlace(position, epoch))

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """See `Tracing.stage`."""
        with self._block(name, {}):
            yield

    @contextmanager
    def shard(self, number: int) -> Iterator[None]:
        """See `Tracing.shard`."""
        with self._block(f"shard {number}", {"assay.shard": number}):
            yield

    def finish_run(self, end: RunEnd) -> None:
        """See `Tracing.finish_run`."""
        above = _below(self._run.parent) if self._run.parent is not None else Context()
        stated: dict[str, attributes.Value] = {
            **attributes.of_workflow(self._run.facts),
            "assay.status": end.status,
            "assay.records": end.records,
            "assay.predictions": end.predictions,
            "assay.calls": end.calls,
        }
        with self._ids.fixed(self._run.trace_id, self._run.span_id):
            span = self._tracer.start_span(
                f"{attributes.INVOKE_WORKFLOW} {self._run.facts.task}",
                above,
                attributes=stated,
                start_time=_ns(end.started_at),
            )
        if end.status != RunStatus.COMPLETED:
            _failed(span, end.status)
        span.end(_ns(end.ended_at))

    def close(self) -> Delivery:
        """See `Tracing.close`."""
        return self._close()

    def is_traced(self, place: RequestPlace, *, failed: bool) -> bool:
        """True for sampled requests, and for failed ones up to `FAILURES_PER_SECOND`.

        The sample is the same in every process and on every attempt.
        """
        position, epoch = place
        if ((position + 1) * SPREAD + epoch * 40503) % PLACES < self._sampled_places:
            return True
        if not failed:
            return False
        second = self.now_ns() // 1_000_000_000
        self._failures = self._failures + 1 if second == self._second else 1
        self._second = second
        return self._failures <= FAILURES_PER_SECOND

    def emit_request(
        self, request: TracedRequest, prediction: Prediction | None, responses: Sequence[Response]
    ) -> None:
        """Emits the spans of a completed request."""
        position, epoch = request.place
        stated = {**self._common, **attributes.of_request(prediction), "assay.position": position, "assay.epoch": epoch}
        span = self._tracer.start_span("request", request.above, attributes=stated, start_time=request.began_ns)
        inside = _below(span.get_span_context())
        for response in responses:
            self._emit_call(response, inside)
        if "error.type" in stated:
            span.set_status(StatusCode.ERROR)
        span.end(self.now_ns())

    def _emit_call(self, response: Response, above: Context) -> None:
        stated = self._common | attributes.of_call(response, self._run.servers.get(response.provider))
        began = response.started_at
        span = self._tracer.start_span(
            f"{attributes.CHAT} {response.request_model}",
            above,
            kind=SpanKind.CLIENT,
            attributes=stated,
            start_time=_ns(began),
        )
        if "error.type" in stated:
            span.set_status(StatusCode.ERROR)
        span.end(_ns(began + timedelta(milliseconds=response.latency_ms or 0.0)))

    @contextmanager
    def _block(self, name: str, stated: Mapping[str, attributes.Value]) -> Iterator[None]:
        above = self._above
        span = self._tracer.start_span(name, above, attributes={**self._common, **stated}, start_time=self.now_ns())
        self._above = _below(span.get_span_context())
        try:
            yield
        except BaseException as error:
            # Only the error's type is recorded: the message, which the SDK would also record, may quote a record.
            _failed(span, type(error).__name__)
            raise
        finally:
            self._above = above
            span.end(self.now_ns())


class TracedRequest:
    """One request in progress; holds the data of its span until the request ends."""

    __slots__ = ("_tracing", "above", "began_ns", "place", "trace_id")

    def __init__(self, tracing: OpenTelemetryTracing, above: Context, place: RequestPlace) -> None:
        self._tracing = tracing
        self.above = above
        self.place = place
        self.began_ns = tracing.now_ns()
        self.trace_id = tracing.trace_id or ""

    def end(self, prediction: Prediction | None, responses: Sequence[Response] = ()) -> None:
        """See `RequestSpan.end`."""
        failed = prediction is None or prediction.status in FAILED
        if self._tracing.is_traced(self.place, failed=failed):
            self._tracing.emit_request(self, prediction, responses)


def _failed(span: Span, kind: str) -> None:
    span.set_attribute("error.type", kind)
    span.set_status(StatusCode.ERROR)


def _below(above: SpanContext) -> Context:
    """The context in which a new span becomes a child of the span `above`."""
    return set_span_in_context(NonRecordingSpan(above), Context())


def _is_trace_id(text: str) -> bool:
    return len(text) == 32 and set(text) <= set("0123456789abcdef") and text.strip("0") != ""


def _ns(moment: datetime) -> int:
    """Nanoseconds since 1970, exact to the microsecond."""
    return round(moment.timestamp() * 1_000_000) * 1000
