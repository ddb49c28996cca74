"""How much of a provider's rate limit is used, and how many requests it has to refuse.

    python -m tests.benchmarks.rate_limits [--mock PATH] [--seconds 60] [--case NAME ...]

A mock provider (latency 200 ms, a token bucket of one second's requests) is driven for a while by one worker, or by
two workers with one Redis between them; default settings, each worker a process of its own. "used" is rows answered
/ (limit x span of the run). Prints a table; ends with 1 when a case misses its target.
"""

from __future__ import annotations

import argparse
import json
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.paths import ROOT
from tests.redis_server import BINARY, RedisServer, running_redis

MOCK = ROOT.parent / "shared" / "bench" / "mock_openai.py"
LATENCY_S = 0.2
MINUTE_S = 60.0
HALF, HALF_WITHIN = 0.5, 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One run: the provider's limits, what workers are told of them, and what is wanted (parts of 1)."""

    name: str
    rpm: int = 0
    tpm: int = 0
    told: bool = False
    workers: int = 1
    retry_after: str = "both"
    used: float = 0.95
    refused: float = 0.02


CASES = (
    Case(name="headers-6000", rpm=6000),
    Case(name="headers-1200", rpm=1200),
    Case(name="told-6000", rpm=6000, told=True, used=0.98, refused=0.005),
    Case(name="told-1200", rpm=1200, told=True, used=0.98, refused=0.005),
    Case(name="shared-6000", rpm=6000, workers=2),
    Case(name="shared-1200", rpm=1200, workers=2),
    Case(name="shared-told-6000", rpm=6000, workers=2, told=True, used=0.98, refused=0.005),
    Case(name="seconds-only-6000", rpm=6000, retry_after="seconds"),
    Case(name="tokens-headers", tpm=300_000),
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Prints a line for each case; 0 when all meet their targets, 1 when not, 2 when nothing could be measured."""
    options = _options(arguments)
    if not options.mock.is_file():
        _say(f"No mock provider at {options.mock}: expected mock_openai.py; name it with --mock. Nothing was measured.")
        return 2
    _say(f"{'case':<18} {'used':>7} {'refused':>8} {'lost':>5} {'rows':>6} {'span':>6}  {'of each':<15} CPU/row")
    chosen = [case for case in CASES if not options.case or case.name in options.case]
    met = [measure(case, options) for case in chosen]  # every case is measured, also after one that missed
    return int(not all(met))


def measure(case: Case, options: argparse.Namespace) -> bool:
    """Runs the case and prints its line; True if it met its targets."""
    if case.workers > 1 and BINARY is None:
        _say(f"{case.name:<18} not measured: no redis-server on this machine")
        return True
    with _mock(case, options.mock) as port, running_redis() if case.workers > 1 else nullcontext() as redis:
        results = _drive(case, port, redis, seconds=options.seconds)
        stats = _ask(f"http://127.0.0.1:{port}/_stats")
    span = float(stats["span_s"])
    answered = sum(result["answered"] for result in results)
    allowed = _allowed(case, stats, span)
    used, refused = answered / allowed, stats["rejected_429"] / stats["requests"]
    lost = sum(result["started"] for result in results) - stats["rows_ok"]
    parts = [result["answered"] / answered for result in results]
    met = used >= case.used and refused <= case.refused and lost == 0 and _is_even(parts)
    cpu_ms = sum(result["cpu_s"] for result in results) / answered * 1000
    shown = " ".join(f"{part:.1%}" for part in parts)
    _say(
        f"{case.name:<18} {used:7.1%} {refused:8.2%} {lost:5d} {answered:6d} {span:5.1f}s  {shown:<15} {cpu_ms:.2f} ms"
        + ("" if met else "  <- misses its target")
    )
    return met


def _allowed(case: Case, stats: dict[str, Any], span: float) -> float:
    """Rows that the limit allows in that span; a request is charged with its prompt and the output it may have."""
    if case.rpm:
        return case.rpm / MINUTE_S * span
    charged = stats["prompt_tokens"] / stats["ok"] + 32
    return case.tpm / MINUTE_S * span / charged


def _is_even(parts: Sequence[float]) -> bool:
    """True if each of two workers came within a tenth of a half."""
    return len(parts) == 1 or all(abs(part - HALF) <= HALF * HALF_WITHIN for part in parts)


def _drive(case: Case, port: int, redis: RedisServer | None, *, seconds: float) -> list[dict[str, Any]]:
    command = [sys.executable, "-m", "tests.benchmarks.rate_limits_driver", "--port", str(port)]
    command += ["--seconds", str(seconds)]
    if case.told:
        command += ["--rpm", str(case.rpm)] if case.rpm else ["--tpm", str(case.tpm)]
    if redis is not None:
        command += ["--redis", redis.url]
    workers = [
        subprocess.Popen([*command, "--name", f"worker-{n}"], cwd=ROOT, stdout=subprocess.PIPE, text=True)
        for n in range(case.workers)
    ]
    return [json.loads(worker.communicate(timeout=seconds + 120)[0]) for worker in workers]


@contextmanager
def _mock(case: Case, path: Path) -> Iterator[int]:
    """The port of a mock provider with the case's limits; it has ended after the block."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = int(free.getsockname()[1])
    options = ["--port", port, "--latency", LATENCY_S, "--rpm", case.rpm, "--tpm", case.tpm]
    options += ["--retry-after", case.retry_after]
    command = [sys.executable, str(path), *map(str, options)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        _wait_for(f"http://127.0.0.1:{port}/_stats")
        yield port
    finally:
        process.terminate()
        process.wait(timeout=10)


def _wait_for(url: str) -> None:
    until = time.monotonic() + 10
    while True:
        try:
            _ask(url)
            return
        except urllib.error.URLError:
            if time.monotonic() > until:
                raise
            time.sleep(0.05)


def _ask(url: str) -> dict[str, Any]:
    # Straight to this machine, whatever proxy the environment names.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(url, timeout=10) as answer:
        read: dict[str, Any] = json.load(answer)
    return read


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Use of a provider's rate limit.")
    parser.add_argument("--mock", type=Path, default=MOCK, help="path of mock_openai.py")
    parser.add_argument("--seconds", type=float, default=60.0, help="how long each case starts rows")
    parser.add_argument("--case", nargs="+", choices=[case.name for case in CASES], help="only these")
    return parser.parse_args(arguments)


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
