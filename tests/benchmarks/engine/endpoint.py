"""The misbehaving endpoint that everything is measured against, started and steered over HTTP.

It is a file of its own, given by path; faults and answers are computed from it again, independently of the engine.
"""

from __future__ import annotations

import importlib.util
import json
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

READY_WITHIN_S = 10.0
LIFETIME_S = 4 * 3600


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A running endpoint."""

    port: int
    module: ModuleType

    @property
    def base_url(self) -> str:
        """What a provider's `base_url` is set to."""
        return f"http://127.0.0.1:{self.port}/v1"

    def configure(self, **options: object) -> None:
        """The options are in force, everything else as at the start, and every counter is zero."""
        plain = {"latency": 0.0, "mix": 0.0, "faults": "", "hang": 15.0, "rpm": 0.0, "burst": 0.0, "batch_s": 1.0}
        self._post("/_config", {**plain, **options})
        self.reset()

    def reset(self) -> None:
        """Every counter is zero."""
        self._post("/_reset", {})

    def stats(self) -> dict[str, Any]:
        """The counters."""
        return self._get("/_stats")

    def keys(self) -> dict[str, list[int]]:
        """Per row: requests, and good answers written."""
        return self._get("/_keys")

    def batches(self) -> list[dict[str, Any]]:
        """Every batch that was created."""
        found: list[dict[str, Any]] = self._get("/v1/batches")["data"]
        return found

    def expected_label(self, row: str) -> str:
        """The right label of a row."""
        label: str = self.module.expected_label(row)
        return label

    def _get(self, path: str) -> dict[str, Any]:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=60) as answer:
            found: dict[str, Any] = json.load(answer)
        return found

    def _post(self, path: str, content: Mapping[str, object]) -> None:
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", data=json.dumps(content).encode())
        urllib.request.urlopen(request, timeout=60).close()


@contextmanager
def running_endpoint(script: Path) -> Iterator[Endpoint]:
    """An endpoint that answers on a free port and has ended after the block."""
    port = free_port()
    command = [sys.executable, str(script), "--port", str(port), "--lifetime", str(LIFETIME_S)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        found = Endpoint(port, _module(script))
        _wait_until_ready(found, process)
        yield found
    finally:
        process.terminate()
        process.wait(timeout=10)


def free_port() -> int:
    """A port of this machine that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def _module(script: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location("benchmark_endpoint", script)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def _wait_until_ready(endpoint: Endpoint, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + READY_WITHIN_S
    while time.monotonic() < deadline and process.poll() is None:
        try:
            endpoint.stats()
        except (urllib.error.URLError, ConnectionError):
            time.sleep(0.05)
        else:
            return
    raise SystemExit(f"The endpoint did not answer on port {endpoint.port} within {READY_WITHIN_S:.0f} s.")
