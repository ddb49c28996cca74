"""Rows of a run and the span trees that come of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from assay.inference.request import RunFacts
from assay.inference.telemetry.export import traced
from assay.inference.telemetry.protocol import RunEnd
from assay.inference.telemetry.spans import OpenTelemetryTracing, TracedRun
from assay.records import Prediction, Response
from tests.fakes.clock import Clock

RUN_ID = "4bf92f3577b34da6a3ce929d0e0e4736"
DAY = date(2026, 11, 25)
BEGAN = datetime(2026, 11, 25, 8, 0, 0, 250_000, tzinfo=UTC)
ENDED = datetime(2026, 11, 25, 8, 0, 2, tzinfo=UTC)
FACTS = RunFacts(
    run_id=RUN_ID,
    task="support_triage",
    data_date=DAY,
    variant="default",
    stage="shadow",
    inference_version="v1",
    masking_version="m1",
)
SERVERS = {"openai": ("api.openai.com", 443)}
END = RunEnd(started_at=BEGAN, ended_at=ENDED, status="completed", records=1, predictions=1, calls=1)


def call(**columns: Any) -> Response:
    """A call that was answered, but for `columns`."""
    row = Response(
        call_id="call-1",
        run_id=RUN_ID,
        task=FACTS.task,
        data_date=DAY,
        occurred_at=ENDED,
        tenant_id="default",
        request_key="key",
        record_id="r1",
        epoch=0,
        attempt=1,
        purpose="answer",
        route="first",
        provider="openai",
        request_model="gpt-5-nano",
        response_model="gpt-5-nano-2025-08-07",
        response_id="chatcmpl-1",
        status="ok",
        http_status=200,
        finish_reason="stop",
        input_tokens=120,
        output_tokens=30,
        cached_input_tokens=64,
        cache_write_tokens=0,
        reasoning_tokens=8,
        started_at=BEGAN,
        latency_ms=125.5,
        queue_ms=3.5,
        is_batch=False,
        cost_usd=Decimal("0.00012"),
        billing="known",
    )
    return replace(row, **columns)


def failed_call(kind: str = "rate_limited", http_status: int | None = 429, **columns: Any) -> Response:
    """A call that came back without an answer."""
    absent = ("response_model", "response_id", "finish_reason", "input_tokens", "output_tokens")
    nothing = dict.fromkeys((*absent, "cached_input_tokens", "cache_write_tokens", "reasoning_tokens"))
    return call(**{"status": "error", "error_type": kind, "http_status": http_status, **nothing, **columns})


def prediction(**columns: Any) -> Prediction:
    """The answer to a request, but for `columns`."""
    row = Prediction(
        prediction_id="prediction-1",
        run_id=RUN_ID,
        task=FACTS.task,
        data_date=DAY,
        occurred_at=ENDED,
        tenant_id="default",
        request_key="key",
        record_id="r1",
        epoch=0,
        variant="default",
        stage="shadow",
        inference_version="v1",
        input_hash="hash",
        status="ok",
        answer_source="wire",
        output='{"category": "billing"}',
        route="first",
        call_id="call-1",
        calls=1,
        started_at=BEGAN,
        finished_at=ENDED,
        end_to_end_ms=1750.0,
        masking_version="m1",
    )
    return replace(row, **columns)


class Traced:
    """Tracing of a run into memory; `spans` closes it and gives what was exported."""

    def __init__(self, **run: Any) -> None:
        self.memory, self.clock = InMemorySpanExporter(), Clock()
        self.tracing: OpenTelemetryTracing = traced(
            TracedRun(**{"facts": FACTS, "servers": SERVERS, **run}), self.memory, service="assay"
        )
        self.tracing.now_ns = lambda: int(BEGAN.timestamp() + self.clock.seconds) * 10**9

    def answer(self, outcome: Prediction | None, calls: Sequence[Response] = (), *, position: int = 0) -> str:
        """One request from start to end; its trace id."""
        span = self.tracing.start_request(position, epoch=0)
        span.end(outcome, calls)
        return span.trace_id

    def spans(self) -> tuple[ReadableSpan, ...]:
        """Every span, in the order in which they ended."""
        self.tracing.close()
        return self.memory.get_finished_spans()

    def only(self, name: str) -> ReadableSpan:
        """The one span of that name."""
        (span,) = (span for span in self.spans() if span.name == name)
        return span


def said(span: ReadableSpan) -> Mapping[str, Any]:
    """The attributes of a span."""
    return span.attributes or {}


def tree(spans: Sequence[ReadableSpan]) -> dict[str, str | None]:
    """Name of each span to the name of the span above it; None where that one is not among them."""
    names = {span.context.span_id: span.name for span in spans if span.context}
    return {span.name: names.get(span.parent.span_id) if span.parent else None for span in spans}
