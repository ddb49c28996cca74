"""A model endpoint that is never the bottleneck: one fixed answer, several thousand times a second.

Belongs here: just enough of HTTP/1.1 for a chat completion. Faults and counts are the tests' endpoint's matter.

    python -m tests.benchmarks.endpoint      prints its port, then answers until it is ended
"""

from __future__ import annotations

import asyncio
import json
import re
import sys

LENGTH = re.compile(rb"\r\ncontent-length:\s*(\d+)", re.IGNORECASE)
END_OF_HEAD = b"\r\n\r\n"


def answer() -> bytes:
    """The whole HTTP response, body included."""
    message = {"role": "assistant", "content": json.dumps({"label": "question"})}
    body = json.dumps(
        {
            "id": "benchmark",
            "object": "chat.completion",
            "model": "gpt-4o-mini-2024-07-18",
            "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
            "usage": {"prompt_tokens": 60, "completion_tokens": 6, "total_tokens": 66},
        }
    ).encode()
    return b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body)


class Conversation(asyncio.Protocol):
    """One connection: answers each whole request, in order."""

    def __init__(self, response: bytes) -> None:
        self._response = response
        self._received = bytearray()
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._received += data
        while (end := self._received.find(END_OF_HEAD)) >= 0:
            length = LENGTH.search(bytes(self._received[:end]))
            whole = end + len(END_OF_HEAD) + (int(length[1]) if length else 0)
            if len(self._received) < whole or self._transport is None:
                return
            del self._received[:whole]
            self._transport.write(self._response)


async def serve() -> None:
    """Answers on a free port of this machine, which is printed first."""
    response = answer()
    server = await asyncio.get_running_loop().create_server(lambda: Conversation(response), "127.0.0.1", 0)
    sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve())
