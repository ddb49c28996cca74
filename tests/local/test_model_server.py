"""The model server: the real weights, started once for all tests here."""

from __future__ import annotations

import http.client
import json
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from assay.errors import UsageError
from assay.local.model_server import SLOTS, weights_file
from tests.emulator import TOKEN

SCHEMA = {
    "type": "object",
    "properties": {"category": {"enum": ["billing", "technical"]}, "urgent": {"type": "boolean"}},
    "required": ["category", "urgent"],
    "additionalProperties": False,
}
HEADERS = {"Content-Type": "application/json", "Authorization": f"Bearer {TOKEN}"}


def ask(port: int, text: str, **more: object) -> tuple[int, Any]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        body = {"model": "smollm2-135m", "messages": [{"role": "user", "content": text}], "max_tokens": 40, **more}
        connection.request("POST", "/v1/chat/completions", json.dumps(body), HEADERS)
        response = connection.getresponse()
        return response.status, json.loads(response.read())
    finally:
        connection.close()


def structured(port: int, text: str) -> tuple[int, Any]:
    wanted = {"type": "json_schema", "json_schema": {"name": "ticket", "strict": True, "schema": SCHEMA}}
    return ask(port, text, response_format=wanted, temperature=0)


def test_an_answer_has_the_wanted_shape_and_its_usage(model_port: int) -> None:
    status, answer = structured(model_port, "My invoice was paid twice.")
    assert status == 200
    assert answer["model"] == "smollm2-135m"
    assert set(json.loads(answer["choices"][0]["message"]["content"])) == {"category", "urgent"}
    usage = answer["usage"]
    assert usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"]


def test_four_requests_at_once_are_all_answered(model_port: int) -> None:
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda n: structured(model_port, f"Ticket {n}: I cannot log in."), range(4)))
    assert [status for status, _ in answers] == [200] * 4


def test_a_repeated_prefix_is_read_from_the_cache(model_port: int) -> None:
    prefix = "You label support tickets with care. " * 20
    ask(model_port, f"{prefix} first", max_tokens=1)
    _, second = ask(model_port, f"{prefix} second", max_tokens=1)
    assert second["usage"]["prompt_tokens_details"]["cached_tokens"] > 100


def test_a_prompt_that_does_not_fit_is_refused_and_the_server_lives_on(model_port: int) -> None:
    status, refusal = ask(model_port, "word " * 3000)
    assert status == 400
    assert refusal["error"]["type"] == "exceed_context_size_error"
    assert ask(model_port, "hello", max_tokens=1)[0] == 200


def test_each_slot_holds_a_prompt_of_nearly_2048_tokens(model_port: int) -> None:
    status, answer = ask(model_port, "word " * 1900, max_tokens=1)
    assert status == 200
    assert answer["usage"]["prompt_tokens"] > 1900


def test_a_weights_package_that_is_missing_is_named_with_the_remedy() -> None:
    with pytest.raises(UsageError, match=r"'no_such_weights' is not installed; run `uv sync --group local`"):
        weights_file("no_such_weights")


def test_a_package_without_weights_is_refused() -> None:
    with pytest.raises(UsageError, match=r"must contain exactly one \.gguf file, but contains 0"):
        weights_file("assay")


def test_requests_whose_clients_have_left_hold_no_slot(model_port: int) -> None:
    body = {"messages": [{"role": "user", "content": "Count to ten thousand."}], "max_tokens": 1500, "ignore_eos": True}
    for _ in range(2 * SLOTS):  # each would take a slot for most of a minute
        connection = http.client.HTTPConnection("127.0.0.1", model_port, timeout=60)
        connection.request("POST", "/v1/chat/completions", json.dumps(body), HEADERS)
        time.sleep(0.3)
        connection.close()
    assert ask(model_port, "Hello", max_tokens=1)[0] == 200


def test_an_answer_can_be_streamed(model_port: int) -> None:
    body = {"messages": [{"role": "user", "content": "Say hello."}], "max_tokens": 5, "stream": True}
    connection = http.client.HTTPConnection("127.0.0.1", model_port, timeout=60)
    connection.request("POST", "/v1/chat/completions", json.dumps(body), HEADERS)
    answer = connection.getresponse()
    lines = [line for line in answer.read().decode().splitlines() if line]
    connection.close()
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert all(line.startswith("data: ") for line in lines)
    assert lines[-1] == "data: [DONE]"
