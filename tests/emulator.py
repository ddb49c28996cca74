"""A real BigQuery emulator for tests, on free ports, ended with the block."""

from __future__ import annotations

import functools
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from assay.settings.local_token import TOKEN_VARIABLE
from tests.line_server import LineServer, end, start_line_server

READY_WITHIN_S = 60.0
PROJECT = "assay-local"
TOKEN = "token-of-the-emulators-of-these-tests"
"""What every emulator of the tests requires, as the local stack's own does."""


@dataclass(frozen=True, slots=True)
class Endpoints:
    """Where an emulator answers, to those who send the token: `rest` is a URL, `grpc` is host:port."""

    rest: str
    grpc: str
    pid: int
    token: str = TOKEN


@contextmanager
def running_emulator(folder: Path, *, project: str = PROJECT, as_shipped: bool = False) -> Iterator[Endpoints]:
    """An empty emulator that responds, for the block.

    It is a quick one (tests/emulator_server.py) in a process that all emulators of this process share, with its data
    in memory. `as_shipped` starts the local stack's own in a process of its own, with data and log in `folder`: for
    tests that kill it or start it again on the same data, and for benchmarks.

    Raises:
        RuntimeError: it did not respond within a minute; the message ends with its log.
    """
    from duckdb_extensions import import_extension

    import_extension("spatial")  # the emulator loads it at start and would try to download it
    with _shipped(folder, project) if as_shipped else _quick(project) as endpoints:
        yield endpoints


@contextmanager
def _shipped(folder: Path, project: str) -> Iterator[Endpoints]:
    folder.mkdir(parents=True, exist_ok=True)
    rest_port, grpc_port = _free_ports(2)
    command = [
        *(sys.executable, "-m", "assay.local.emulator_server", "start", "--persistent"),
        *("--data-dir", str(folder / "data")),
        *("--rest-port", str(rest_port), "--grpc-port", str(grpc_port), "--project", project, "--log-level", "warning"),
    ]
    log, environment = folder / "emulator.log", {**os.environ, TOKEN_VARIABLE: TOKEN}
    with log.open("wb") as out:
        process = subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT, cwd=folder, env=environment)
    try:
        yield _endpoints(process, log, rest_port, grpc_port, project)
    finally:
        end(process)  # asked to end, it may take ten seconds to save what nobody reads again


@contextmanager
def _quick(project: str) -> Iterator[Endpoints]:
    server = _server()
    rest_port, grpc_port = _free_ports(2)
    server.send(start=True, rest=rest_port, grpc=grpc_port, project=project)
    try:
        yield _endpoints(server.process, server.log, rest_port, grpc_port, project)
    finally:
        server.send(start=False, rest=rest_port)


@functools.cache
def _server() -> LineServer:
    return start_line_server("tests.emulator_server")


def _endpoints(process: subprocess.Popen[bytes], log: Path, rest_port: int, grpc_port: int, project: str) -> Endpoints:
    _wait_until_ready(process, f"http://127.0.0.1:{rest_port}/bigquery/v2/projects/{project}/datasets", log)
    return Endpoints(rest=f"http://127.0.0.1:{rest_port}", grpc=f"127.0.0.1:{grpc_port}", pid=process.pid)


def _wait_until_ready(process: subprocess.Popen[bytes], url: str, log: Path) -> None:
    deadline = time.monotonic() + READY_WITHIN_S
    while time.monotonic() < deadline and process.poll() is None:
        if _answers(url):
            return
        time.sleep(0.05)
    text = log.read_text(encoding="utf-8", errors="replace")[-2000:]
    raise RuntimeError(
        f"The emulator did not answer at {url} within {READY_WITHIN_S:.0f} s; its log ends with:\n{text}"
    )


def _answers(url: str) -> bool:
    try:
        request = urllib.request.Request(url, headers={"Authorization": f"Bearer {TOKEN}"})
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=2) as response:
            return bool(response.status == 200)
    except (urllib.error.URLError, TimeoutError, ConnectionError):
        return False


def _free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    try:
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]
    finally:
        for each in sockets:
            each.close()
