"""The fast transport: posts a request with aiohttp, without the work that the reference transport does for each call.

A loop over the reference costs about fifteen times the CPU of this one (`tests/benchmarks`); a test holds the two to
the same bytes on the wire and the same outcome for every kind of answer and fault.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from yarl import URL

from assay.inference.client import CHAT_PATH, connect_seconds
from assay.inference.failures import CallFailure
from assay.inference.replies import Reply, broken_off, never_connected, read_answer, timed_out
from assay.version import code_version

if TYPE_CHECKING:
    import aiohttp

KEEP_ALIVE_SECONDS = 30.0
"""Less than the idle time after which endpoints and their proxies commonly hang up."""


class LeanClient:
    """Keeps connections to one endpoint open and posts over them; `proxy` is a URL or None."""

    def __init__(self, *, base_url: str, api_key: str, proxy: str | None = None) -> None:
        self._url = URL(base_url.rstrip("/") + CHAT_PATH)
        self._headers = {
            "Authorization": f"Bearer {api_key}",
            "Content-Type": "application/json",
            "Accept": "application/json",
            "User-Agent": f"assay/{code_version()}",
        }
        self._proxy = proxy
        self._session: aiohttp.ClientSession | None = None
        self._timeouts: dict[float, aiohttp.ClientTimeout] = {}

    async def complete(self, body: bytes, *, timeout_s: float) -> Reply | CallFailure:
        """See `ModelClient.complete`."""
        import aiohttp

        session = self._session or self._open()
        timeout = self._timeouts.get(timeout_s) or self._timeout(timeout_s)
        try:
            async with session.post(self._url, data=body, timeout=timeout, proxy=self._proxy) as answer:
                content = await answer.read()
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError):
            return never_connected()
        except TimeoutError:
            return timed_out(timeout_s)
        except (aiohttp.ClientError, ConnectionError):
            return broken_off()
        return read_answer(answer.status, answer.headers, content)

    async def close(self) -> None:
        """See `ModelClient.close`."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    def _open(self) -> aiohttp.ClientSession:
        import aiohttp

        # How many calls are in flight is the limiter's business.
        connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=KEEP_ALIVE_SECONDS)
        self._session = aiohttp.ClientSession(
            connector=connector, headers=self._headers, cookie_jar=aiohttp.DummyCookieJar()
        )
        return self._session

    def _timeout(self, timeout_s: float) -> aiohttp.ClientTimeout:
        import aiohttp

        timeout = aiohttp.ClientTimeout(total=timeout_s, sock_connect=connect_seconds(timeout_s))
        self._timeouts[timeout_s] = timeout
        return timeout
