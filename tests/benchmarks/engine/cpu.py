"""CPU a row and start-up: the engine with everything on, beside the bare loops, turn by turn in one sitting."""

from __future__ import annotations

import socket
import statistics
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from tests.benchmarks.engine.children import (
    BASELINES,
    DRIVER,
    baseline,
    command,
    engine,
    engine_order,
    plain_environment,
)
from tests.benchmarks.engine.stand import CACHED, MASKED, PLAIN, Stand
from tests.benchmarks.engine.tables import Result
from tests.paths import ROOT

OF_OPENAI, OF_AIOHTTP = 0.15, 2.0
STRETCH = 0.08
WARM_UP = 500
OPENAI_SHARE = 8
START_WITHIN_S = 120.0


@dataclass(frozen=True, slots=True)
class CpuOptions:
    """Rows a turn (a bare AsyncOpenAI loop takes an eighth of them), calls in flight, and turns."""

    rows: int = 8000
    in_flight: int = 32
    rounds: int = 5


def measure(stand: Stand, options: CpuOptions) -> list[Result]:
    """CPU a row of each, and how long each takes to its first request."""
    stand.endpoint.configure()
    turns = _turns(stand, options)
    figures: dict[str, list[float]] = {name: [] for name in turns}
    for _ in range(options.rounds):
        for name, turn in turns.items():
            figures[name].append(turn())
    return [_cpu_table(figures, options), _start_table(stand, options)]


def _turns(stand: Stand, options: CpuOptions) -> dict[str, Callable[[], float]]:
    frame, in_flight = stand.frame(PLAIN), options.in_flight

    def bare(kind: str, rows: int) -> float:
        found = baseline(stand, kind, rows=rows, warm_up=WARM_UP, in_flight=in_flight, frame=frame)
        return float(found["cpu_s"]) / rows * 1000

    def ours(task: str) -> float:
        run = stand.admitted(task, options.rows, in_flight=in_flight)
        warm_up = stand.admitted(task, WARM_UP, in_flight=in_flight, prefix="w")
        found = engine(stand, run, warm_up=warm_up.run_id)
        if (answered := stand.endpoint.stats()["rows_ok"]) != options.rows:
            raise SystemExit(f"The engine got {answered:,} of {options.rows:,} rows answered.")
        return float(found["cpu_s"]) / options.rows * 1000

    return {
        "AsyncOpenAI loop": lambda: bare("openai", options.rows // OPENAI_SHARE),
        "aiohttp + orjson loop": lambda: bare("aiohttp", options.rows),
        "aiohttp + orjson loop on uvloop": lambda: bare("aiohttp-uvloop", options.rows),
        "engine, cache off": lambda: ours(PLAIN),
        "engine": lambda: ours(CACHED),
        "engine, masking on": lambda: ours(MASKED),
    }


def _cpu_table(figures: Mapping[str, list[float]], options: CpuOptions) -> Result:
    columns = ("", "ms CPU a row (median)", "range", "x AsyncOpenAI", "x aiohttp", "target")
    result = Result(f"CPU a row, zero latency, {options.in_flight} in flight", columns)
    medians = {name: statistics.median(found) for name, found in figures.items()}
    openai, aiohttp = medians["AsyncOpenAI loop"], medians["aiohttp + orjson loop"]
    for name, found in figures.items():
        of_openai, of_aiohttp = medians[name] / openai, medians[name] / aiohttp
        target = ""
        if name == "engine":
            wanted = f"at most {OF_OPENAI} x AsyncOpenAI and {OF_AIOHTTP:g} x aiohttp"
            met = of_openai <= OF_OPENAI and of_aiohttp <= OF_AIOHTTP
            target = f"{wanted}: {result.wants(met, f'CPU a row {wanted}')}"
        shown = f"{min(found):.3f} to {max(found):.3f}"
        result.row(name, f"{medians[name]:.3f}", shown, f"{of_openai:.3f}", f"{of_aiohttp:.2f}", target)
    result.notes.append(
        f"{options.rounds} turns of each, alternated; {options.rows:,} rows a turn. The engine reads its snapshot, looks for "
        "answers that may be reused, and lands every row up to the encoded request; admission and the wire to the warehouse "
        f"are left out. Stretch: {STRETCH} x AsyncOpenAI."
    )
    return result


def _start_table(stand: Stand, options: CpuOptions) -> Result:
    result = Result("Start-up: from the process to its first request", ("", "s (median)", "range", "target"))
    stand.endpoint.configure()
    frame = stand.frame(PLAIN)
    bare = {"rows": 100, "warm_up": 0, "in_flight": options.in_flight, "frame": frame}
    found: dict[str, list[float]] = {"AsyncOpenAI loop": [], "aiohttp + orjson loop": [], "engine": []}
    for turn in range(options.rounds):
        # Each turn has a run of its own: one that was killed has calls to land before its first request.
        run = stand.admitted(PLAIN, 100, in_flight=options.in_flight, prefix=f"s{turn}")
        with _Listener() as listener:
            plain = {**bare, "base_url": listener.base_url}
            for kind, name in (("openai", "AsyncOpenAI loop"), ("aiohttp", "aiohttp + orjson loop")):
                found[name].append(listener.first_request(BASELINES, {**plain, "kind": kind}, plain_environment()))
            provider = stand.settings.root / "providers.yml"
            stand.project(in_flight=options.in_flight)
            text = provider.read_text(encoding="utf-8").replace(stand.endpoint.base_url, listener.base_url)
            provider.write_text(text, encoding="utf-8")
            order = engine_order(stand, run)
            found["engine"].append(listener.first_request(DRIVER, order, stand.environment()))
    limit = statistics.median(found["AsyncOpenAI loop"])
    for name, values in found.items():
        middle, target = statistics.median(values), ""
        if name == "engine":
            target = (
                f"at most the AsyncOpenAI loop's: {result.wants(middle <= limit, 'start-up at most the bare loop')}"
            )
        result.row(name, f"{middle:.2f}", f"{min(values):.2f} to {max(values):.2f}", target)
    return result


class _Listener:
    """Notes when the first bytes of a request arrive; it answers nothing."""

    def __enter__(self) -> _Listener:
        self._socket = socket.create_server(("127.0.0.1", 0), backlog=512)
        self._socket.settimeout(START_WITHIN_S)
        self.base_url = f"http://127.0.0.1:{self._socket.getsockname()[1]}/v1"
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def first_request(self, module: str, order: dict[str, Any], environment: dict[str, str]) -> float:
        """Seconds from the start of the process to its first request; the process has ended."""
        began = time.monotonic()
        process = subprocess.Popen(
            command(module, order), cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        try:
            return self._arrival() - began
        finally:
            process.kill()
            process.wait(timeout=10)
            self._drain()

    def _arrival(self) -> float:
        while True:
            connection, _ = self._socket.accept()
            with connection:
                connection.settimeout(START_WITHIN_S)
                if connection.recv(1):
                    return time.monotonic()

    def _drain(self) -> None:
        """Connections of the ended process that still wait are taken off the queue."""
        self._socket.settimeout(0.2)
        try:
            while True:
                self._socket.accept()[0].close()
        except TimeoutError:
            self._socket.settimeout(START_WITHIN_S)
