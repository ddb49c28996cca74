"""Reads the output and error files of OpenAI's Batch API: one answer per line, for the record in `custom_id`.

Source: OpenAI's API reference, "The request output object"; bodies of `/v1/chat/completions` and `/v1/responses`.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson

from assay.adoption.answer_store import FoundAnswer
from assay.adoption.foreign_json import MOST_LINE_BYTES, ForeignObject, bounded_lines
from assay.errors import UsageError
from assay.inference.dialects.registry import DEFAULT_DIALECT
from assay.inference.endpoint.failures import CallFailure, FailureKind
from assay.inference.endpoint.replies import Reply, StopReason
from assay.records.statuses import PredictionStatus

START_BYTES = 200
REFUSED, FAILED = PredictionStatus.REFUSED.value, PredictionStatus.FAILED.value


def is_openai_batch(path: Path) -> bool:
    """True if the first line of the file is a line of a batch's output or error file."""
    with path.open("rb") as file:
        start = file.read(START_BYTES).lstrip()
        if not start.startswith(b"{"):
            return False
        file.seek(0)
        line = next((line for line in iter(lambda: file.readline(MOST_LINE_BYTES + 1), b"") if line.strip()), b"")
    if len(line) > MOST_LINE_BYTES:
        return b'"custom_id"' in start  # the reader says that the line is too long
    content = _parsed(line)
    return isinstance(content, dict) and "custom_id" in content and ("response" in content or "error" in content)


def openai_batch_answers(path: Path, *, label: str) -> Iterator[FoundAnswer]:
    """Yields the answers in the file, in its order; a line with an error is a failure with the provider's message.

    Raises:
        UsageError: a line is not JSON, is too long, has no `custom_id`, or a part of it has an unexpected type.
    """
    with path.open("rb") as file:
        for number, line in bounded_lines(file, label=label):
            content = _parsed(line)
            if not isinstance(content, dict) or not isinstance(name := content.get("custom_id"), str) or not name:
                raise UsageError(
                    f"{label}, line {number:,}: expected a JSON object with a `custom_id`, found another line",
                    next_step="check that the file is complete.",
                )
            place = f"line {number:,}"
            yield FoundAnswer(name, 0, place, _item(ForeignObject(content, f"{label}, {place}")))


def _item(line: ForeignObject) -> dict[str, Any]:
    body = line.object("response").get("body")
    if isinstance(body, dict) and body.get("object") == "response":
        return _of_responses_api(line.object("response").object("body"))
    batches = DEFAULT_DIALECT.batches
    if batches is None:  # a dialect without batches; the default one has them
        raise UsageError("Batch files cannot be read", next_step="report this as a defect.")
    found = batches.read_line(line.values)
    return _of_failure(found) if isinstance(found, CallFailure) else _of_reply(found)


def _of_failure(failure: CallFailure) -> dict[str, Any]:
    refused = failure.kind is FailureKind.CONTENT_FILTER
    return {
        "status": REFUSED if refused else FAILED,
        "error_type": failure.kind.value,
        "error_message": failure.message,
    }


def _of_reply(reply: Reply) -> dict[str, Any]:
    stated: dict[str, Any] = {"model": reply.response_model}
    if reply.tokens is not None:
        stated |= {"input_tokens": reply.tokens.input, "output_tokens": reply.tokens.output}
    if reply.refusal or reply.stop is StopReason.CONTENT_FILTER:
        kind = FailureKind.REFUSED if reply.refusal else FailureKind.CONTENT_FILTER
        message = reply.refusal or f"finish_reason {reply.finish_reason}"
        return {**stated, "status": REFUSED, "error_type": kind.value, "error_message": message}
    return {**stated, "answer": reply.text, "is_truncated": reply.stop is StopReason.LENGTH}


def _of_responses_api(body: ForeignObject) -> dict[str, Any]:
    """The answer in a body of `/v1/responses`: the texts of its messages."""
    usage = body.object("usage")
    stated = {"model": body.text("model"), **{name: usage.get(name) for name in ("input_tokens", "output_tokens")}}
    messages = [item for item in body.objects("output") if item.get("type") == "message"]
    parts = [part for message in messages for part in message.objects("content")]
    refusal = next((part.text("refusal") for part in parts if part.get("type") == "refusal"), None)
    if refusal:
        kind = FailureKind.REFUSED.value
        return {**stated, "status": REFUSED, "error_type": kind, "error_message": refusal}
    if body.get("error") is not None:
        error = body.object("error")
        message = f"{error.get('code') or 'no code'}: {error.get('message') or 'no message'}"
        return {**stated, "status": FAILED, "error_type": FailureKind.SERVER.value, "error_message": message}
    text = "".join(part.text("text") or "" for part in parts if part.get("type") == "output_text")
    return {**stated, "answer": text, "is_truncated": body.get("status") == "incomplete"}


def _parsed(line: bytes) -> Any:
    try:
        return orjson.loads(line)
    except orjson.JSONDecodeError:
        return None
