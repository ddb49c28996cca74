"""Nothing of what is asked or answered, and nothing personal, gets into a span or a log line, whoever tries."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from assay.inference.telemetry.events import EVENTS, open_log
from assay.tasks.task import Task
from tests.fakes.collector import collecting
from tests.fakes.endpoint import ScriptedEndpoint, completion, error
from tests.inference.rig import Rig
from tests.inference.telemetry.rows import RUN_ID, Traced, call, prediction
from tests.inference.telemetry.test_export import opened

CANARIES = (
    "zebrafish-canary@example.com",
    "zebrafish canary wants a refund",
    "zebrafish\ncanary",
    "\x1b]0;zebrafish\x07",
    "{{ zebrafish }}",
    "z\u0335ebrafish: +49 170 1234567",
    "'); drop table zebrafish; --",
    "zebrafish" * 100,
)
COLUMNS_OF_A_CALL = ("error_message", "response_model", "response_id", "finish_reason", "service_tier", "record_id")
COLUMNS_OF_AN_ANSWER = ("output", "error_message", "record_id", "subject_key", "request_key", "input_hash")


def hostile(row: Any, columns: tuple[str, ...], canary: str) -> Any:
    """The row with the text wherever an endpoint or a record has a say."""
    return replace(row, **dict.fromkeys(columns, canary))


@pytest.mark.parametrize("canary", CANARIES)
def test_no_column_of_a_row_carries_content_into_a_span(canary: str) -> None:
    rig = Traced()
    calls = [hostile(call(usage=f'{{"x": "{canary}"}}', tenant_id=canary), COLUMNS_OF_A_CALL, canary)]
    rig.answer(hostile(prediction(status="failed", error_type="server"), COLUMNS_OF_AN_ANSWER, canary), calls)
    spans = rig.spans()
    assert len(spans) == 2
    assert "zebrafish" not in "".join(span.to_json() for span in spans)


def test_nothing_that_the_engine_was_told_gets_into_the_spans_of_its_rows(task: Task) -> None:
    canary = "zebrafish-canary@example.com asks for a refund"
    answers = (
        error(429, canary, code=canary, x_request_id=canary),
        completion(f'{{"label": "{canary}"}}', refusal=None),
        completion(None, refusal=canary),
        completion(f"no JSON: {canary}", finish_reason=canary),
    )
    rig = Traced()
    for answer in answers:
        answered = Rig(task, openai=ScriptedEndpoint([answer])).answer(canary)
        rig.answer(answered.prediction, answered.responses)
    spans = rig.spans()
    assert sum(span.name == "request" for span in spans) == len(answers)
    assert {
        str(span.attributes["error.type"]) for span in spans if span.attributes and "error.type" in span.attributes
    } >= {
        "rate_limited",
        "refused",
        "invalid_output",
    }
    assert "zebrafish" not in "".join(span.to_json() for span in spans)


@pytest.mark.parametrize("canary", CANARIES)
def test_no_message_of_an_exception_gets_into_a_span(canary: str) -> None:
    rig = Traced()
    with pytest.raises(ValueError, match=r".*"), rig.tracing.stage("answer"), rig.tracing.shard(1):
        raise ValueError(canary)
    assert [span.attributes["error.type"] for span in rig.spans() if span.attributes] == ["ValueError"] * 2
    assert "zebrafish" not in "".join(span.to_json() for span in rig.spans())
    assert not any(span.events for span in rig.spans())


def test_nothing_of_it_leaves_on_the_wire() -> None:
    with collecting() as collector:
        tracing = opened(collector.endpoint)
        assert tracing.per_request is not None
        for position, canary in enumerate(CANARIES):
            span = tracing.per_request.start_request(position, epoch=0)
            span.end(hostile(prediction(), COLUMNS_OF_AN_ANSWER, canary), [hostile(call(), COLUMNS_OF_A_CALL, canary)])
        assert tracing.close().exported == 2 * len(CANARIES)
        assert b"zebrafish" not in b"".join(request.SerializeToString() for request in collector.requests)


@pytest.mark.parametrize("canary", CANARIES)
def test_no_field_carries_content_into_the_log(canary: str, tmp_path: Path) -> None:
    events = open_log(tmp_path, RUN_ID)
    configured = ("task", "variant", "lane", "route")
    for name, fields in EVENTS.items():
        events.emit(name, **dict.fromkeys((*fields, "message", "text"), canary) | dict.fromkeys(configured, "plain"))
    events.emit(canary, message=canary)
    events.emit("call_failed", **{canary: canary})
    events.close()
    text = (tmp_path / f"{RUN_ID}.jsonl").read_text("utf-8")
    assert len(text.splitlines()) == len(EVENTS) + 2
    assert "zebrafish" not in text
