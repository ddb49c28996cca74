"""Sends one request to an OpenAI-compatible endpoint and says what came back.

The `openai` package gives configuration, authentication and error types; every fault becomes a `CallFailure`.
Retrying, validating and pricing are other parts.
"""

from __future__ import annotations

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
ERROR_KINDS = {401: FailureKind.AUTH, 403: FailureKind.AUTH, 408: FailureKind.TIMEOUT, 429: FailureKind.RATE_LIMITED}
FIRST_SERVER_ERROR = 500


@dataclass(frozen=True, slots=True)
class Reply:
    """A complete HTTP answer of the model; `text` is None when it holds none."""

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
        import openai

        try:
            answer = await self._client.post(CHAT_PATH, body=dict(body), cast_to=object, options={"timeout": timeout_s})
        except openai.APITimeoutError:
            return CallFailure(FailureKind.TIMEOUT, f"no answer within {timeout_s:g} s", broke_off=True)
        except openai.APIConnectionError as error:
            return _connection_failure(error)
        except openai.APIStatusError as error:
            return _status_failure(error)
        except (openai.APIResponseValidationError, orjson.JSONDecodeError, ValueError) as error:
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
    message = choices[0].get("message") or {}
    usage = answer.get("usage")
    return Reply(
        text=message.get("content"),
        finish_reason=choices[0].get("finish_reason"),
        refusal=message.get("refusal"),
        response_id=answer.get("id"),
        response_model=answer.get("model"),
        service_tier=answer.get("service_tier"),
        usage=usage if isinstance(usage, dict) else None,
    )


def _connection_failure(error: Exception) -> CallFailure:
    import httpx2

    cause = error.__cause__
    never_sent = isinstance(cause, httpx2.ConnectError | httpx2.ConnectTimeout | httpx2.PoolTimeout)
    kind = type(cause).__name__ if cause else type(error).__name__
    return CallFailure(FailureKind.CONNECT, f"the connection failed ({kind})", broke_off=not never_sent)


def _status_failure(error: APIStatusError) -> CallFailure:
    status, body = error.status_code, error.body if isinstance(error.body, dict) else {}
    code = str(body.get("code") or "")
    kind = ERROR_KINDS.get(status)
    if code == "insufficient_quota":
        kind = FailureKind.OUT_OF_QUOTA
    elif code in ("content_filter", "content_policy_violation"):
        kind = FailureKind.CONTENT_FILTER
    elif kind is None:
        kind = FailureKind.SERVER if status >= FIRST_SERVER_ERROR else FailureKind.BAD_REQUEST
    message = str(body.get("message") or error.message or "")[:MESSAGE_CHARACTERS]
    return CallFailure(
        kind, f"HTTP {status}: {message}", http_status=status, retry_after_s=_retry_after(error.response.headers)
    )


def _retry_after(headers: Mapping[str, str]) -> float | None:
    for name, per_second in (("retry-after-ms", 1000.0), ("retry-after", 1.0)):
        try:
            return float(headers[name]) / per_second
        except (KeyError, ValueError):  # absent, or an HTTP date: the jitter decides
            continue
    return None
