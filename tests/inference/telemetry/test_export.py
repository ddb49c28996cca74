"""Spans on their way out: to a real receiver of OTLP, and to collectors that are gone, hang or refuse."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from assay.errors import UsageError
from assay.inference.telemetry.export import CLOSE_SECONDS, GIVING_UP_SECONDS, QUEUE_SPANS, otlp_exporter, traced
from assay.inference.telemetry.opening import open_tracing
from assay.inference.telemetry.protocol import Delivery, NoTracing, Tracing
from assay.inference.telemetry.spans import OpenTelemetryTracing, TracedRun
from assay.settings.traces import TraceParent, TraceSettings
from tests.fakes.collector import Collector, closed_port, collecting, hanging
from tests.inference.telemetry.rows import END, FACTS, RUN_ID, call, failed_call, prediction
from tests.paths import ROOT

TRACED_TO_NOBODY = """
import sys
from tests.inference.telemetry.test_export import opened, short_run
print("lost", short_run(opened(sys.argv[1])).lost)
"""
URLS = {"openai": "https://key:secret@api.openai.com/v1?token=secret", "local": "http://127.0.0.1:9070/v1"}


class Stuck(SpanExporter):
    """An exporter that comes back from its first batch when it is told to."""

    def __init__(self) -> None:
        self.entered, self.released = threading.Event(), threading.Event()

    def export(self, spans: object) -> SpanExportResult:
        self.entered.set()
        self.released.wait(10)
        return SpanExportResult.SUCCESS

    def shutdown(self) -> None:
        self.released.set()


class Deaf(Stuck):
    """Comes back only when the test says so."""

    def shutdown(self) -> None:
        """Changes nothing."""


@pytest.fixture
def collector() -> Iterator[Collector]:
    with collecting() as running:
        yield running


def opened(endpoint: str, **settings: Any) -> Tracing:
    return open_tracing(TraceSettings(endpoint=f"{endpoint}/v1/traces", **settings), FACTS, base_urls=URLS)


def short_run(tracing: Tracing) -> Delivery:
    assert tracing.per_request is not None
    with tracing.stage("answer"):
        span = tracing.per_request.start_request(0, epoch=0)
        span.end(prediction(), [failed_call(), call(provider="local", request_model="smollm2-135m")])
    tracing.finish_run(END)
    return tracing.close()


def test_a_receiver_of_otlp_gets_the_tree_with_its_names(collector: Collector) -> None:
    assert short_run(opened(collector.endpoint)) == Delivery(exported=5, lost=0)
    spans = {span.span_id: span for span in collector.spans()}
    above = {span.name: spans[span.parent_span_id].name if span.parent_span_id else None for span in spans.values()}
    assert above == {
        "invoke_workflow support_triage": None,
        "answer": "invoke_workflow support_triage",
        "request": "answer",
        "chat gpt-5-nano": "request",
        "chat smollm2-135m": "request",
    }
    assert {span.trace_id.hex() for span in spans.values()} == {RUN_ID}
    assert set(collector.paths) == {"/v1/traces"}


def test_a_receiver_is_told_usage_and_server_but_no_credentials(collector: Collector) -> None:
    short_run(opened(collector.endpoint))
    (span,) = (span for span in collector.spans() if span.name == "chat smollm2-135m")
    ints = {item.key: item.value.int_value for item in span.attributes if item.value.HasField("int_value")}
    texts = {item.key: item.value.string_value for item in span.attributes if item.value.HasField("string_value")}
    assert (ints["gen_ai.usage.input_tokens"], ints["gen_ai.usage.output_tokens"]) == (120, 30)
    assert (texts["server.address"], ints["server.port"]) == ("127.0.0.1", 9070)
    assert "secret" not in str(collector.requests)


def test_a_receiver_is_told_who_sends(collector: Collector) -> None:
    short_run(opened(collector.endpoint, service="nightly"))
    assert collector.resource()["service.name"] == "nightly"
    assert collector.resource()["service.version"]


def test_a_trace_that_was_begun_elsewhere_goes_on(collector: Collector) -> None:
    short_run(opened(collector.endpoint, parent=TraceParent(int("ab" * 16, 16), int("cd" * 8, 16), is_sampled=True)))
    (run,) = (span for span in collector.spans() if span.name.startswith("invoke_workflow"))
    assert (run.trace_id.hex(), run.parent_span_id.hex()) == ("ab" * 16, "cd" * 8)
    assert {span.trace_id for span in collector.spans()} == {run.trace_id}


def test_without_an_endpoint_nothing_is_traced() -> None:
    assert isinstance(open_tracing(TraceSettings(), FACTS, base_urls=URLS), NoTracing)


def test_a_collector_that_is_gone_costs_its_spans_only() -> None:
    assert short_run(opened(closed_port())) == Delivery(exported=0, lost=5)


@pytest.mark.parametrize("status", [400, 401, 500, 503])
def test_a_collector_that_refuses_costs_its_spans_only(status: int) -> None:
    with collecting(status=status) as collector:
        assert short_run(opened(collector.endpoint)) == Delivery(exported=0, lost=5)


def test_a_collector_that_hangs_is_given_up() -> None:
    with hanging() as endpoint:
        tracing = traced(
            TracedRun(facts=FACTS), otlp_exporter(f"{endpoint}/v1/traces"), service="assay", patience_s=0.2
        )
        assert short_run(tracing) == Delivery(exported=0, lost=5)


def test_closing_does_not_wait_for_an_exporter_that_cannot_be_woken() -> None:
    deaf = Deaf()
    tracing = traced(TracedRun(facts=FACTS), deaf, service="assay", patience_s=0.1)
    try:
        assert short_run(tracing) == Delivery(exported=0, lost=5)
        assert "assay-spans-ending" in {thread.name for thread in threading.enumerate()}
    finally:
        deaf.released.set()


class FailsOnce(Stuck):
    """Its first batch fails, its second one hangs; `was_woken` says whether a shutdown ended that."""

    was_woken = False

    def export(self, spans: object) -> SpanExportResult:
        if not self.entered.is_set():
            self.entered.set()
            return SpanExportResult.FAILURE
        self.was_woken = self.released.wait(5)
        return SpanExportResult.FAILURE


def test_closing_has_no_patience_with_a_collector_that_has_just_failed() -> None:
    failing = FailsOnce()
    tracing = traced(TracedRun(facts=FACTS), failing, service="assay", patience_s=60)
    answer_many(tracing, 1024)
    assert failing.entered.wait(10)
    assert tracing.close() == Delivery(exported=0, lost=1024)
    assert failing.was_woken


@pytest.mark.processes
def test_a_collector_that_is_gone_says_nothing_on_the_terminal() -> None:
    done = subprocess.run(
        [sys.executable, "-c", TRACED_TO_NOBODY, closed_port()], cwd=ROOT, capture_output=True, timeout=60, check=True
    )
    assert (done.stdout, done.stderr) == (b"lost 5\n", b"")


def test_closing_takes_five_seconds_at_most() -> None:
    assert CLOSE_SECONDS + GIVING_UP_SECONDS <= 5


def test_a_run_goes_on_while_the_collector_is_stuck_and_old_spans_give_way() -> None:
    stuck = Stuck()
    tracing: OpenTelemetryTracing = traced(TracedRun(facts=FACTS), stuck, service="assay")
    answer_many(tracing, 1024)
    assert stuck.entered.wait(10)
    answer_many(tracing, 2 * QUEUE_SPANS)
    stuck.released.set()
    delivery = tracing.close()
    assert delivery.lost >= QUEUE_SPANS
    assert delivery.exported + delivery.lost == 1024 + 2 * QUEUE_SPANS


def answer_many(tracing: OpenTelemetryTracing, count: int) -> None:
    for position in range(count):
        tracing.start_request(position, epoch=0).end(prediction())


def test_spans_are_delivered_by_a_thread_of_their_own() -> None:
    threads: list[str] = []

    class Watched(InMemorySpanExporter):
        def export(self, spans: Any) -> SpanExportResult:
            threads.append(threading.current_thread().name)
            return super().export(spans)

    tracing = traced(TracedRun(facts=FACTS), Watched(), service="assay")
    short_run(tracing)
    assert threads
    assert threading.current_thread().name not in threads


def test_an_exporter_that_is_not_installed_is_told_with_what_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry.exporter.otlp.proto.http.trace_exporter", None)
    with pytest.raises(UsageError, match="install the extra `otel`, or unset OTEL_EXPORTER_OTLP_ENDPOINT"):
        opened("http://127.0.0.1:1")
