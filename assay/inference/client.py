"""Sends one request to an OpenAI-compatible endpoint and says what came back.

The `openai` package gives configuration, authentication and error types; every fault becomes a `CallFailure`.
Retrying, validating and pricing are other parts.
"""

from __future__ import annotations

import asyncio
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import orjson

from assay.inference.failures import CallFailure, FailureKind

if TYPE_CHECKING:
    import httpx2
    from openai import APIStatusError, AsyncOpenAI

CHAT_PATH = "/chat/completions"
MESSAGE_CHARACTERS = 500
CONNECT_SECONDS = 10.0
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
FIRST_SERVER_ERROR = 500
LONE_SURROGATES = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Reply:
    """A complete HTTP answer of the model; `text` is None when it holds none, and is text that UTF-8 can write."""

    text: str | None
    finish_reason: str | None
    refusal: str | None
    response_id: str | None
    response_model: str | None
    service_tier: str | None
    usage: Mapping[str, Any] | None


class ModelClient(Protocol):
    """The seam of the transport: body in, answer or failure out, never an exception of a library."""

    async def complete(self, body: Mapping[str, Any], *, timeout_s: float) -> Reply | CallFailure:
        """One call on the wire."""
        ...

    async def close(self) -> None:
        """Connections are released."""
        ...


class OpenAIClient:
    """The reference transport: the `openai` package's own client with its retries off."""

    def __init__(self, *, base_url: str, api_key: str, http_client: httpx2.AsyncClient | None = None) -> None:
        from openai import AsyncOpenAI

        self._client: AsyncOpenAI = AsyncOpenAI(
            base_url=base_url, api_key=api_key, max_retries=0, http_client=http_client
        )

    async def complete(self, body: Mapping[str, Any], *, timeout_s: float) -> Reply | CallFailure:
        """See `ModelClient.complete`."""
        import httpx2
        import openai

        limits = httpx2.Timeout(timeout_s, connect=min(CONNECT_SECONDS, timeout_s / 2))
        try:
            # The library's limit is for each read: an endpoint that sends a byte now and then would never meet it.
            async with asyncio.timeout(timeout_s):
                answer = await self._client.post(
                    CHAT_PATH, body=dict(body), cast_to=object, options={"timeout": limits}
                )
        except TimeoutError:
            return _timed_out(timeout_s)
        except openai.APIConnectionError as error:
            return _connection_failure(error, timeout_s)
        except openai.APIStatusError as error:
            return _status_failure(error)
        except (openai.APIResponseValidationError, ValueError, RecursionError) as error:
            return CallFailure(
                FailureKind.SERVER, f"the endpoint's answer is not JSON ({type(error).__name__})", http_status=200
            )
        return read_reply(answer)

    async def close(self) -> None:
        """See `ModelClient.close`."""
        await self._client.close()


def read_reply(answer: object) -> Reply | CallFailure:
    """The parts of a chat completion, or a server failure when it is none."""
    if not isinstance(answer, dict):
        return CallFailure(FailureKind.SERVER, "the endpoint's answer is not a JSON object", http_status=200)
    choices = answer.get("choices")
    if not isinstance(choices, list) or not choices or not isinstance(choices[0], dict):
        return CallFailure(FailureKind.SERVER, "the endpoint's answer has no choices", http_status=200)
    message = choices[0].get("message")
    if not isinstance(message, dict):
        message = {}
    return Reply(
        text=_text(message.get("content")),
        finish_reason=_text(choices[0].get("finish_reason")),
        refusal=_text(message.get("refusal")),
        response_id=_text(answer.get("id")),
        response_model=_text(answer.get("model")),
        service_tier=_text(answer.get("service_tier")),
        usage=_usage(answer.get("usage")),
    )


def _text(value: object) -> str | None:
    """The value if it is text; half a surrogate pair, which JSON can hold and UTF-8 cannot, becomes U+FFFD."""
    return LONE_SURROGATES.sub("\N{REPLACEMENT CHARACTER}", value) if isinstance(value, str) else None


def _usage(value: object) -> Mapping[str, Any] | None:
    """The usage object if it can be written as JSON again, so that it can be kept as it came."""
    if not isinstance(value, dict):
        return None
    try:
        orjson.dumps(value)
    except orjson.JSONEncodeError:  # numbers beyond 64 bits, half a surrogate pair, nested without end
        return None
    return value


def _timed_out(timeout_s: float) -> CallFailure:
    return CallFailure(FailureKind.TIMEOUT, f"no answer within {timeout_s:g} s", broke_off=True)


def _connection_failure(error: Exception, timeout_s: float) -> CallFailure:
    import httpx2
    import openai

    cause = error.__cause__
    never_sent = isinstance(cause, httpx2.ConnectError | httpx2.ConnectTimeout | httpx2.PoolTimeout)
    if isinstance(error, openai.APITimeoutError) and not never_sent:
        return _timed_out(timeout_s)
    kind = type(cause).__name__ if cause else type(error).__name__
    return CallFailure(FailureKind.CONNECT, f"the connection failed ({kind})", broke_off=not never_sent)


def _status_failure(error: APIStatusError) -> CallFailure:
    status, body = error.status_code, error.body if isinstance(error.body, dict) else {}
    code = str(body.get("code") or "")
    is_page = "html" in error.response.headers.get("content-type", "")
    kind = CODE_KINDS.get(code) or _status_kind(status, is_page=is_page)
    stated = error.body if isinstance(error.body, str) and not is_page else body.get("message")
    message = (_text(stated or error.message) or "")[:MESSAGE_CHARACTERS]
    return CallFailure(
        kind, f"HTTP {status}: {message}", http_status=status, retry_after_s=_retry_after(error.response.headers)
    )


def _status_kind(status: int, *, is_page: bool) -> FailureKind:
    if status == FORBIDDEN and is_page:
        return FailureKind.BAD_REQUEST  # a firewall's page about this text, not the provider's word about the key
    return ERROR_KINDS.get(status) or (FailureKind.SERVER if status >= FIRST_SERVER_ERROR else FailureKind.BAD_REQUEST)


def _retry_after(headers: Mapping[str, str]) -> float | None:
    for name, per_second in (("retry-after-ms", 1000.0), ("retry-after", 1.0)):
        try:
            seconds = float(headers[name]) / per_second
        except (KeyError, ValueError):  # absent, or an HTTP date: the jitter decides
            continue
        if math.isfinite(seconds) and seconds >= 0:
            return seconds
    return None
