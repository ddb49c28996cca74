"""The spans of a run: their tree, their names, what they say and which of them there are."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from opentelemetry import trace
from opentelemetry.trace import SpanContext, SpanKind, StatusCode

from assay.inference.telemetry.protocol import NoTracing
from assay.inference.telemetry.spans import FAILURES_PER_SECOND, SAMPLED
from tests.inference.telemetry.rows import BEGAN, END, FACTS, RUN_ID, Traced, call, failed_call, prediction, said, tree

PARENT = SpanContext(0x0AF7651916CD43DD8448EB211C80319C, 0xB7AD6B7169203331, is_remote=True, trace_flags=SAMPLED)
ALL = 2000


def test_run_stages_shard_request_and_calls_are_one_tree() -> None:
    rig = Traced()
    with rig.tracing.stage("admit"):
        pass
    with rig.tracing.stage("answer"), rig.tracing.shard(3):
        rig.answer(prediction(), [failed_call(request_model="m1"), call(request_model="m2")])
    with rig.tracing.stage("score"):
        pass
    rig.tracing.finish_run(END)
    run = "invoke_workflow support_triage"
    assert tree(rig.spans()) == {
        run: None,
        "admit": run,
        "answer": run,
        "score": run,
        "shard 3": "answer",
        "request": "shard 3",
        "chat m1": "request",
        "chat m2": "request",
    }
    assert {span.context.trace_id for span in rig.spans() if span.context} == {int(RUN_ID, 16)}


def test_the_trace_id_of_a_request_is_that_of_its_spans() -> None:
    rig = Traced()
    given = rig.answer(prediction(), [call()])
    assert given == RUN_ID
    assert {format(span.context.trace_id, "032x") for span in rig.spans() if span.context} == {given}


def test_a_run_id_that_is_no_trace_id_still_gives_one_of_32_digits() -> None:
    rig = Traced(facts=replace(FACTS, run_id="run-1"))
    given = rig.answer(prediction())
    assert len(given) == 32
    assert int(given, 16) > 0


def test_processes_that_work_on_one_run_hang_their_spans_below_the_same_one() -> None:
    here, there = Traced(), Traced()
    with here.tracing.stage("answer"):
        pass
    there.tracing.finish_run(END)
    above = here.only("answer").parent
    run = there.only("invoke_workflow support_triage")
    assert above is not None
    assert run.context is not None
    assert (above.trace_id, above.span_id) == (run.context.trace_id, run.context.span_id)


def test_a_run_continues_the_trace_that_started_it() -> None:
    rig = Traced(parent=PARENT)
    given = rig.answer(prediction())
    rig.tracing.finish_run(END)
    run = rig.only("invoke_workflow support_triage")
    assert given == format(PARENT.trace_id, "032x")
    assert run.parent is not None
    assert run.parent.span_id == PARENT.span_id
    assert tree(rig.spans())["request"] == run.name


def test_a_call_is_told_in_the_words_of_the_genai_conventions() -> None:
    rig = Traced()
    rig.answer(prediction(), [call()])
    span = rig.only("chat gpt-5-nano")
    assert span.kind is SpanKind.CLIENT
    assert span.status.status_code is StatusCode.UNSET
    assert said(span) == {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "gpt-5-nano",
        "gen_ai.response.model": "gpt-5-nano-2025-08-07",
        "gen_ai.response.id": "chatcmpl-1",
        "gen_ai.response.finish_reasons": ("stop",),
        "gen_ai.output.type": "json",
        "gen_ai.usage.input_tokens": 120,
        "gen_ai.usage.output_tokens": 30,
        "gen_ai.usage.cache_read.input_tokens": 64,
        "gen_ai.usage.cache_creation.input_tokens": 0,
        "gen_ai.usage.reasoning.output_tokens": 8,
        "server.address": "api.openai.com",
        "server.port": 443,
        "http.response.status_code": 200,
        "assay.run_id": RUN_ID,
        "assay.task": "support_triage",
        "assay.call_id": "call-1",
        "assay.attempt": 1,
        "assay.purpose": "answer",
        "assay.route": "first",
        "assay.status": "ok",
        "assay.queue_ms": 3.5,
        "assay.billing": "known",
        "assay.cost_usd": 0.00012,
        "assay.is_batch": False,
    }


def test_a_call_s_span_lasts_as_long_as_its_row_says() -> None:
    rig = Traced()
    rig.answer(prediction(), [call()])
    span = rig.only("chat gpt-5-nano")
    assert span.start_time == int(BEGAN.timestamp()) * 10**9 + 250_000_000
    assert span.end_time is not None
    assert span.end_time - span.start_time == 125_500_000


@pytest.mark.parametrize("kind", ["rate_limited", "timeout", "connect", "server", "refused", "invalid_output"])
def test_a_call_that_failed_is_an_error_of_its_kind(kind: str) -> None:
    rig = Traced()
    rig.answer(prediction(), [failed_call(kind, None)])
    span = rig.only("chat gpt-5-nano")
    assert (span.status.status_code, span.status.description) == (StatusCode.ERROR, None)
    assert said(span)["error.type"] == kind
    assert "http.response.status_code" not in said(span)


def test_a_request_without_an_answer_is_an_error_of_its_kind() -> None:
    rig = Traced()
    rig.answer(prediction(status="failed", error_type="timeout", calls=3))
    span = rig.only("request")
    assert span.status.status_code is StatusCode.ERROR
    assert {name: said(span)[name] for name in ("error.type", "assay.status", "assay.calls")} == {
        "error.type": "timeout",
        "assay.status": "failed",
        "assay.calls": 3,
    }


def test_a_request_that_the_run_was_stopped_over_has_its_calls_all_the_same() -> None:
    rig = Traced()
    rig.answer(None, [failed_call("auth", 401)])
    assert said(rig.only("request"))["error.type"] == "stopped"
    assert said(rig.only("chat gpt-5-nano"))["http.response.status_code"] == 401


def test_a_run_that_did_not_complete_is_an_error() -> None:
    rig = Traced()
    rig.tracing.finish_run(replace(END, status="failed", predictions=0))
    span = rig.only("invoke_workflow support_triage")
    assert span.status.status_code is StatusCode.ERROR
    assert said(span)["gen_ai.operation.name"] == "invoke_workflow"
    assert said(span)["gen_ai.workflow.name"] == "support_triage"
    assert (said(span)["assay.records"], said(span)["assay.predictions"], said(span)["assay.calls"]) == (1, 0, 1)
    assert span.end_time is not None
    assert span.start_time is not None
    assert timedelta(microseconds=(span.end_time - span.start_time) / 1000) == END.ended_at - END.started_at


def test_a_stage_that_fails_is_an_error_that_passes_on() -> None:
    rig = Traced()
    with pytest.raises(ValueError, match="disk"), rig.tracing.stage("score"):
        raise ValueError("disk is full")
    with rig.tracing.stage("admit"):
        pass
    assert said(rig.only("score"))["error.type"] == "ValueError"
    assert tree(rig.spans())["admit"] is None


@pytest.mark.parametrize("share", [0.0, 0.01, 0.25, 1.0])
def test_the_sample_has_the_share_asked_for(share: float) -> None:
    rig = Traced(sample=share)
    for position in range(ALL):
        rig.answer(prediction(), position=position)
    assert abs(len(rig.spans()) - share * ALL) <= 1


def test_every_process_samples_the_same_requests() -> None:
    here, there = Traced(sample=0.1), Traced(sample=0.1)
    for position in range(200):
        here.answer(prediction(), position=position)
    for position in reversed(range(200)):
        there.answer(prediction(), position=position)
    sampled = [sorted(said(span)["assay.position"] for span in rig.spans()) for rig in (here, there)]
    assert sampled[0] == sampled[1] != []


def test_requests_outside_the_sample_have_the_trace_id_too() -> None:
    rig = Traced(sample=0.0)
    assert rig.answer(prediction(), [call()]) == RUN_ID
    assert rig.spans() == ()


def test_failures_are_traced_beside_the_sample_so_many_a_second() -> None:
    rig = Traced(sample=0.0)
    for second in (1, 2):
        rig.clock.seconds = second
        for position in range(100):
            rig.answer(prediction(status="failed", error_type="server"), position=position)
    assert len(rig.spans()) == 2 * FAILURES_PER_SECOND


def test_requests_that_the_budget_left_out_are_no_failures_to_trace() -> None:
    rig = Traced(sample=0.0)
    rig.answer(prediction(status="skipped_budget", error_type="budget"))
    assert rig.spans() == ()


def test_the_process_own_tracer_is_left_alone() -> None:
    before = trace.get_tracer_provider()
    Traced().tracing.close()
    assert trace.get_tracer_provider() is before


def test_tracing_that_is_off_asks_nothing_of_the_engine() -> None:
    off = NoTracing()
    with off.stage("answer"), off.shard(1):
        off.finish_run(END)
    assert off.per_request is None
    assert off.close().exported == 0
