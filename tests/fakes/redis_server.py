"""A real Redis for tests and benchmarks: a process of its own on a free port, ended with the block.

Nothing is written to disk; `stop` and `start` are an outage on the same port, after which it has forgotten everything.
"""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager

READY_WITHIN_S = 10.0


class RedisServer:
    """One server; `url` is where it answers while it is up."""

    def __init__(self, port: int) -> None:
        self.url = f"redis://127.0.0.1:{port}/0"
        self._port = port
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """It takes connections."""
        command = ["redis-server", "--port", str(self._port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        until = time.monotonic() + READY_WITHIN_S
        while True:
            try:
                socket.create_connection(("127.0.0.1", self._port), timeout=1).close()
                return
            except OSError:
                if time.monotonic() > until or self._process.poll() is not None:
                    raise
                time.sleep(0.01)

    def stop(self) -> None:
        """Its process has ended."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(timeout=READY_WITHIN_S)
            self._process = None


def redis_is_installed() -> bool:
    """True where the program `redis-server` is found."""
    return shutil.which("redis-server") is not None


@contextmanager
def running_redis() -> Iterator[RedisServer]:
    """A server that answers; it has ended after the block."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = int(free.getsockname()[1])
    server = RedisServer(port)
    server.start()
    try:
        yield server
    finally:
        server.stop()
