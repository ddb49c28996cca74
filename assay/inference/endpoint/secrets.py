"""Removes the API key from what an endpoint returns, so that an endpoint that echoes it cannot have it stored or shown."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from assay.inference.endpoint.dialect import ChatDialect
from assay.inference.endpoint.failures import CallFailure
from assay.inference.endpoint.replies import Reply
from assay.inference.endpoint.responses import read_response

SHORTEST_KEY = 12
"""A shorter key, such as `none` of a local model server, may be part of any text and protects nothing."""
TEXTS = ("text", "finish_reason", "refusal", "response_id", "response_model", "service_tier")
"""Fields of a reply that an endpoint fills with any text."""
ESCAPE = b"\\u"
REMOVED = "<API_KEY>"


def read_without_key(
    dialect: ChatDialect, status: int, headers: Mapping[str, str], body: bytes, *, key: str
) -> Reply | CallFailure:
    """`read_response` with a placeholder in place of the key, also where JSON escapes characters of the key."""
    if len(key) < SHORTEST_KEY:
        return read_response(dialect, status, headers, body)
    secret = key.encode()
    content = body.replace(secret, REMOVED.encode()) if secret in body else body
    outcome = read_response(dialect, status, headers, content)
    if isinstance(outcome, CallFailure):
        return failure_without_key(outcome, key)
    return _reply_without_key(outcome, key) if ESCAPE in content else outcome


def failure_without_key(failure: CallFailure, key: str) -> CallFailure:
    """The failure with a placeholder in place of the key."""
    is_echoed = len(key) >= SHORTEST_KEY and key in failure.message
    return replace(failure, message=failure.message.replace(key, REMOVED)) if is_echoed else failure


def _reply_without_key(reply: Reply, key: str) -> Reply:
    texts = {name: getattr(reply, name) for name in TEXTS}
    found = {name: text.replace(key, REMOVED) for name, text in texts.items() if text is not None and key in text}
    return replace(reply, **found) if found else reply
