"""Protocol of a transport to a model endpoint, and the reference transport.

The reference transport uses the `openai` package for connections, proxies and error types; every error is returned as a
`CallFailure`. The dialect defines the formats of requests and responses. The fast transport is in `transport.py`;
`responses.py` reads responses.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Protocol

from assay.inference.endpoint.body_limit import bounded, is_too_large
from assay.inference.endpoint.dialect import ChatDialect
from assay.inference.endpoint.failures import CallFailure
from assay.inference.endpoint.replies import Reply, broken_off, never_connected, timed_out, too_large
from assay.inference.endpoint.secrets import KeyRemover
from assay.settings.proxies import is_loopback

if TYPE_CHECKING:
    import httpx2
    from openai import AsyncOpenAI
    from openai._types import RequestOptions

CONNECT_SECONDS = 10.0


class ModelClient(Protocol):
    """Sends a request body and returns the reply or the failure; never raises an exception of a library."""

    async def complete(self, body: bytes, *, model: str, timeout_s: float) -> Reply | CallFailure:
        """Makes one call; `body` is the JSON body of the request to `model`."""
        ...

    async def close(self) -> None:
        """Closes connections."""
        ...


def bounded_client(base_url: str) -> httpx2.AsyncClient:
    """Returns a client with bounded responses, which follows no redirects.

    For a loopback address, it ignores the proxies of the environment.
    """
    from openai import DefaultAsyncHttpxClient

    return bounded(
        DefaultAsyncHttpxClient(base_url=base_url, follow_redirects=False, trust_env=not is_loopback(base_url))
    )


class ReferenceClient:
    """The reference transport: the client of the `openai` package, with its retries disabled."""

    def __init__(
        self, dialect: ChatDialect, *, base_url: str, api_key: str, http_client: httpx2.AsyncClient | None = None
    ) -> None:
        from openai import AsyncOpenAI

        self._dialect = dialect
        self._remover = KeyRemover(api_key)
        self._headers = dialect.headers(api_key)

        self._client: AsyncOpenAI = AsyncOpenAI(
            base_url=base_url,
            api_key=api_key,
            max_retries=0,
            http_client=bounded(http_client) if http_client else bounded_client(base_url),
        )

    async def complete(self, body: bytes, *, model: str, timeout_s: float) -> Reply | CallFailure:
        """See `ModelClient.complete`."""
        import httpx2
        import openai

        options: RequestOptions = {
            "timeout": httpx2.Timeout(timeout_s, connect=connect_seconds(timeout_s)),
            # The package would always send the key in OpenAI's format, which an API may not accept.
            "headers": {"Content-Type": "application/json", "Authorization": openai.omit, **self._headers},
            "follow_redirects": False,
        }
        try:
            # The library's timeout applies to each read: an endpoint that sends an occasional byte would never exceed it.
            async with asyncio.timeout(timeout_s):
                path = self._dialect.path(model)
                answer = await self._client.post(path, content=body, cast_to=httpx2.Response, options=options)
        except TimeoutError:
            return timed_out(timeout_s)
        except openai.APIConnectionError as error:
            return _connection_failure(error, timeout_s)
        except openai.APIStatusError as error:
            answer = error.response
        # Of repeated headers, the first one counts; the library would join them.
        first = dict(reversed(answer.headers.multi_items()))
        return self._remover.read_response(self._dialect, answer.status_code, first, answer.content)

    async def close(self) -> None:
        """See `ModelClient.close`."""
        await self._client.close()


def connect_seconds(timeout_s: float) -> float:
    """Maximum number of seconds of a call's timeout that may be spent on connecting."""
    return min(CONNECT_SECONDS, timeout_s / 2)


def _connection_failure(error: Exception, timeout_s: float) -> CallFailure:
    import httpx2
    import openai

    if is_too_large(error):
        return too_large()
    if isinstance(error.__cause__, httpx2.ConnectError | httpx2.ConnectTimeout | httpx2.PoolTimeout):
        return never_connected()
    return timed_out(timeout_s) if isinstance(error, openai.APITimeoutError) else broken_off()
