"""Delivery of spans: batched in its own thread, counted, abandoned after a time-out.

A collector that refuses, hangs or is away costs spans, never a run. The OTLP exporter is the extra `otel`.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.sampling import ALWAYS_ON

from assay.errors import UsageError
from assay.inference.telemetry.protocol import Delivery
from assay.inference.telemetry.spans import OpenTelemetryTracing, RunIds, TracedRun
from assay.version import code_version

REQUEST_SECONDS = 3.0
"""Maximum seconds of one delivery, including retries."""
CLOSE_SECONDS = 4.0
GIVING_UP_SECONDS = 0.5
QUEUE_SPANS = 4096
BATCH_SPANS = 512
EVERY_MS = 1000.0
LIBRARY = "opentelemetry"


@dataclass
class Counted(SpanProcessor):
    """Counts ended spans, because spans that never reach the exporter are lost."""

    ended: int = 0

    def on_end(self, span: ReadableSpan) -> None:
        """Counts one span."""
        self.ended += 1


class Delivering(SpanExporter):
    """Passes batches to `exporter` and counts the delivered spans."""

    def __init__(self, exporter: SpanExporter) -> None:
        self._exporter = exporter
        self.exported = 0
        self.is_failing = False

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """See `SpanExporter.export`."""
        result = self._exporter.export(spans)
        self.is_failing = result is not SpanExportResult.SUCCESS
        self.exported += 0 if self.is_failing else len(spans)
        return result

    def shutdown(self) -> None:
        """See `SpanExporter.shutdown`."""
        self._exporter.shutdown()

    def force_flush(self, timeout_millis: int = 30000) -> bool:
        """See `SpanExporter.force_flush`."""
        return self._exporter.force_flush(timeout_millis)


@dataclass
class Closing:
    """Ends delivery: waits up to `patience_s`, less if the last batch already failed."""

    provider: TracerProvider
    exporter: Delivering
    counted: Counted
    patience_s: float = CLOSE_SECONDS

    def __call__(self) -> Delivery:
        """Waits at most `patience_s` plus half a second; a thread that still hangs ends with the process."""
        ending = threading.Thread(target=self.provider.shutdown, name="assay-spans-ending", daemon=True)
        ending.start()
        until = time.monotonic() + self.patience_s
        while ending.is_alive() and time.monotonic() < until and not self.exporter.is_failing:
            ending.join(0.05)
        if ending.is_alive():
            self.exporter.shutdown()  # interrupts the exporter's wait between retries
            ending.join(GIVING_UP_SECONDS)
        exported = self.exporter.exported
        return Delivery(exported=exported, lost=self.counted.ended - exported)


def traced(
    run: TracedRun, exporter: SpanExporter, *, service: str, patience_s: float = CLOSE_SECONDS
) -> OpenTelemetryTracing:
    """Tracing of `run` whose spans go to `exporter` in a thread of their own; spans that it cannot take are dropped."""
    ids, delivering, counted = RunIds(), Delivering(exporter), Counted()
    provider = TracerProvider(
        sampler=ALWAYS_ON,  # `spans.py` samples the requests
        resource=Resource.create({"service.name": service, "service.version": code_version()}),
        shutdown_on_exit=False,
        id_generator=ids,
    )
    provider.add_span_processor(counted)
    provider.add_span_processor(
        BatchSpanProcessor(
            delivering, max_queue_size=QUEUE_SPANS, schedule_delay_millis=EVERY_MS, max_export_batch_size=BATCH_SPANS
        )
    )
    return OpenTelemetryTracing(provider, run, ids=ids, close=Closing(provider, delivering, counted, patience_s))


def otlp_exporter(endpoint: str) -> SpanExporter:
    """An exporter to the URL over OTLP/HTTP; headers and certificates from `OTEL_EXPORTER_OTLP_*` variables.

    Raises:
        UsageError: the exporter is not installed.
    """
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    except ImportError as error:
        raise UsageError(
            f"Spans are to go to {endpoint}, but the exporter is not installed: expected the package "
            "opentelemetry-exporter-otlp-proto-http",
            next_step="install the extra `otel`, or unset OTEL_EXPORTER_OTLP_ENDPOINT.",
        ) from error
    # The library would write a line to stderr for each batch that fails; `Delivery` reports it once, at the end.
    library = logging.getLogger(LIBRARY)
    if not library.handlers:
        library.addHandler(logging.NullHandler())
        library.propagate = False
    return OTLPSpanExporter(endpoint=endpoint, timeout=REQUEST_SECONDS)
