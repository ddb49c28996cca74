"""Fast transport: posts requests over its own connections, without the overhead of a client library.

A call through the reference transport takes about 30 times more CPU time (`tests/benchmarks`). A test compares the bytes
sent and the outcomes of both transports for every kind of response and failure. Endpoints behind a proxy use the
reference transport.
"""

from __future__ import annotations

import asyncio
import ssl
from collections import deque
from urllib.parse import quote, urlsplit

from assay.inference.endpoint.body_limit import ResponseTooLarge
from assay.inference.endpoint.client import connect_seconds
from assay.inference.endpoint.dialect import ChatDialect
from assay.inference.endpoint.failures import CallFailure
from assay.inference.endpoint.http1 import BrokenOff, Http1Connection, HttpAnswer
from assay.inference.endpoint.replies import Reply, broken_off, never_connected, timed_out, too_large
from assay.inference.endpoint.secrets import KeyRemover
from assay.version import code_version

KEEP_ALIVE_SECONDS = 30.0
"""Less than the usual idle timeout of endpoints and their proxies."""
PORTS = {"http": 80, "https": 443}
IN_A_TARGET = "/?%:@!$&'()*+,;=~"
"""Characters of a request target that are not percent-encoded; all others are, as UTF-8 bytes."""


class LeanClient:
    """Keeps connections to one endpoint open and reuses them; the rate limiter bounds their number."""

    def __init__(self, dialect: ChatDialect, *, base_url: str, api_key: str) -> None:
        parts = urlsplit(base_url)
        self._dialect = dialect
        self._remover = KeyRemover(api_key)
        self._base_url = base_url.rstrip("/")
        self._host = _ascii_host(parts.hostname or "")
        self._port = parts.port or PORTS[parts.scheme]
        self._tls = ssl.create_default_context() if parts.scheme == "https" else None
        self._headers = {
            "Host": _ascii_host(parts.netloc.rpartition("@")[2]),
            **dialect.headers(api_key),
            "Content-Type": "application/json",
            "Accept": "application/json",
            "Accept-Encoding": "gzip, deflate",
            "User-Agent": f"assay/{code_version()}",
        }
        self._heads: dict[str, bytes] = {}
        self._idle: deque[Http1Connection] = deque()
        self._open: set[Http1Connection] = set()

    async def complete(self, body: bytes, *, model: str, timeout_s: float) -> Reply | CallFailure:
        """See `ModelClient.complete`."""
        head = self._heads.get(model) or self._head(model)
        loop = asyncio.get_running_loop()
        until = loop.time() + timeout_s
        try:
            connection = self._free(loop.time()) or await self._connected(timeout_s)
        except (OSError, TimeoutError, UnicodeError) as error:  # UnicodeError: the host name is invalid
            return never_connected(error)
        waiter = connection.post(b"%b%d\r\n\r\n%b" % (head, len(body), body))
        alarm = loop.call_at(until, _expire, waiter)
        try:
            answer = await waiter
        except BrokenOff:
            return broken_off()
        except ResponseTooLarge:
            return too_large()
        except TimeoutError:
            return timed_out(timeout_s)
        finally:
            alarm.cancel()
            self._give_back(connection, loop.time())
        return self._remover.read_response(self._dialect, answer.status, answer.headers, answer.body)

    async def close(self) -> None:
        """See `ModelClient.close`."""
        for connection in tuple(self._open):
            connection.close()
        self._open.clear()
        self._idle.clear()
        await asyncio.sleep(0)  # transports close in the loop's next iteration

    def _head(self, model: str) -> bytes:
        """The head of a request to the model, up to the value of Content-Length."""
        parts = urlsplit(self._base_url + self._dialect.path(model))
        target = quote(f"{parts.path}?{parts.query}" if parts.query else parts.path, safe=IN_A_TARGET)
        lines = "".join(f"{name}: {value}\r\n" for name, value in self._headers.items())
        head = self._heads[model] = f"POST {target} HTTP/1.1\r\n{lines}Content-Length: ".encode("latin-1")
        return head

    def _free(self, now: float) -> Http1Connection | None:
        """The most recently used connection that is still open."""
        while self._idle:
            connection = self._idle.pop()
            if connection.is_free and now - connection.idle_since < KEEP_ALIVE_SECONDS:
                return connection
            self._drop(connection)
        return None

    async def _connected(self, timeout_s: float) -> Http1Connection:
        async with asyncio.timeout(connect_seconds(timeout_s)):
            _, connection = await asyncio.get_running_loop().create_connection(
                Http1Connection, self._host, self._port, ssl=self._tls
            )
        self._open.add(connection)
        return connection

    def _give_back(self, connection: Http1Connection, now: float) -> None:
        """Keeps the connection for another call if it is free, otherwise closes it."""
        if connection.is_free:
            connection.idle_since = now
            self._idle.append(connection)
        else:
            self._drop(connection)

    def _drop(self, connection: Http1Connection) -> None:
        connection.close()
        self._open.discard(connection)


def _ascii_host(host: str) -> str:
    """The host name in ASCII, as it is resolved and sent in requests."""
    return host if host.isascii() else host.encode("idna").decode()


def _expire(waiter: asyncio.Future[HttpAnswer]) -> None:
    if not waiter.done():
        waiter.set_exception(TimeoutError())
