"""A real Redis for tests and benchmarks: a process of its own on a free port, ended with the block.

Belongs here: starting, stopping and ending it. Keys are the tests'.
"""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

BINARY = shutil.which("redis-server")
READY_WITHIN_S = 20.0
needs_redis = pytest.mark.redis
"""Marks tests that start one; without a binary they are skipped (tests/conftest.py)."""


class RedisServer:
    """A server that keeps nothing on disk: stopped and started again, it has forgotten everything."""

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder
        self._port = _free_port()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Where it answers."""
        return f"redis://127.0.0.1:{self._port}/0"

    def start(self) -> None:
        """It answers.

        Raises:
            RuntimeError: it did not within 20 seconds.
        """
        options = ["--bind", "127.0.0.1", "--port", str(self._port), "--save", "", "--appendonly", "no"]
        self._process = subprocess.Popen(
            [str(BINARY), *options], cwd=self._folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        until = time.monotonic() + READY_WITHIN_S
        while time.monotonic() < until:
            try:
                with socket.create_connection(("127.0.0.1", self._port), timeout=1):
                    return
            except OSError:
                time.sleep(0.02)
        raise RuntimeError(f"redis-server does not respond on port {self._port}")

    def stop(self) -> None:
        """It has ended at once, as by kill -9."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(timeout=10)
            self._process = None


@contextmanager
def running_redis(folder: Path | None = None) -> Iterator[RedisServer]:
    """A server that answers; it has ended after the block."""
    server = RedisServer(folder)
    server.start()
    try:
        yield server
    finally:
        server.stop()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
