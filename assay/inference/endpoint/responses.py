"""Converts the HTTP response of a model endpoint into a reply or a failure.

This module reads the status, the headers and the JSON; the dialect interprets the body. Both transports use it, so that
their results are the same.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace

import orjson

from assay.errors import printable
from assay.inference.endpoint.dialect import ChatDialect, StatedError
from assay.inference.endpoint.failures import CallFailure, FailureKind
from assay.inference.endpoint.rate_headers import RateHeaders, read_rate_headers
from assay.inference.endpoint.replies import Reply, text_or_none, unreadable

MESSAGE_CHARACTERS = 500
MOST_ERROR_BYTES = 262_144
"""An error response beyond this size is not parsed; its beginning is the message."""
ERROR_KINDS = {
    401: FailureKind.AUTH,
    402: FailureKind.OUT_OF_QUOTA,
    403: FailureKind.AUTH,
    408: FailureKind.TIMEOUT,
    429: FailureKind.RATE_LIMITED,
    504: FailureKind.TIMEOUT,
    524: FailureKind.TIMEOUT,
}
FORBIDDEN = 403
REDIRECTS = frozenset({301, 302, 303, 307, 308})
FIRST_SERVER_ERROR = 500


def read_response(dialect: ChatDialect, status: int, headers: Mapping[str, str], content: bytes) -> Reply | CallFailure:
    """The reply or the failure in an endpoint's response; never raises."""
    limits = read_rate_headers(headers)
    if 200 <= status < 300:
        return _read_success(dialect, content, limits)
    return _status_failure(dialect, status, headers, content, limits)


def _read_success(dialect: ChatDialect, content: bytes, limits: RateHeaders | None) -> Reply | CallFailure:
    is_strict = True
    try:
        body: object = orjson.loads(content)
    except orjson.JSONDecodeError:
        # The strict parser rejects NaN and unpaired surrogates; Python's parser accepts them.
        is_strict = False
        try:
            body = json.loads(content)
        except (ValueError, RecursionError) as error:
            return unreadable(f"the endpoint's response is not JSON ({type(error).__name__})", limits)
    if not isinstance(body, dict):
        return unreadable("the endpoint's response is not a JSON object", limits)
    return dialect.read_reply(body, limits, is_strict=is_strict)


def _status_failure(
    dialect: ChatDialect, status: int, headers: Mapping[str, str], content: bytes, limits: RateHeaders | None
) -> CallFailure:
    is_page = "html" in headers.get("content-type", "").lower()
    error = _stated(dialect, content, status=status, is_page=is_page)
    if status in REDIRECTS:
        goes_to = headers.get("location", "an unknown URL")
        error = replace(error, message=f"the endpoint redirects to {goes_to}; check base_url in providers.yml")
    return error_failure(error, status=status, limits=limits, is_page=is_page)


def error_failure(error: StatedError, *, status: int, limits: RateHeaders | None, is_page: bool = False) -> CallFailure:
    """The failure that an endpoint states, with the kind that its words or the status determine."""
    message = printable(text_or_none(error.message) or "")[:MESSAGE_CHARACTERS]
    return CallFailure(
        error.kind or _status_kind(status, is_page=is_page),
        f"HTTP {status}: {message}".rstrip(": "),
        http_status=status,
        retry_after_s=limits.retry_after_s if limits else None,
        headers=limits,
    )


def _stated(dialect: ChatDialect, content: bytes, *, status: int, is_page: bool) -> StatedError:
    """The message and the kind of failure in an error response; the content of an HTML page is ignored."""
    try:
        body = json.loads(content[:MOST_ERROR_BYTES])
    except (ValueError, RecursionError):
        return StatedError("" if is_page else content[:MOST_ERROR_BYTES].decode("utf-8", "replace"))
    return dialect.read_error(body, status=status)


def _status_kind(status: int, *, is_page: bool) -> FailureKind:
    if status == FORBIDDEN and is_page:
        return FailureKind.BAD_REQUEST  # an HTML page from a firewall that blocked this request, not a rejected API key
    return ERROR_KINDS.get(status) or (FailureKind.SERVER if status >= FIRST_SERVER_ERROR else FailureKind.BAD_REQUEST)
