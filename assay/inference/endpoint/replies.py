"""What a call can bring: a reply of the model in terms of every API, or a failure of the connection.

A dialect makes a reply out of what its API says, with the functions here for what no API can be trusted with.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import orjson

from assay.inference.endpoint.failures import ANSWERED, CallFailure, FailureKind
from assay.inference.endpoint.rate_headers import RateHeaders
from assay.inference.usage import TokenUsage
from assay.performance.fast_init import quick_init

LONE_SURROGATES = re.compile("[\ud800-\udfff]")


class StopReason(StrEnum):
    """Why a model ended before its answer was whole, in the word of no API."""

    LENGTH = "length"
    CONTENT_FILTER = "content_filter"


@quick_init
@dataclass(frozen=True, slots=True)
class Reply:
    """A complete HTTP response of the model; `text` is None without content, and always valid Unicode.

    `confidence` is a probability from the tokens' log probabilities, None where the endpoint gives none. `finish_reason`
    and `usage` are as the API returned them; its dialect derives `stop` and `tokens` from the two.
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
    stop: StopReason | None = field(default=None, compare=False)
    tokens: TokenUsage | None = field(default=None, compare=False)


def timed_out(timeout_s: float) -> CallFailure:
    """The failure of a response that was not complete in time; it may be billed."""
    return CallFailure(FailureKind.TIMEOUT, f"no response within {timeout_s:g} s", broke_off=True)


def never_connected() -> CallFailure:
    """The failure of a call that was not sent."""
    return CallFailure(FailureKind.CONNECT, "no connection could be made", broke_off=False)


def broken_off() -> CallFailure:
    """The failure of a connection that ended after the request was sent; it may be billed."""
    return CallFailure(FailureKind.CONNECT, "the connection broke off before the response was complete", broke_off=True)


def unreadable(message: str, limits: RateHeaders | None) -> CallFailure:
    """A response came whole and holds no reply; it may be billed."""
    return CallFailure(FailureKind.SERVER, message, http_status=ANSWERED, headers=limits)


def text_or_none(value: object) -> str | None:
    """The value if it is text; half a surrogate pair, which JSON can hold and UTF-8 cannot, becomes U+FFFD."""
    if not isinstance(value, str):
        return None
    return value if value.isascii() else LONE_SURROGATES.sub("\N{REPLACEMENT CHARACTER}", value)


def writable(value: object, *, is_strict: bool) -> Mapping[str, Any] | None:
    """The value if it is an object that can be written as JSON again, so that it can be kept as it came.

    `is_strict` says that the parser accepted nothing that cannot be written again.
    """
    if not isinstance(value, dict) or is_strict:
        return value if isinstance(value, dict) else None
    try:
        orjson.dumps(value)
    except orjson.JSONEncodeError:  # numbers beyond 64 bits, unpaired surrogates, unbounded nesting
        return None
    return value
