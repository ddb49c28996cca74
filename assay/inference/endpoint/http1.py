"""An HTTP/1.1 connection that posts a body and reads the whole response, based on asyncio's transports and httptools.

`transport.py` pools connections, `responses.py` parses responses. docs/adr/0006 explains why no client library is used.
"""

from __future__ import annotations

import asyncio
import zlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, cast

import httptools

from assay.inference.endpoint.body_limit import (
    MOST_BODY_BYTES,
    MOST_HEAD_BYTES,
    MOST_SENT_BYTES,
    ResponseTooLarge,
    decoded,
)

if TYPE_CHECKING:
    from asyncio import Transport

KEPT_HEADERS = ("x-ratelimit-", "anthropic-ratelimit-", "retry-after")
READ_HEADERS = frozenset(
    {"content-type", "content-encoding", "content-length", "transfer-encoding", "date", "location"}
)
"""Headers that are read; all others are discarded."""
FIRST_FINAL_STATUS = 200


class BrokenOff(Exception):
    """Raised if the connection ended, or received data that is not HTTP, before the response was complete."""


@dataclass(slots=True)
class HttpAnswer:
    """A complete response; header names are lowercase."""

    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""


class Http1Connection(asyncio.Protocol):
    """A connection for one exchange at a time; `is_reusable` is True if another exchange may follow."""

    __slots__ = ("_body", "_current", "_parser", "_received", "_transport", "_waiter", "idle_since", "is_reusable")

    def __init__(self) -> None:
        self._transport: Transport | None = None
        self._waiter: asyncio.Future[HttpAnswer] | None = None
        self._parser = httptools.HttpResponseParser(self)
        self._current = HttpAnswer()
        self._body = bytearray()
        self._received = 0
        self.is_reusable = True
        self.idle_since = 0.0

    @property
    def is_free(self) -> bool:
        """True if another request may be posted: the connection is open and reusable, and no exchange is in progress."""
        return self.is_reusable and self._waiter is None and self._transport is not None

    def post(self, request: bytes) -> asyncio.Future[HttpAnswer]:
        """Sends the request; the future resolves to the whole response or raises `BrokenOff` or `ResponseTooLarge`."""
        self._waiter = waiter = asyncio.get_running_loop().create_future()
        self._received = 0
        if self._transport is None:
            self._fail("the connection was closed")
        else:
            self._transport.write(request)
        return waiter

    def close(self) -> None:
        """Closes the connection; an exchange in progress raises `BrokenOff`."""
        self.is_reusable = False
        transport, self._transport = self._transport, None
        if transport is not None:
            transport.abort()
        self._fail("the connection was closed")

    # Called by the event loop.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See `asyncio.Protocol`."""
        self._transport = cast("Transport", transport)

    def data_received(self, data: bytes) -> None:
        """See `asyncio.Protocol`; unsolicited data closes the connection, or it would be read as the next response."""
        if self._waiter is None:
            self.close()
            return
        self._received += len(data)
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            self._fail("the response is not HTTP")
            self.close()
        else:
            if self._waiter is not None and self._is_too_large():
                self._end(ResponseTooLarge())
                self.close()

    def connection_lost(self, exc: Exception | None) -> None:
        """See `asyncio.Protocol`; a response without a stated length is complete if the endpoint closed the connection."""
        self._transport, self.is_reusable = None, False
        if exc is None and self._waiter is not None and self._current.status and not self._has_an_end():
            self._complete()
        self._fail("the connection was closed")

    # Called by the parser.

    def on_message_begin(self) -> None:
        """Handles the start of a response; after a second response to a request, the connection is not reused."""
        self.is_reusable = self.is_reusable and self._waiter is not None

    def on_header(self, name: bytes, value: bytes) -> None:
        """Stores a header that is read later; of repeated headers, the first one counts."""
        lower = name.decode("latin-1").lower()
        if lower in READ_HEADERS or lower.startswith(KEPT_HEADERS):
            self._current.headers.setdefault(lower, value.decode("latin-1"))

    def on_headers_complete(self) -> None:
        """Stores the status code."""
        self._current.status = self._parser.get_status_code()

    def on_body(self, body: bytes) -> None:
        """Stores a chunk of the body."""
        self._body += body

    def on_message_complete(self) -> None:
        """Completes the response; discards an interim response (1xx), because the final one follows."""
        if 100 <= self._current.status < FIRST_FINAL_STATUS:
            self._current = HttpAnswer()
            return
        self.is_reusable = self.is_reusable and self._parser.should_keep_alive()
        self._complete()

    def _has_an_end(self) -> bool:
        headers = self._current.headers
        return "content-length" in headers or "transfer-encoding" in headers

    def _complete(self) -> None:
        answer, self._current = self._current, HttpAnswer()
        answer.body = bytes(self._body)
        self._body.clear()
        waiter, self._waiter = self._waiter, None
        if waiter is None or waiter.done():
            return
        try:
            answer.body = decoded(answer.body, answer.headers)
        except ResponseTooLarge as error:
            waiter.set_exception(error)
        except zlib.error:
            waiter.set_exception(BrokenOff("the body does not match its Content-Encoding"))
        else:
            waiter.set_result(answer)

    def _is_too_large(self) -> bool:
        """True if the response so far exceeds a limit; the parser itself keeps a header of any length."""
        most = MOST_SENT_BYTES if self._current.status >= FIRST_FINAL_STATUS else MOST_HEAD_BYTES
        return self._received > most or len(self._body) > MOST_BODY_BYTES

    def _fail(self, reason: str) -> None:
        self._end(BrokenOff(reason))

    def _end(self, error: Exception) -> None:
        waiter, self._waiter = self._waiter, None
        if waiter is not None and not waiter.done():
            waiter.set_exception(error)
