"""Sends one request to a model endpoint: the seam, and its reference transport.

The `openai` package handles connections, proxies and error types; every error becomes a `CallFailure`. The dialect
defines request and reply. The fast transport is `transport.py`; `responses.py` reads responses.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Protocol

from assay.inference.endpoint.dialect import ChatDialect
from assay.inference.endpoint.failures import CallFailure
from assay.inference.endpoint.replies import Reply, broken_off, never_connected, timed_out
from assay.inference.endpoint.responses import read_response

if TYPE_CHECKING:
    import httpx2
    from openai import AsyncOpenAI
    from openai._types import RequestOptions

CONNECT_SECONDS = 10.0


class ModelClient(Protocol):
    """Protocol of the transport: a body in, a reply or a failure out; never raises a library's exception."""

    async def complete(self, body: bytes, *, model: str, timeout_s: float) -> Reply | CallFailure:
        """One call on the wire; `body` is the JSON of the request to that model."""
        ...

    async def close(self) -> None:
        """Releases connections."""
        ...


class ReferenceClient:
    """The reference transport: the `openai` package's own client with its retries off."""

    def __init__(
        self, dialect: ChatDialect, *, base_url: str, api_key: str, http_client: httpx2.AsyncClient | None = None
    ) -> None:
        from openai import AsyncOpenAI

        self._dialect = dialect
        self._headers = dialect.headers(api_key)

        self._client: AsyncOpenAI = AsyncOpenAI(
            base_url=base_url, api_key=api_key, max_retries=0, http_client=http_client
        )

    async def complete(self, body: bytes, *, model: str, timeout_s: float) -> Reply | CallFailure:
        """See `ModelClient.complete`."""
        import httpx2
        import openai

        options: RequestOptions = {
            "timeout": httpx2.Timeout(timeout_s, connect=connect_seconds(timeout_s)),
            # The package would send the key as OpenAI wants it, also to an API that wants it otherwise.
            "headers": {"Content-Type": "application/json", "Authorization": openai.omit, **self._headers},
            "follow_redirects": False,
        }
        try:
            # The library's time-out is per read: an endpoint that sends an occasional byte would never exceed it.
            async with asyncio.timeout(timeout_s):
                path = self._dialect.path(model)
                answer = await self._client.post(path, content=body, cast_to=httpx2.Response, options=options)
        except TimeoutError:
            return timed_out(timeout_s)
        except openai.APIConnectionError as error:
            return _connection_failure(error, timeout_s)
        except openai.APIStatusError as error:
            answer = error.response
        # The first of repeated headers counts; the library would join them.
        first = dict(reversed(answer.headers.multi_items()))
        return read_response(self._dialect, answer.status_code, first, answer.content)

    async def close(self) -> None:
        """See `ModelClient.close`."""
        await self._client.close()


def connect_seconds(timeout_s: float) -> float:
    """Seconds of a call's time-out that connecting may take."""
    return min(CONNECT_SECONDS, timeout_s / 2)


def _connection_failure(error: Exception, timeout_s: float) -> CallFailure:
    import httpx2
    import openai

    if isinstance(error.__cause__, httpx2.ConnectError | httpx2.ConnectTimeout | httpx2.PoolTimeout):
        return never_connected()
    return timed_out(timeout_s) if isinstance(error, openai.APITimeoutError) else broken_off()
