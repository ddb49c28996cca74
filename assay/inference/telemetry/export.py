"""Exports spans in batches from a separate thread, counts them, and gives up after a timeout.

If the collector rejects spans, hangs or is unreachable, spans are lost but the run continues. The extra `otel` installs
the OTLP exporter.
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
from assay.settings.proxies import is_loopback
from assay.version import code_version

REQUEST_SECONDS = 3.0
"""Maximum number of seconds for exporting one batch, including retries."""
CLOSE_SECONDS = 4.0
GIVING_UP_SECONDS = 0.5
QUEUE_SPANS = 4096
BATCH_SPANS = 512
EVERY_MS = 1000.0
LIBRARY = "opentelemetry"


@dataclass
class SpanCounter(SpanProcessor):
    """Counts the spans that have ended, from which the number of lost spans is computed."""

    ended: int = 0

    def on_end(self, span: ReadableSpan) -> None:
        """Counts one span."""
        self.ended += 1


class CountingExporter(SpanExporter):
    """Passes batches of spans to `exporter` and counts the exported spans."""

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
class ExportShutdown:
    """Stops the export of spans: waits up to `patience_s`, or less if the last batch failed."""

    provider: TracerProvider
    exporter: CountingExporter
    counted: SpanCounter
    patience_s: float = CLOSE_SECONDS

    def __call__(self) -> Delivery:
        """Waits at most `patience_s` plus half a second, and returns the numbers of exported and lost spans.

        A thread that is still hanging by then ends with the process.
        """
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
    """Tracing of `run` that exports spans through `exporter` in a separate thread; drops spans if its queue is full."""
    ids, delivering, counted = RunIds(), CountingExporter(exporter), SpanCounter()
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
    return OpenTelemetryTracing(provider, run, ids=ids, close=ExportShutdown(provider, delivering, counted, patience_s))


def otlp_exporter(endpoint: str) -> SpanExporter:
    """An OTLP/HTTP exporter to the URL; headers and certificates are read from `OTEL_EXPORTER_OTLP_*` variables.

    Raises:
        UsageError: the exporter is not installed.
    """
    try:
        import requests
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    except ImportError as error:
        raise UsageError(
            f"Trace export to {endpoint} is configured, but the package opentelemetry-exporter-otlp-proto-http is not "
            "installed",
            next_step="install the extra `otel`, or unset OTEL_EXPORTER_OTLP_ENDPOINT.",
        ) from error
    # The library would write a line to stderr for each failed batch; `Delivery` reports the lost spans once, at the end.
    library = logging.getLogger(LIBRARY)
    if not library.handlers:
        library.addHandler(logging.NullHandler())
        library.propagate = False
    session = None  # the library's own
    if is_loopback(endpoint):
        session = requests.Session()
        session.trust_env = False  # no proxy
    return OTLPSpanExporter(endpoint=endpoint, timeout=REQUEST_SECONDS, session=session)
