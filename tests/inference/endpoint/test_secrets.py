"""No spelling of the API key in what an endpoint sends survives in a reply, a failure, or the lines of a batch."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import quote

import orjson
import pytest

from assay.inference.batch.results import BatchResults
from assay.inference.dialects.openai_batches import OpenAIBatchTransport
from assay.inference.dialects.openai_chat import OpenAIChat
from assay.inference.endpoint.batch_dialect import CustomId
from assay.inference.endpoint.failures import CallFailure
from assay.inference.endpoint.secrets import KeyRemover

KEYS = ("sk-live-ABCDEFGHIJKLMNOP123456", "AIzaSyA/bc+def==/xyzQ", "a.b:c/d\u00e9f_ghijkl")


def unicode(key: str, *, upper: bool = False) -> str:
    units = key.encode("utf-16-be").hex()
    return "".join(
        "\\u" + (units[at : at + 4].upper() if upper else units[at : at + 4]) for at in range(0, len(units), 4)
    )


SPELLINGS: dict[str, Callable[[str], str]] = {
    "as it is": lambda key: json.dumps(key, ensure_ascii=False)[1:-1],
    "by the JSON of Python": lambda key: json.dumps(key)[1:-1],
    "slashes escaped": lambda key: key.replace("/", "\\/"),
    "first character escaped": lambda key: unicode(key[0]) + key[1:],
    "all characters escaped": unicode,
    "all escaped in capitals": lambda key: unicode(key, upper=True),
    "in JSON within JSON": lambda key: unicode(key).replace("\\", "\\\\"),
    "in JSON within JSON within JSON": lambda key: unicode(key).replace("\\", "\\\\\\\\"),
    "as in an address": lambda key: quote(key, safe=""),
    "as in an address, twice": lambda key: quote(quote(key, safe=""), safe=""),
    "some characters as in an address": lambda key: "".join(f"%{ord(c):02x}" if c in "aef" else c for c in key),
}
BODIES = {
    "answer": '{{"id": "c", "choices": [{{"finish_reason": "stop", "message": {{"content": "a {key} b"}}}}]}}',
    "usage": '{{"choices": [{{"message": {{"content": "a"}}}}], "usage": {{"prompt_tokens": 3, "echo": "{key}"}}}}',
    "error": '{{"error": {{"message": "bad {key}"}}}}',
    "error that is cut": '{{"error": {{"message": "' + "x" * 471 + '{key}"}}}}',
    "text": "no JSON {key}",
}


def decoded(text: str) -> str:
    """The text with everything undone that a reader might undo."""
    for _ in range(4):
        for spelled in ("\\\\\\\\", "\\\\"):
            text = text.replace(spelled, "\\")
        text = text.replace("\\/", "/")
    return text


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("spelling", SPELLINGS)
@pytest.mark.parametrize("body", BODIES)
@pytest.mark.parametrize("status", [200, 400])
def test_no_spelling_of_the_key_is_left(key: str, spelling: str, body: str, status: int) -> None:
    content = BODIES[body].format(key=SPELLINGS[spelling](key)).encode()
    cleaned = KeyRemover(key).content(content)
    assert b"<API_KEY>" in cleaned
    outcome = repr(KeyRemover(key).read_response(OpenAIChat(), status, {}, content))
    for form in (key, key[:-1], quote(key, safe=""), unicode(key), repr(key)[1:-1]):
        assert form not in decoded(outcome)


@pytest.mark.parametrize("key", KEYS)
def test_the_key_in_a_redirect_is_removed(key: str) -> None:
    headers = {"location": f"http://other.example/?k={quote(key, safe='')}"}
    found = KeyRemover(key).read_response(OpenAIChat(), 307, headers, b"")
    assert isinstance(found, CallFailure)
    assert "?k=<API_KEY>" in found.message


@pytest.mark.parametrize("text", ["", "a \\u00e9 %20 \\/ b", '{"a": "\\u0073k-live"}', "\\" * 500, "%25" * 500])
def test_other_text_is_left_as_it_is(text: str) -> None:
    assert KeyRemover(KEYS[0]).content(text.encode()) == text.encode()
    assert KeyRemover("none").content(b"none of them") == b"none of them"


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_the_lines_of_a_batch_have_no_key(tmp_path: Path, spelling: str) -> None:
    key, name = KEYS[0], CustomId(0, 0, "0" * 32)
    spelled = SPELLINGS[spelling](key)
    choices = f'[{{"finish_reason": "stop", "message": {{"content": "{spelled}"}}}}]'
    response = (
        f'{{"status_code": 200, "body": {{"choices": {choices}, "usage": {{"prompt_tokens": 1, "e": "{spelled}"}}}}}}'
    )
    failed = f'{{"custom_id": "{name}", "error": {{"code": "x", "message": "{spelled}"}}}}'
    for line in (f'{{"custom_id": "{name}", "response": {response}}}', failed):
        assert isinstance(orjson.loads(line), dict)
        path = tmp_path / "results.jsonl"
        path.write_text(line, encoding="utf-8")
        with BatchResults(OpenAIChat().batches, [path], names=None, key=key) as results:
            _, outcome = results.outcome(name.place)
        assert "<API_KEY>" in repr(outcome)
        assert key not in repr(outcome)


def test_the_reason_of_a_failed_batch_has_no_key() -> None:
    error = SimpleNamespace(code="bad", message=f"key {KEYS[0]} is bad")
    batch = SimpleNamespace(
        id="b", status="failed", metadata=None, created_at=1, completed_at=None, failed_at=2, expired_at=None,
        cancelled_at=None, input_file_id="f", output_file_id=None, error_file_id=None,
        errors=SimpleNamespace(data=[error]),
    )  # fmt: skip
    transport = OpenAIBatchTransport(OpenAIChat(), base_url="http://127.0.0.1:9", api_key=KEYS[0])
    assert transport._seen(batch).reason == "bad: key <API_KEY> is bad"  # type: ignore[arg-type]
