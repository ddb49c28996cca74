"""An endpoint below HTTP: it keeps requests as they came over the wire, and answers byte by byte as it is told.

Belongs here: receiving, answering, breaking off. What a client ought to make of it is for the tests to say.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from enum import Enum, auto

HOST = "127.0.0.1"
RESET = struct.pack("ii", 1, 0)
"""A linger of no seconds: the connection ends with RST instead of FIN."""


class End(Enum):
    """What becomes of the connection after the last byte."""

    KEPT = auto()
    CLOSED = auto()
    RESET = auto()
    SILENT = auto()


@dataclass(frozen=True, slots=True)
class Played:
    """What follows on a request: pieces in turn, a number being seconds in which nothing is sent."""

    pieces: tuple[bytes | float, ...]
    end: End = End.KEPT


@dataclass(frozen=True, slots=True)
class Asked:
    """One request as it came; names of headers in lower case, `connection` counts connections from 1."""

    line: str
    headers: dict[str, str]
    body: bytes
    connection: int


class WireEndpoint:
    """Plays one answer after the other, the last again and again; `asked` has every request that came whole.

    `played` counts the answers that were sent to their end.
    """

    def __init__(self, *answers: Played, head_only: bool = False) -> None:
        self.asked: list[Asked] = []
        self.url = ""
        self.connections = 0
        self.ended = 0
        self.played = 0
        self._answers = answers
        self._head_only = head_only
        self._open: set[asyncio.Task[None]] = set()

    @contextlib.asynccontextmanager
    async def listening(self) -> AsyncIterator[WireEndpoint]:
        """It takes connections on a free port while the block lasts."""
        server = await asyncio.start_server(self._serve, HOST, 0)
        self.url = f"http://{HOST}:{server.sockets[0].getsockname()[1]}/v1"
        try:
            yield self
        finally:
            server.close()
            for task in self._open:
                task.cancel()
            await asyncio.gather(*self._open, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._open.add(task)
        self.connections += 1
        number = self.connections
        try:
            with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
                while await self._exchange(reader, writer, number):
                    pass
        finally:
            self.ended += 1
            writer.close()
            self._open.discard(task)

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, number: int) -> bool:
        line, *named = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").rstrip("\r\n").split("\r\n")
        headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in named)}
        body = b"" if self._head_only else await reader.readexactly(int(headers.get("content-length", "0")))
        self.asked.append(Asked(line, headers, body, number))
        played = self._answers[min(len(self.asked), len(self._answers)) - 1]
        await _play(writer, played.pieces)
        self.played += 1
        if played.end is End.SILENT:
            await asyncio.Event().wait()
        if played.end is End.RESET:
            connection: socket.socket = writer.get_extra_info("socket")
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            writer.transport.abort()
        return played.end is End.KEPT


async def _play(writer: asyncio.StreamWriter, pieces: Sequence[bytes | float]) -> None:
    for piece in pieces:
        if isinstance(piece, bytes):
            writer.write(piece)
            await writer.drain()
        else:
            await asyncio.sleep(piece)


def closed_port() -> str:
    """The URL of an endpoint that is not there."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return f"http://{HOST}:{probe.getsockname()[1]}/v1"


def answer(body: bytes | str, *, status: str = "200 OK", kind: str = "application/json", **headers: str) -> Played:
    """A whole HTTP answer; names of headers have underscores for dashes."""
    content = body.encode() if isinstance(body, str) else body
    return Played((head(status, Content_Type=kind, Content_Length=str(len(content)), **headers) + content,))


def head(status: str = "200 OK", **headers: str) -> bytes:
    """The head of an HTTP answer."""
    named = (f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
    return f"HTTP/1.1 {status}\r\n{''.join(named)}\r\n".encode("latin-1")
