"""What the guard of the local stack costs: the same servers with and without it, one call at each in turn.

uv run python -m tests.benchmarks.local_guard --rounds 200
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from assay.local.model_server import PATIENT_THREADS
from assay.settings.local_token import TOKEN_VARIABLE
from tests.emulator import PROJECT, TOKEN

EMULATOR = """
from assay.local.emulator_guard import guard_emulator
from assay.local.emulator_server import allow_for_lost_clients, separate_threads
from bqemulator.cli import main
{guard}
separate_threads()
allow_for_lost_clients()
main()
"""
MODEL = """
import signal, sys
from xllamacpp import Server
from assay.local.model_server import parameters, weights_file
params = parameters(weights_file(), socket_path="127.0.0.1")
params.port = int(sys.argv[1])
server = Server(params)
while True:
    signal.pause()
"""
READY_S = 90.0
API = f"/bigquery/v2/projects/{PROJECT}"
ROWS = [{"json": {"a": number, "b": "a text of some words " * 5}} for number in range(500)]
CHAT = {"messages": [{"role": "user", "content": "Say hello."}], "max_tokens": 1, "temperature": 0}


class Client:
    """One connection that is kept open."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)

    def post(self, path: str, document: object) -> bytes:
        """The answer."""
        headers = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"}
        self.connection.request("POST", path, json.dumps(document), headers)
        answer = self.connection.getresponse()
        text = answer.read()
        if answer.status != http.HTTPStatus.OK:
            raise RuntimeError(f"{path}: {answer.status} {text[:300]!r}")
        return text


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def serving(command: Sequence[str], port: int, ready: str) -> Iterator[Client]:
    """A client of the process, once the path is answered with 200."""
    environment = {**os.environ, **PATIENT_THREADS, TOKEN_VARIABLE: TOKEN}
    with subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            deadline = time.monotonic() + READY_S
            while not is_ready(port, ready):
                if process.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError(f"{command[-1]} did not start")
                time.sleep(0.2)
            yield Client(port)
        finally:
            process.kill()


def is_ready(port: int, path: str) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", path, headers={"Authorization": f"Bearer {TOKEN}"})
        return connection.getresponse().status == http.HTTPStatus.OK
    except OSError:
        return False
    finally:
        connection.close()


@contextmanager
def emulator(folder: Path, *, guarded: bool) -> Iterator[Client]:
    """The emulator with one table."""
    rest, grpc = free_port(), free_port()
    code = EMULATOR.format(guard=f"guard_emulator({TOKEN!r})" if guarded else "")
    command = [sys.executable, "-c", code, "start", "--persistent", "--data-dir", str(folder), "--project", PROJECT]
    command += ["--rest-port", str(rest), "--grpc-port", str(grpc), "--log-level", "warning"]
    with serving(command, rest, f"{API}/datasets") as client:
        client.post(f"{API}/datasets", {"datasetReference": {"projectId": PROJECT, "datasetId": "d"}})
        client.post(f"{API}/queries", {"query": "create table d.t (a int64, b string)", "useLegacySql": False})
        yield client


@contextmanager
def model(*, guarded: bool) -> Iterator[Client]:
    """The model server."""
    port = free_port()
    own = ["-m", "assay.local.model_server", "--port"] if guarded else ["-c", MODEL]
    with serving([sys.executable, *own, str(port)], port, "/health") as client:
        yield client


def compared(name: str, rounds: int, act: Callable[[Client], object], plain: Client, guarded: Client) -> str:
    """One line: medians without and with the guard, and the median of the differences of pairs, in milliseconds."""
    plain, guarded = Client(plain.port), Client(guarded.port)  # an idle connection was closed meanwhile
    act(plain), act(guarded)
    pairs = [(_timed(act, plain), _timed(act, guarded)) for _ in range(rounds)]
    without, with_guard = (statistics.median(side) for side in zip(*pairs, strict=True))
    difference = statistics.median(second - first for first, second in pairs)
    return f"{name:<28} {without:8.2f} {with_guard:8.2f} {difference:+8.2f}"


def _timed(act: Callable[[Client], object], client: Client) -> float:
    began = time.perf_counter()
    act(client)
    return (time.perf_counter() - began) * 1000


def main() -> None:
    """Prints one line for each kind of call."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=200)
    rounds = parser.parse_args().rounds
    table = f"{API}/datasets/d/tables/t/insertAll"
    query = {"query": "select count(*) as n, max(b) as b from d.t where a < 100", "useLegacySql": False}
    acts: dict[str, Callable[[Client], object]] = {
        "query": lambda client: client.post(f"{API}/queries", query),
        "insert of 500 rows": lambda client: client.post(table, {"rows": ROWS}),
    }
    lines = [f"{'ms':<28} {'without':>8} {'with':>8} {'pairs':>8}"]
    with ExitStack() as opened:
        folder = Path(opened.enter_context(tempfile.TemporaryDirectory()))
        plain = opened.enter_context(emulator(folder / "plain", guarded=False))
        guarded = opened.enter_context(emulator(folder / "guarded", guarded=True))
        lines += [compared(name, rounds, act, plain, guarded) for name, act in acts.items()]
    with model(guarded=False) as plain, model(guarded=True) as guarded:
        act = lambda client: client.post("/v1/chat/completions", CHAT)  # noqa: E731
        lines.append(compared("model, one token", rounds, act, plain, guarded))
    sys.stdout.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
