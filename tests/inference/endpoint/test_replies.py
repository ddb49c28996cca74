"""Whatever an endpoint answers, it is read as a reply or as a failure, and reading it never fails."""

from __future__ import annotations

import json
from random import Random
from typing import Any

import orjson
import pytest

from assay.inference.dialects.openai_chat import OpenAIChat
from assay.inference.endpoint.failures import CallFailure, FailureKind
from assay.inference.endpoint.replies import Reply
from assay.inference.endpoint.responses import MESSAGE_CHARACTERS, read_response

JSON = {"content-type": "application/json"}


def read(body: object, status: int = 200, headers: dict[str, str] | None = None) -> Reply | CallFailure:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return read_response(OpenAIChat(), status, headers or JSON, content)


def replied(**parts: Any) -> Reply:
    """The reply to a completion with these parts of its choice and of its body."""
    choice = {name: parts.pop(name) for name in ("finish_reason", "message", "logprobs") if name in parts}
    reply = read({"choices": [choice], **parts})
    assert isinstance(reply, Reply)
    return reply


def failed(body: object, status: int, headers: dict[str, str] | None = None) -> CallFailure:
    failure = read(body, status, headers)
    assert isinstance(failure, CallFailure)
    return failure


def test_every_part_is_where_it_belongs() -> None:
    reply = replied(
        id="c-1",
        model="gpt-5-nano-2025-08-07",
        service_tier="flex",
        usage={"prompt_tokens": 3},
        finish_reason="stop",
        message={"content": "hi", "refusal": "no"},
        logprobs={"content": [{"token": "hi", "logprob": 0.0}]},
    )

    assert reply == Reply("hi", "stop", "no", "c-1", "gpt-5-nano-2025-08-07", "flex", {"prompt_tokens": 3}, 1.0)


@pytest.mark.parametrize("odd", [None, 7, True, ["hi"], {"text": "hi"}])
def test_a_part_of_another_kind_is_none(odd: object) -> None:
    reply = replied(id=odd, model=odd, service_tier=odd, finish_reason=odd, message={"content": odd, "refusal": odd})

    parts = (reply.text, reply.refusal, reply.finish_reason, reply.response_id, reply.response_model)
    assert {*parts, reply.service_tier} == {None}


@pytest.mark.parametrize("odd", [None, "hi", 7, []])
def test_a_message_or_usage_of_another_kind_is_none(odd: object) -> None:
    reply = replied(message=odd, usage=odd)

    assert (reply.text, reply.usage) == (None, None)


@pytest.mark.parametrize("logprobs", [None, [], {}, {"content": None}, {"content": [{}]}, {"content": ["x"]}, 7])
def test_log_probabilities_that_say_nothing_give_no_confidence(logprobs: object) -> None:
    assert replied(logprobs=logprobs).confidence is None


@pytest.mark.parametrize(
    ("text", "read_as"),
    [("\\ud800", "\N{REPLACEMENT CHARACTER}"), ("a\\udfffb", "a\N{REPLACEMENT CHARACTER}b"), ("\\ud83d\\ude00", "😀")],
)
def test_a_text_can_always_be_written_in_utf_8(text: str, read_as: str) -> None:
    reply = read(b'{"choices": [{"message": {"content": "%s"}}]}' % text.encode())

    assert isinstance(reply, Reply)
    assert reply.text == read_as
    assert reply.text.encode("utf-8")


@pytest.mark.parametrize("usage", ['{"a": NaN}', '{"a": 1e999}', '{"\\ud800": 1}', '{"a": "\\ud800"}', '{"a": %s}'])
def test_usage_is_kept_only_if_it_can_be_written_again(usage: str) -> None:
    body = b'{"choices": [{"message": {"content": "hi"}}], "usage": %s}'
    reply = read(body % usage.replace("%s", "1" * 40).encode())

    assert isinstance(reply, Reply)
    assert reply.text == "hi"
    assert reply.usage is None or orjson.dumps(reply.usage)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"error": {"message": "so it is"}}, "HTTP 400: so it is"),
        ({"error": "so it is"}, "HTTP 400: so it is"),
        ({"message": "so it is"}, "HTTP 400: so it is"),
        ("so it is", "HTTP 400: so it is"),
        (b"plain words", "HTTP 400: plain words"),
        (b"\xff\xfe", "HTTP 400: \N{REPLACEMENT CHARACTER}\N{REPLACEMENT CHARACTER}"),
        ({"error": {}}, "HTTP 400"),
        ({"error": None}, "HTTP 400"),
        ({"error": {"message": {"a": 1}}}, "HTTP 400: {'a': 1}"),
        ([], "HTTP 400"),
        (b"", "HTTP 400"),
    ],
)
def test_an_error_says_what_its_body_says(body: object, message: str) -> None:
    assert failed(body, 400).message == message


def test_a_long_message_is_cut() -> None:
    assert len(failed({"error": {"message": "a" * 10_000}}, 500).message) == len("HTTP 500: ") + MESSAGE_CHARACTERS


def test_half_a_surrogate_pair_in_a_message_can_be_written_too() -> None:
    assert failed(b'{"error": {"message": "a\\ud800"}}', 400).message.encode("utf-8")


@pytest.mark.parametrize("code", [7, ["insufficient_quota"], None, True])
def test_a_code_of_another_kind_says_nothing(code: object) -> None:
    assert failed({"error": {"message": "no", "code": code}}, 429).kind is FailureKind.RATE_LIMITED


def test_billing_is_unknown_where_an_answer_could_not_be_read() -> None:
    assert not failed(b"<html>", 200).billing_known
    assert failed({"error": {"message": "no"}}, 400).billing_known


@pytest.mark.parametrize("depth", range(900, 1_000, 7))
@pytest.mark.parametrize("status", [200, 400])
def test_an_answer_at_the_edge_of_what_can_be_read_is_read_or_refused(depth: int, status: int) -> None:
    nested = b'{"error": {"message": ' + b"[" * depth + b"]" * depth + b"}}"

    assert isinstance(read(nested, status), CallFailure)


@pytest.mark.parametrize("seed", range(6))
def test_no_answer_that_lost_or_won_bytes_breaks_the_reading(seed: int) -> None:
    rng = Random(seed)
    whole = bytearray(
        json.dumps(
            {
                "choices": [{"message": {"content": "é\ud83d"}, "logprobs": {"content": [{"logprob": -0.1}]}}],
                "usage": {"prompt_tokens": 1e5},
                "error": {"message": "no", "code": "x"},
            }
        ).encode()
    )
    for _ in range(1_500):
        hurt = bytearray(whole)
        for _ in range(rng.randint(1, 6)):
            hurt[rng.randrange(len(hurt))] = rng.randrange(256)
        found = read(bytes(hurt[: rng.randint(0, len(hurt))]), rng.choice([200, 400, 429, 500]))
        assert isinstance(found, Reply | CallFailure)
        assert orjson.dumps([getattr(found, "text", None), getattr(found, "message", None)])
