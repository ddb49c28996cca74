"""A second chat API is one class: engine, transports and rows take it as they take the first."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import httpx2
import orjson
import pytest

from assay.errors import UsageError
from assay.inference.endpoint.client import ModelClient, ReferenceClient
from assay.inference.endpoint.failures import CallFailure, FailureKind
from assay.inference.endpoint.replies import Reply
from assay.inference.endpoint.transport import LeanClient
from assay.inference.engine import RunAborted
from assay.tasks.task import Task
from tests.fakes.endpoint import Answer, ScriptedEndpoint, completion
from tests.fakes.second_dialect import SecondDialect, said
from tests.fakes.wire import Asked, Played, WireEndpoint, answer
from tests.inference.rig import SECOND, Rig, only, prediction

GOOD = '{"label": "billing"}'
BAD = '{"label": "refund"}'
TRANSPORTS: dict[str, Callable[[str], ModelClient]] = {
    "reference": lambda url: ReferenceClient(SecondDialect(), base_url=url, api_key="sk-1"),
    "lean": lambda url: LeanClient(SecondDialect(), base_url=url, api_key="sk-1"),
}


def ok(text: str | None, **parts: Any) -> httpx2.Response:
    return httpx2.Response(200, json=said(text, **parts))


def no(status: int, sort: str = "") -> httpx2.Response:
    return httpx2.Response(status, json={"trouble": "so it is", "sort": sort})


def rig(task: Task, *answers: Answer) -> Rig:
    """An engine whose only route speaks the second dialect."""
    endpoint = ScriptedEndpoint(answers, dialect=SecondDialect())
    return Rig(task, openai=ScriptedEndpoint([]), local=endpoint, routes=(SECOND,))


def test_its_reply_is_an_answer_with_its_tokens_in_our_classes(task: Task) -> None:
    answered = rig(task, ok(GOOD)).answer()

    row = only(answered.responses)
    assert (prediction(answered).status, prediction(answered).output) == ("ok", '{"label":"billing"}')
    assert (row.finish_reason, row.response_id, row.response_model) == ("done", "n-1", "big-1")
    assert (row.input_tokens, row.uncached_input_tokens, row.cached_input_tokens, row.output_tokens) == (
        100,
        70,
        30,
        20,
    )
    assert orjson.loads(row.usage or "") == {"fresh": 70, "kept": 30, "out": 20}
    assert row.billing == "known"


def test_its_body_holds_the_system_words_the_turns_and_the_schema(task: Task) -> None:
    made = rig(task, ok(GOOD))
    made.answer("Where is it?")

    (body,) = made.endpoints["local"].calls
    assert (body["rules"], body["turns"]) == (["You sort texts."], [{"person": "Why dev-1?\nWhere is it?"}])
    assert (body["size"], body["heat"], body["shape"]) == ({"most": 60}, 0, dict(task.output_schema))


def test_what_was_sent_lands_in_the_words_of_every_dialect(task: Task) -> None:
    (content,) = rig(task, ok(GOOD)).answer("Where is it?").contents

    assert [message["role"] for message in json.loads(content.messages)] == ["system", "user"]


def test_an_invalid_answer_is_repaired_in_its_words(task: Task) -> None:
    made = rig(task, ok(BAD), ok(GOOD))
    answered = made.answer()

    *_, given, fix = made.endpoints["local"].calls[1]["turns"]
    assert prediction(answered).status == "repaired"
    assert given == {"machine": BAD}
    assert "label: Input should be 'billing' or 'other'" in fix["person"]


def test_one_run_speaks_both_dialects(task: Task) -> None:
    second = ScriptedEndpoint([ok(GOOD)], dialect=SecondDialect())
    answered = Rig(task, openai=ScriptedEndpoint([completion(BAD)]), local=second).answer()

    assert (prediction(answered).status, prediction(answered).route) == ("ok", "second")
    assert [row.finish_reason for row in answered.responses] == ["stop", "stop", "done"]


@pytest.mark.parametrize(
    ("reply", "status", "error_type", "call_status"),
    [
        (ok('{"label": "bill', ending="full"), "failed", "truncated", "truncated"),
        (ok(None, ending="blocked"), "refused", "content_filter", "refused"),
        (ok(None, no="I would rather not."), "refused", "refused", "refused"),
        (no(400, "blocked"), "refused", "content_filter", "refused"),
        (no(400, "other"), "failed", "bad_request", "error"),
        (no(429), "failed", "rate_limited", "error"),
        (httpx2.Response(200, json={}), "failed", "server", "error"),
        (httpx2.Response(500, content=b"<"), "failed", "server", "error"),
    ],
)
def test_whatever_goes_wrong_is_known_by_the_same_names(
    task: Task, reply: httpx2.Response, status: str, error_type: str, call_status: str
) -> None:
    answered = rig(task, reply).answer()

    row = prediction(answered)
    assert (row.status, row.error_type) == (status, error_type)
    assert {response.status for response in answered.responses} == {call_status}


def test_a_used_up_account_stops_the_run_in_its_own_words(task: Task) -> None:
    with pytest.raises(RunAborted, match="Provider 'local': HTTP 409: so it is; raise the account") as stopped:
        rig(task, no(409, "no_credit")).answer()
    assert isinstance(stopped.value.error, UsageError)


def through(make: Callable[[str], ModelClient], played: Played) -> tuple[Reply | CallFailure, Asked]:
    async def called() -> tuple[Reply | CallFailure, Asked]:
        async with WireEndpoint(played).listening() as endpoint:
            client = make(endpoint.url)
            outcome = await client.complete(b'{"turns": []}', model="big/1 é", timeout_s=30)
            await client.close()
            (asked,) = endpoint.asked
            return outcome, asked

    return asyncio.run(called())


@pytest.mark.parametrize("make", TRANSPORTS.values(), ids=TRANSPORTS)
def test_both_transports_send_its_path_and_headers_and_no_other_key(make: Callable[[str], ModelClient]) -> None:
    outcome, asked = through(make, answer(json.dumps(said("hi"))))

    assert asked.line == "POST /v1/models/big%2F1%20%C3%A9:say?v=2 HTTP/1.1"
    assert (asked.headers["x-say-key"], asked.headers["x-say-version"]) == ("sk-1", "2")
    assert (asked.headers["content-type"], asked.body) == ("application/json", b'{"turns": []}')
    assert "authorization" not in asked.headers
    assert isinstance(outcome, Reply) and outcome.text == "hi"


@pytest.mark.parametrize("make", TRANSPORTS.values(), ids=TRANSPORTS)
def test_both_transports_read_its_errors(make: Callable[[str], ModelClient]) -> None:
    played = answer('{"trouble": "too much", "sort": "no_credit"}', status="409 Conflict", retry_after="3")
    outcome, _ = through(make, played)

    assert isinstance(outcome, CallFailure)
    assert (outcome.kind, outcome.message, outcome.retry_after_s) == (FailureKind.OUT_OF_QUOTA, "HTTP 409: too much", 3)
