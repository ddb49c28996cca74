"""Removes the API key from what an endpoint returns, so that an endpoint that echoes it cannot have it stored or shown."""

from __future__ import annotations

from dataclasses import replace

from assay.inference.endpoint.failures import CallFailure
from assay.inference.endpoint.replies import Reply

SHORTEST_KEY = 12
"""A shorter key, such as `none` of a local model server, may be part of any text and protects nothing."""
TEXTS = ("text", "finish_reason", "refusal", "response_id", "response_model", "service_tier")
"""Fields of a reply that an endpoint fills with any text."""
ESCAPE = b"\\u"
REMOVED = "<API_KEY>"


def body_without_key(body: bytes, key: str) -> bytes:
    """The body with a placeholder in place of the key."""
    secret = key.encode()
    return body.replace(secret, REMOVED.encode()) if len(secret) >= SHORTEST_KEY and secret in body else body


def without_key(outcome: Reply | CallFailure, content: bytes, key: str) -> Reply | CallFailure:
    """The outcome with a placeholder in place of the key, also where the JSON in `content` escaped characters of the key."""
    if isinstance(outcome, CallFailure):
        is_echoed = len(key) >= SHORTEST_KEY and key in outcome.message
        return replace(outcome, message=outcome.message.replace(key, REMOVED)) if is_echoed else outcome
    if ESCAPE not in content or len(key) < SHORTEST_KEY:
        return outcome
    texts = {name: getattr(outcome, name) for name in TEXTS}
    found = {name: text.replace(key, REMOVED) for name, text in texts.items() if text is not None and key in text}
    return replace(outcome, **found) if found else outcome
