"""Reads rate limits from the headers of a response.

Formats: `x-ratelimit-*` of OpenAI and compatible APIs (durations such as "6m0s", "120ms" or plain seconds),
`anthropic-ratelimit-*` of Anthropic (whose reset times are dates, and are ignored), `retry-after-ms` and `Retry-After`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime

from assay.performance.fast_init import quick_init

MOST = 10**12
"""Larger numbers are ignored."""
UNIT_SECONDS = {"d": 86400.0, "h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001, "us": 1e-6, "µs": 1e-6, "ns": 1e-9}
DURATION_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|us|µs|ns|d|h|m|s)")


@quick_init
@dataclass(frozen=True, slots=True)
class RateHeaders:
    """Rate limits from the headers of one response; a value that is absent, invalid or implausible is None.

    Limits apply per minute unless `reset_requests_s` indicates a longer period; `retry_after_s` requests a pause.
    """

    limit_requests: int | None = None
    remaining_requests: int | None = None
    reset_requests_s: float | None = None
    limit_tokens: int | None = None
    remaining_tokens: int | None = None
    reset_tokens_s: float | None = None
    retry_after_s: float | None = None


def read_rate_headers(headers: Mapping[str, str]) -> RateHeaders | None:
    """The rate limits in the headers, whose names are looked up in lowercase; None if there are none."""
    get = headers.get
    requests, tokens = get("x-ratelimit-limit-requests"), get("x-ratelimit-limit-tokens")
    pause_ms, pause = get("retry-after-ms"), get("retry-after")
    if requests is not None or tokens is not None:
        return RateHeaders(
            limit_requests=_limit(requests),
            remaining_requests=_count(get("x-ratelimit-remaining-requests")) if requests is not None else None,
            reset_requests_s=_duration_s(get("x-ratelimit-reset-requests")) if requests is not None else None,
            limit_tokens=_limit(tokens),
            remaining_tokens=_count(get("x-ratelimit-remaining-tokens")) if tokens is not None else None,
            reset_tokens_s=_duration_s(get("x-ratelimit-reset-tokens")) if tokens is not None else None,
            retry_after_s=_retry_after_s(pause_ms, pause, headers),
        )
    requests, tokens = get("anthropic-ratelimit-requests-limit"), get("anthropic-ratelimit-tokens-limit")
    if requests is not None or tokens is not None:
        return RateHeaders(
            limit_requests=_limit(requests),
            remaining_requests=_count(get("anthropic-ratelimit-requests-remaining")),
            limit_tokens=_limit(tokens),
            remaining_tokens=_count(get("anthropic-ratelimit-tokens-remaining")),
            retry_after_s=_retry_after_s(pause_ms, pause, headers),
        )
    seconds = _retry_after_s(pause_ms, pause, headers)
    return None if seconds is None else RateHeaders(retry_after_s=seconds)


def _limit(text: str | None) -> int | None:
    """The limit; None for 0 and -1, which some gateways send if the limit is unknown."""
    return _count(text) or None


def _count(text: str | None) -> int | None:
    if text is None:
        return None
    try:
        count = int(text)
    except ValueError:
        return None
    return count if 0 <= count <= MOST else None


def _duration_s(text: str | None) -> float | None:
    if text is None:
        return None
    try:
        if text.endswith("ms"):
            return _seconds(float(text[:-2]) / 1000)
        return _seconds(float(text[:-1] if text.endswith("s") else text))
    except ValueError:
        return _compound_s(text)


def _compound_s(text: str) -> float | None:
    parts = DURATION_PART.findall(text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        return None
    return _seconds(sum(float(number) * UNIT_SECONDS[unit] for number, unit in parts))


def _seconds(value: float) -> float | None:
    return value if math.isfinite(value) and value >= 0 else None


def _retry_after_s(milliseconds: str | None, text: str | None, headers: Mapping[str, str]) -> float | None:
    """The pause in seconds: from `milliseconds` if possible, otherwise from `text` (seconds or a date).

    A date is compared with the response's own `Date` header, so that no clock is needed.
    """
    finer = _duration_s(f"{milliseconds}ms") if milliseconds is not None else None
    if finer is not None or text is None:
        return finer
    try:
        return _seconds(float(text))
    except ValueError:
        return _until(text, headers.get("date"))


def _until(text: str, sent_at: str | None) -> float | None:
    if sent_at is None:
        return None
    try:
        return max(0.0, (parsedate_to_datetime(text) - parsedate_to_datetime(sent_at)).total_seconds())
    except (ValueError, TypeError, OverflowError):  # not a date, or only one of the two has a time zone
        return None
