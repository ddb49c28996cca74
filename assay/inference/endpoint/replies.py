"""The reply of a model, in the same form for every API, and the failures that transports and dialects return.

Dialects use the functions here to build replies from responses that may contain invalid values.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import orjson

from assay.errors import TOO_MANY_FILES
from assay.inference.endpoint.body_limit import MOST_BODY_BYTES, MOST_HEAD_BYTES
from assay.inference.endpoint.failures import ANSWERED, CallFailure, FailureKind
from assay.inference.endpoint.rate_headers import RateHeaders
from assay.inference.usage import TokenUsage
from assay.performance.fast_init import quick_init

LONE_SURROGATES = re.compile("[\ud800-\udfff]")


class StopReason(StrEnum):
    """Why a response is incomplete, independent of the API."""

    LENGTH = "length"
    CONTENT_FILTER = "content_filter"


@quick_init
@dataclass(frozen=True, slots=True)
class Reply:
    """The content of a successful HTTP response; `text` is valid Unicode, or None without content.

    `confidence` is computed from the tokens' log probabilities, and None if the endpoint returned none. `finish_reason`
    and `usage` are unchanged values from the API; the dialect derives `stop` and `tokens` from them.
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
    """The failure of a call whose response was not complete in time; it may be billed."""
    return CallFailure(FailureKind.TIMEOUT, f"no response within {timeout_s:g} s", broke_off=True)


def never_connected(error: BaseException | None = None) -> CallFailure:
    """The failure of a call that was not sent because no connection was made; names the cause if it is of this machine."""
    is_own = isinstance(error, OSError) and error.errno in TOO_MANY_FILES
    cause = ": too many open files on this machine; raise `ulimit -n`" if is_own else ""
    return CallFailure(FailureKind.CONNECT, f"no connection could be made{cause}", broke_off=False)


def broken_off() -> CallFailure:
    """The failure of a call whose connection ended after the request was sent; it may be billed."""
    return CallFailure(FailureKind.CONNECT, "the connection was lost before the response was complete", broke_off=True)


def too_large() -> CallFailure:
    """The failure of a call whose response exceeds a limit of `body_limit`; it may be billed."""
    message = (
        f"the response is larger than {MOST_BODY_BYTES // 1_000_000} MB, or its head than {MOST_HEAD_BYTES // 1024} KB"
    )
    return CallFailure(FailureKind.SERVER, message, broke_off=True)


def unreadable(message: str, limits: RateHeaders | None) -> CallFailure:
    """The failure of a call whose response was complete but contained no reply; it may be billed."""
    return CallFailure(FailureKind.SERVER, message, http_status=ANSWERED, headers=limits)


def text_or_none(value: object) -> str | None:
    """The value if it is text; unpaired surrogates, which JSON permits but UTF-8 does not, become U+FFFD."""
    if not isinstance(value, str):
        return None
    return value if value.isascii() else LONE_SURROGATES.sub("\N{REPLACEMENT CHARACTER}", value)


def writable(value: object, *, is_strict: bool) -> Mapping[str, Any] | None:
    """The value if it is an object that can be written as JSON again, so that it can be stored unchanged.

    `is_strict` is True if the value was parsed strictly, which guarantees that it can be written again.
    """
    if not isinstance(value, dict) or is_strict:
        return value if isinstance(value, dict) else None
    try:
        orjson.dumps(value)
    except orjson.JSONEncodeError:  # numbers beyond 64 bits, unpaired surrogates, unbounded nesting
        return None
    return value
