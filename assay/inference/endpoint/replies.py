"""Parses the HTTP response of a chat-completions endpoint: a reply of the model, or a failure.

Both transports use it, so that they interpret responses equally. `validation.py` validates the text.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from assay.inference.endpoint.failures import CallFailure, FailureKind
from assay.inference.endpoint.rate_headers import RateHeaders, read_rate_headers
from assay.inference.routing.confidence import answer_confidence
from assay.performance.fast_init import quick_init

MESSAGE_CHARACTERS = 500
ERROR_KINDS = {
    401: FailureKind.AUTH,
    402: FailureKind.OUT_OF_QUOTA,
    403: FailureKind.AUTH,
    408: FailureKind.TIMEOUT,
    429: FailureKind.RATE_LIMITED,
    504: FailureKind.TIMEOUT,
    524: FailureKind.TIMEOUT,
}
CODE_KINDS = {
    "insufficient_quota": FailureKind.OUT_OF_QUOTA,
    "content_filter": FailureKind.CONTENT_FILTER,
    "content_policy_violation": FailureKind.CONTENT_FILTER,
}
FORBIDDEN = 403
REDIRECTS = frozenset({301, 302, 303, 307, 308})
FIRST_SERVER_ERROR = 500
LONE_SURROGATES = re.compile("[\ud800-\udfff]")


@quick_init
@dataclass(frozen=True, slots=True)
class Reply:
    """A complete HTTP response of the model; `text` is None without content, and always valid Unicode.

    `confidence` is a probability from the tokens' log probabilities; None if the endpoint returned none.
    """

    text: str | None
    finish_reason: str | None
    refusal: str | None
    response_id: str | None
    response_model: str | None
    service_tier: str | None
    usage: Mapping[str, Any] | None
    confidence: float | None = None
    headers: RateHeaders | None = None


def read_answer(status: int, headers: Mapping[str, str], content: bytes) -> Reply | CallFailure:
    """The reply or the failure in an endpoint's response."""
    limits = read_rate_headers(headers)
    if 200 <= status < 300:
        try:
            return read_reply(orjson.loads(content), limits, is_strict=True)
        except orjson.JSONDecodeError:
            return _read_leniently(content, limits)
    return _status_failure(status, headers, content, limits)


def read_reply(answer: object, headers: RateHeaders | None = None, *, is_strict: bool = False) -> Reply | CallFailure:
    """The parts of a chat completion, or a server failure if it is none.

    `is_strict`: the parser accepted only values that can be serialized again.
    """
    if not isinstance(answer, dict):
        return _unreadable("the endpoint's response is not a JSON object", headers)
    choices = answer.get("choices")
    if not isinstance(choices, list) or not choices or not isinstance(choices[0], dict):
        return _unreadable("the endpoint's response has no choices", headers)
    choice = choices[0]
    message = choice.get("message")
    if not isinstance(message, dict):
        message = {}
    return Reply(
        text=_text(message.get("content")),
        finish_reason=_text(choice.get("finish_reason")),
        refusal=_text(message.get("refusal")),
        response_id=_text(answer.get("id")),
        response_model=_text(answer.get("model")),
        service_tier=_text(answer.get("service_tier")),
        usage=_usage(answer.get("usage"), is_strict=is_strict),
        confidence=answer_confidence(choice) if choice.get("logprobs") else None,
        headers=headers,
    )


def timed_out(timeout_s: float) -> CallFailure:
    """The failure of a response that was not complete in time; it may be billed."""
    return CallFailure(FailureKind.TIMEOUT, f"no response within {timeout_s:g} s", broke_off=True)


def never_connected() -> CallFailure:
    """The failure of a call that was not sent."""
    return CallFailure(FailureKind.CONNECT, "no connection could be made", broke_off=False)


def broken_off() -> CallFailure:
    """The failure of a connection that ended after the request was sent; it may be billed."""
    return CallFailure(FailureKind.CONNECT, "the connection broke off before the response was complete", broke_off=True)


def _read_leniently(content: bytes, limits: RateHeaders | None) -> Reply | CallFailure:
    """Accepts JSON that the strict parser rejects and Python's accepts: NaN, and unpaired surrogates."""
    try:
        answer = json.loads(content)
    except (ValueError, RecursionError) as error:
        return _unreadable(f"the endpoint's response is not JSON ({type(error).__name__})", limits)
    return read_reply(answer, limits)


def _unreadable(message: str, headers: RateHeaders | None) -> CallFailure:
    return CallFailure(FailureKind.SERVER, message, http_status=200, headers=headers)


def _text(value: object) -> str | None:
    """The value if it is text; an unpaired surrogate, which JSON permits and UTF-8 does not, becomes U+FFFD."""
    if not isinstance(value, str):
        return None
    return value if value.isascii() else LONE_SURROGATES.sub("\N{REPLACEMENT CHARACTER}", value)


def _usage(value: object, *, is_strict: bool) -> Mapping[str, Any] | None:
    """The usage object if it can be serialized as JSON again, so that it is stored as received."""
    if not isinstance(value, dict) or is_strict:
        return value if isinstance(value, dict) else None
    try:
        orjson.dumps(value)
    except orjson.JSONEncodeError:  # numbers beyond 64 bits, unpaired surrogates, unbounded nesting
        return None
    return value


def _status_failure(status: int, headers: Mapping[str, str], content: bytes, limits: RateHeaders | None) -> CallFailure:
    is_page = "html" in headers.get("content-type", "").lower()
    code, stated = _stated(content, is_page=is_page)
    if status in REDIRECTS:
        stated = f"the endpoint redirects to {headers.get('location', 'nowhere')}; is base_url in providers.yml right?"
    kind = CODE_KINDS.get(code) or _status_kind(status, is_page=is_page)
    message = (_text(stated) or "")[:MESSAGE_CHARACTERS]
    return CallFailure(
        kind,
        f"HTTP {status}: {message}".rstrip(": "),
        http_status=status,
        retry_after_s=limits.retry_after_s if limits else None,
        headers=limits,
    )


def _stated(content: bytes, *, is_page: bool) -> tuple[str, str]:
    """Code and message of an error body; the text of a markup page is discarded."""
    try:
        body = json.loads(content)
    except (ValueError, RecursionError):
        return "", "" if is_page else content.decode("utf-8", "replace")
    error = body.get("error", body) if isinstance(body, dict) else body
    if isinstance(error, dict):
        return str(error.get("code") or ""), str(error.get("message") or "")
    return "", error if isinstance(error, str) else ""


def _status_kind(status: int, *, is_page: bool) -> FailureKind:
    if status == FORBIDDEN and is_page:
        return FailureKind.BAD_REQUEST  # a firewall's page about this text, not the provider's rejection of the key
    return ERROR_KINDS.get(status) or (FailureKind.SERVER if status >= FIRST_SERVER_ERROR else FailureKind.BAD_REQUEST)
