"""The labeling page as a process."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.endless_heads import HEADERS, http_head, pipelined, resident_bytes, sent_until_closed

PAGE = """
from types import SimpleNamespace
from assay.labels.page.serving import serve
session = SimpleNamespace(task=SimpleNamespace(name="sorting"), warm=lambda: None)
shown = lambda addresses: print(*addresses.values(), flush=True)
serve(session, host="127.0.0.1", port=0, people=("ana",), ready=shown)
"""
MAX_GROWTH_BYTES = 10_000_000
MAX_SENT_BYTES = 16_000_000


@dataclass(frozen=True)
class Served:
    port: int
    pid: int


@pytest.fixture(scope="module")
def served() -> Iterator[Served]:
    """A page without items."""
    with subprocess.Popen([sys.executable, "-c", PAGE], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            port = int(process.stdout.readline().partition("127.0.0.1:")[2].partition("/")[0])
            sent_until_closed(port, [b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"])
            yield Served(port, process.pid)
        finally:
            process.kill()


@pytest.mark.parametrize("kind", [*HEADERS, "pipelined"])
def test_no_head_fills_the_memory(served: Served, kind: str) -> None:
    sent_until_closed(served.port, http_head("path"))  # loads what the first request loads
    before = resident_bytes([served.pid])
    taken = sent_until_closed(served.port, pipelined() if kind == "pipelined" else http_head(kind))
    assert kind == "pipelined" or taken < MAX_SENT_BYTES
    assert resident_bytes([served.pid]) - before < MAX_GROWTH_BYTES
