"""Requests whose head never ends, from a program without the token, and the memory of the servers that read them."""

from __future__ import annotations

import itertools
import socket
from collections.abc import Iterable, Iterator

import psutil

ENDLESS = 32 * 1024 * 1024
"""Bytes that are sent at most; a parser without a bound holds several times as much."""
START = b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n"
CHUNKED = b"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n\r\n"
HEADERS: dict[str, tuple[bytes, bytes]] = {
    "header lines": (START, b"x-a: b\r\n" * 2048),
    "one header": (START + b"x-a: ", b"b" * 16_384),
    "one header name": (START, b"b" * 16_384),
    "path": (b"GET /", b"b" * 16_384),
    "method": (b"", b"B" * 16_384),
    "chunk extension": (CHUNKED + b"1;a=", b"b" * 16_384),
    "trailers": (CHUNKED + b"0\r\n", b"x-a: b\r\n" * 2048),
}
PIPELINED = (START + b"\r\n") * 512
"""Complete requests, whose answers are not read."""


def http_head(kind: str) -> Iterator[bytes]:
    """The parts of a head that goes on for `ENDLESS` bytes."""
    first, repeated = HEADERS[kind]
    yield first
    for _ in range(ENDLESS // len(repeated)):
        yield repeated


def pipelined() -> Iterator[bytes]:
    """`ENDLESS` bytes of complete requests."""
    return itertools.repeat(PIPELINED, ENDLESS // len(PIPELINED))


def http2_head() -> Iterator[bytes]:
    """A call of gRPC whose metadata goes on in continuation frames for eight times `ENDLESS` bytes."""

    def frame(kind: int, payload: bytes, stream: int) -> bytes:
        return len(payload).to_bytes(3, "big") + bytes([kind, 0]) + stream.to_bytes(4, "big") + payload

    field = b"\x00\x03x-a\x64" + b"b" * 100  # a literal of HPACK: name of 3 bytes, value of 100
    yield b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(4, b"", 0) + frame(1, field, 1)
    fields = frame(9, field * 140, 1)
    for _ in range(8 * ENDLESS // len(fields)):
        yield fields


def sent_until_closed(port: int, parts: Iterable[bytes]) -> int:
    """The number of bytes that the server took before it closed the connection or stopped reading."""
    taken = 0
    with socket.create_connection(("127.0.0.1", port), timeout=3) as connection:
        try:
            for part in parts:
                connection.sendall(part)
                taken += len(part)
        except OSError:  # closed, or not read for three seconds
            return taken
    return taken


def resident_bytes(pids: Iterable[int]) -> int:
    """The memory of the processes."""
    return sum(psutil.Process(pid).memory_info().rss for pid in pids)
