"""What becomes of a request, whatever the endpoint does: one prediction, and a row for every call."""

from __future__ import annotations

import errno
from typing import Any

import httpx2
import orjson
import pytest

from assay.errors import ServiceUnreachable, UsageError
from assay.inference.engine import RunAborted
from assay.tasks.task import Task
from tests.fakes.endpoint import Answer, ScriptedEndpoint, completion, error
from tests.inference.rig import FIRST, Rig, only, prediction

GOOD = completion('{"label": "billing"}')
BAD = completion('{"label": "refund"}')
FALLBACK = {"label": "other"}


def rig(task: Task, *answers: Answer, local: list[Answer] | None = None, **more: Any) -> Rig:
    return Rig(
        task, openai=ScriptedEndpoint(answers), local=ScriptedEndpoint(local) if local is not None else None, **more
    )


def statuses(answered: Any) -> list[str]:
    return [response.status for response in answered.responses]


def test_a_valid_answer_is_ok(task: Task) -> None:
    answered = rig(task, GOOD).answer()

    row = prediction(answered)
    assert (row.status, row.output, row.answer_source, row.route) == ("ok", '{"label":"billing"}', "wire", "first")
    assert row.call_id == only(answered.responses).call_id


def test_an_invalid_answer_is_repaired_once(task: Task) -> None:
    answered = rig(task, BAD, GOOD).answer()

    assert prediction(answered).status == "repaired"
    assert [(row.purpose, row.status) for row in answered.responses] == [("answer", "invalid_output"), ("repair", "ok")]


def test_the_repair_turn_shows_the_answer_and_the_fault(task: Task) -> None:
    made = rig(task, BAD, GOOD)
    made.answer()

    *_, answer, ask = made.endpoints["openai"].calls[1]["messages"]
    assert answer == {"role": "assistant", "content": '{"label": "refund"}'}
    assert "label: Input should be 'billing' or 'other'" in ask["content"]


def test_the_answer_of_a_repair_is_the_one_that_the_prediction_names(task: Task) -> None:
    answered = rig(task, BAD, GOOD).answer()

    assert prediction(answered).call_id == answered.responses[1].call_id


def test_a_route_may_do_without_repair(task: Task) -> None:
    answered = rig(task, BAD, routes=(FIRST.model_copy(update={"repair": False}),)).answer()

    assert (prediction(answered).status, statuses(answered)) == ("invalid_output", ["invalid_output"])


def test_two_invalid_answers_lead_to_the_next_route(task: Task) -> None:
    answered = rig(task, BAD, BAD, local=[GOOD]).answer()

    assert (prediction(answered).status, prediction(answered).route) == ("ok", "second")
    assert [row.route for row in answered.responses] == ["first", "first", "second"]


def test_the_declared_fallback_is_the_answer_when_every_route_failed(task: Task) -> None:
    row = prediction(rig(task, BAD, local=[error(500)], fallback=FALLBACK).answer())

    assert (row.status, row.output, row.answer_source, row.call_id) == ("fallback", '{"label":"other"}', None, None)
    assert row.error_type == "server"


@pytest.mark.parametrize(
    ("answer", "status", "error_type", "call_status"),
    [
        (BAD, "invalid_output", "invalid_output", "invalid_output"),
        (completion("I would rather not."), "invalid_output", "invalid_output", "invalid_output"),
        (completion(None), "invalid_output", "invalid_output", "invalid_output"),
        (completion(None, refusal="I can't help with that."), "refused", "refused", "refused"),
        (completion("", finish_reason="content_filter"), "refused", "content_filter", "refused"),
        (error(400, code="content_filter"), "refused", "content_filter", "refused"),
        (completion('{"label": "bill', finish_reason="length"), "failed", "truncated", "truncated"),
        (httpx2.Response(200, json={"choices": []}), "failed", "server", "error"),
        (httpx2.Response(200, json={"choices": [{"message": "text"}]}), "invalid_output", "invalid_output", "invalid_output"),
        (httpx2.Response(200, json=[1]), "failed", "server", "error"),
        (httpx2.Response(200, html="<h1>Welcome</h1>"), "failed", "server", "error"),
        (httpx2.Response(200, content=b"{", headers={"content-type": "application/json"}), "failed", "server", "error"),
        (httpx2.Response(200, content=b"[" * 99_999, headers={"content-type": "application/json"}), "failed", "server", "error"),
        (httpx2.Response(200, content=b"\xff\xfe", headers={"content-type": "application/json"}), "failed", "server", "error"),
        (httpx2.Response(403, html="<h1>Blocked</h1>"), "failed", "bad_request", "error"),
        (error(404, "no such page"), "failed", "bad_request", "error"),
        (error(500), "failed", "server", "error"),
        (error(429), "failed", "rate_limited", "error"),
        (error(504), "failed", "timeout", "error"),
        (httpx2.ReadTimeout("slow"), "failed", "timeout", "error"),
        (httpx2.RemoteProtocolError("gone"), "failed", "connect", "error"),
    ],
)  # fmt: skip
def test_without_a_fallback_the_status_says_what_happened(
    task: Task, answer: Answer, status: str, error_type: str, call_status: str
) -> None:
    answered = rig(task, answer).answer()

    row = prediction(answered)
    assert (row.status, row.error_type, row.output) == (status, error_type, None)
    assert set(statuses(answered)) == {call_status}


def test_an_answer_cut_off_after_its_last_brace_is_whole(task: Task) -> None:
    answered = rig(task, completion('{"label": "billing"}', finish_reason="length")).answer()

    assert (prediction(answered).status, statuses(answered)) == ("ok", ["truncated"])


def test_an_answer_that_lacks_only_its_last_brace_is_completed_without_another_call(task: Task) -> None:
    answered = rig(task, completion('{"label": "billing"', finish_reason="length")).answer()

    assert (prediction(answered).status, prediction(answered).output) == ("repaired", '{"label":"billing"}')
    assert len(answered.responses) == 1


def test_a_truncated_answer_is_asked_for_again_shorter_and_then_on_the_next_route(task: Task) -> None:
    cut = completion('{"label": "bill', finish_reason="length")
    made = rig(task, cut, local=[GOOD])
    answered = made.answer()

    assert [(row.route, row.purpose) for row in answered.responses] == [
        ("first", "answer"),
        ("first", "repair"),
        ("second", "answer"),
    ]
    assert "cut off at the limit of tokens" in made.endpoints["openai"].calls[1]["messages"][-1]["content"]


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504, 529])
def test_a_passing_failure_is_tried_again(task: Task, status: int) -> None:
    answered = rig(task, error(status), error(status), GOOD).answer()

    assert (prediction(answered).status, statuses(answered)) == ("ok", ["error", "error", "ok"])


def test_attempts_end_at_the_routes_maximum(task: Task) -> None:
    made = rig(task, error(500))

    assert len(made.answer().responses) == FIRST.max_attempts
    assert len(made.waits) == FIRST.max_attempts - 1


@pytest.mark.parametrize("status", [400, 404, 413, 422])
def test_a_refusal_of_the_request_is_never_tried_again(task: Task, status: int) -> None:
    made = rig(task, error(status))
    made.answer()

    assert (len(made.endpoints["openai"].calls), made.waits) == (1, [])


def test_retry_after_is_the_least_wait(task: Task) -> None:
    made = rig(task, error(429, retry_after="7"), GOOD)
    made.answer()

    assert made.waits[0] >= 7


def test_milliseconds_of_retry_after_are_read_as_such(task: Task) -> None:
    made = rig(task, error(429, retry_after_ms="2500", retry_after="60"), GOOD)
    made.answer()

    assert 2.5 <= made.waits[0] < 60


@pytest.mark.parametrize("value", ["nan", "inf", "-1", "soon", "86400", "Wed, 21 Oct 2026 07:28:00 GMT"])
def test_no_retry_after_can_make_a_run_wait_for_ever(task: Task, value: str) -> None:
    made = rig(task, error(429, retry_after=value), GOOD)

    assert prediction(made.answer()).status == "ok"
    assert all(0 <= wait <= 120 for wait in made.waits)


def test_a_refused_key_stops_the_run_and_names_the_provider(task: Task) -> None:
    with pytest.raises(RunAborted) as stopped:
        rig(task, error(401, "Incorrect API key provided"), local=[GOOD]).answer()

    assert isinstance(stopped.value.error, UsageError)
    assert "Provider 'openai': HTTP 401: Incorrect API key provided; check the key" in str(stopped.value)


@pytest.mark.parametrize("answer", [error(429, "no money", code="insufficient_quota"), error(402, "no money")])
def test_a_used_up_quota_stops_the_run(task: Task, answer: httpx2.Response) -> None:
    with pytest.raises(RunAborted, match="no money; raise the account's quota"):
        rig(task, answer).answer()


def test_a_stopped_run_keeps_the_rows_of_the_calls_made(task: Task) -> None:
    with pytest.raises(RunAborted) as stopped:
        rig(task, error(500), error(401)).answer()

    assert [row.error_type for row in stopped.value.work.responses] == ["server", "auth"]


def test_an_error_that_nobody_expects_keeps_the_rows_of_the_calls_made(
    task: Task, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(*_: object) -> None:
        raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setattr("assay.inference.engine.validate", failing)
    with pytest.raises(RunAborted) as stopped:
        rig(task, GOOD).answer()

    assert isinstance(stopped.value.error, OSError)
    assert [row.billing for row in stopped.value.work.responses] == ["known"]


def test_a_price_list_that_cannot_be_read_loses_no_call(task: Task, monkeypatch: pytest.MonkeyPatch) -> None:
    made = rig(task, GOOD)

    def failing(*_: object, **__: object) -> None:
        raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setattr("assay.inference.prices._listed", failing)
    made_row = prediction(made.answer())

    assert made_row.status == "ok"


@pytest.mark.parametrize("fault", [httpx2.ConnectError("refused"), httpx2.ConnectTimeout("silent")])
def test_a_run_stops_when_no_endpoint_takes_connections(task: Task, fault: Exception) -> None:
    with pytest.raises(RunAborted) as stopped:
        rig(task, fault, local=[fault], fallback=FALLBACK).answer()

    assert isinstance(stopped.value.error, ServiceUnreachable)
    assert {row.billing for row in stopped.value.work.responses} == {"known"}


def test_a_run_goes_on_when_one_route_answers_badly_and_the_other_is_down(task: Task) -> None:
    row = prediction(rig(task, BAD, local=[httpx2.ConnectError("refused")]).answer())

    assert (row.status, row.error_type) == ("failed", "connect")


def test_the_next_route_serves_when_the_first_is_down(task: Task) -> None:
    assert prediction(rig(task, httpx2.ConnectError("refused"), local=[GOOD]).answer()).route == "second"


def test_a_failed_repair_leaves_the_invalid_answer_as_the_reason(task: Task) -> None:
    row = prediction(rig(task, BAD, error(500)).answer())

    assert (row.status, row.error_type) == ("invalid_output", "invalid_output")


def test_a_template_that_fails_on_a_record_fails_that_record_alone(folder: Any) -> None:
    folder.write("user.j2", "{{ message.split('?')[1] }}")
    made = rig(folder.load(), GOOD)

    broken, fine = made.answers({"message": "no question"}, {"message": "Why? So"})

    assert (prediction(broken).status, prediction(broken).calls) == ("failed", 0)
    assert "the user template: UndefinedError" in (prediction(broken).error_message or "")
    assert prediction(fine).status == "ok"


def test_every_attempt_is_a_row_with_its_content_and_its_own_id(task: Task) -> None:
    answered = rig(task, error(500), BAD, BAD, local=[error(503), GOOD]).answer()

    ids = [row.call_id for row in answered.responses]
    assert [row.attempt for row in answered.responses] == [1, 2, 3, 4, 5]
    assert len(set(ids)) == 5
    assert [content.call_id for content in answered.contents] == ids
    assert prediction(answered).calls == 5


def test_calls_of_one_request_share_a_trace_and_no_other_has_it(task: Task) -> None:
    one, other = rig(task, error(500), GOOD).answers({"message": "a"}, {"message": "b"})

    traces = [{row.trace_id for row in answered.responses} for answered in (one, other)]
    assert [len(found) for found in traces] == [1, 1]
    assert traces[0] != traces[1]


def test_contents_hold_what_was_sent_and_what_came_back(task: Task) -> None:
    made = rig(task, GOOD)
    (content,) = made.answer("Why me?").contents

    assert orjson.loads(content.messages) == made.endpoints["openai"].calls[0]["messages"]
    assert content.output_text == '{"label": "billing"}'


def test_personal_details_in_an_endpoints_error_are_not_kept(task: Task) -> None:
    answered = rig(task, error(400, "bad text: write to ann@example.com")).answer()

    assert "ann@example.com" not in (only(answered.responses).error_message or "")
    assert "<EMAIL>" in (prediction(answered).error_message or "")


def test_half_a_surrogate_pair_in_an_answer_can_be_kept_and_sent_back(task: Task) -> None:
    body = b'{"choices": [{"message": {"content": "\\ud800"}, "finish_reason": "\\udfff"}], "usage": {"\\ud800": 1}}'
    made = rig(task, httpx2.Response(200, content=body, headers={"content-type": "application/json"}), GOOD)

    answered = made.answer()

    assert prediction(answered).status == "repaired"
    assert answered.contents[0].output_text == "\N{REPLACEMENT CHARACTER}"
    assert all(str(value).encode() for row in answered.responses for value in (row.finish_reason, row.usage))


def test_a_huge_answer_is_cut_where_it_is_kept_and_where_it_is_sent_back(task: Task) -> None:
    made = rig(task, completion("x" * 3_000_000), GOOD)

    answered = made.answer()

    assert prediction(answered).status == "repaired"
    assert all(len(content.output_text or "") + len(content.messages) < 2_000_000 for content in answered.contents)
    assert len(str(made.endpoints["openai"].calls[1])) < 100_000


def test_template_syntax_in_a_record_reaches_the_model_as_it_is(task: Task) -> None:
    made = rig(task, GOOD)
    made.answer("{{ few_shot }} {% for x in y %} {{ 7 * 7 }}")

    assert "{{ few_shot }} {% for x in y %} {{ 7 * 7 }}" in made.endpoints["openai"].calls[0]["messages"][1]["content"]
