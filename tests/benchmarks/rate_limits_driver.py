"""One worker of the rate-limit benchmark: sends rows through the limiter and the fast transport for a while.

    python -m tests.benchmarks.rate_limits_driver --port 8900 --seconds 60 [--rpm 6000] [--redis redis://...]

Prints one JSON line. A refused row waits for its turn again until it is answered, as in a run.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

from assay.inference.dialects.registry import DEFAULT_DIALECT
from assay.inference.endpoint.failures import FailureKind
from assay.inference.endpoint.replies import Reply
from assay.inference.endpoint.transport import LeanClient
from assay.inference.limits.build import build_limiter
from assay.inference.limits.protocol import Limiter
from assay.inference.limits.tokens import TokenEstimator
from assay.inference.providers import Limits, Provider

LANE = "mock:gpt-4o-mini"
WORKERS = 96
MAX_TOKENS = 32
TIMEOUT_S = 30.0
MOST_TRIES = 200


@dataclass(slots=True)
class Counts:
    """What became of rows and requests."""

    started: int = 0
    answered: int = 0
    requests: int = 0
    refused: int = 0
    other: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Drive:
    """The parts of one worker."""

    limiter: Limiter
    client: LeanClient
    tokens: TokenEstimator
    until: float
    name: str
    counts: Counts


async def drive(options: argparse.Namespace) -> dict[str, object]:
    """Counts and the lane's last state after `options.seconds`."""
    client = LeanClient(DEFAULT_DIALECT, base_url=f"http://127.0.0.1:{options.port}/v1", api_key="none")
    provider = Provider("mock", "", None, 64, limits=Limits(rpm=options.rpm, tpm=options.tpm))
    limiter = build_limiter({"mock": provider}, redis_url=options.redis, run_id=options.name)
    began = time.monotonic()
    worker = Drive(limiter, client, TokenEstimator(), began + options.seconds, options.name, Counts())
    rows = itertools.count()
    await asyncio.gather(*(_rows(worker, rows) for _ in range(WORKERS)))
    seconds = time.monotonic() - began
    state = limiter.states()[LANE]
    await limiter.close()
    await client.close()
    counts = worker.counts
    return {
        "started": counts.started,
        "answered": counts.answered,
        "requests": counts.requests,
        "refused": counts.refused,
        "other": counts.other,
        "seconds": seconds,
        "cpu_s": time.process_time(),
        "limit_rpm": state.limit_rpm,
        "limit_tpm": state.limit_tpm,
        "share": state.share,
    }


async def _rows(worker: Drive, rows: Iterator[int]) -> None:
    while time.monotonic() < worker.until:
        worker.counts.started += 1
        await _answered(worker, next(rows))


async def _answered(worker: Drive, row: int) -> None:
    counts, body = worker.counts, _body(f"{worker.name}-{row}")
    for _ in range(MOST_TRIES):
        held = worker.tokens.estimate(len(body), max_tokens=MAX_TOKENS)
        await worker.limiter.acquire(LANE, held)
        outcome = await worker.client.complete(body, model="m", timeout_s=TIMEOUT_S)
        counts.requests += 1
        used = None
        if isinstance(outcome, Reply) and outcome.usage:
            used = outcome.usage["total_tokens"]
            worker.tokens.learn(
                len(body),
                input_tokens=outcome.usage["prompt_tokens"],
                output_tokens=outcome.usage["completion_tokens"],
            )
        worker.limiter.release(LANE, held_tokens=held, used_tokens=used, outcome=outcome)
        if isinstance(outcome, Reply):
            counts.answered += 1
            return
        if outcome.kind is FailureKind.RATE_LIMITED:
            counts.refused += 1
        else:
            counts.other[outcome.kind.value] = counts.other.get(outcome.kind.value, 0) + 1


def _body(row: str) -> bytes:
    text = f"[[row:{row}]] My parcel has not arrived and the page still says that it is being packed. What now?"
    system = "You sort customer messages. Answer with one label and how sure you are of it."
    messages = [{"role": "system", "content": system}, {"role": "user", "content": text}]
    return json.dumps({"model": "gpt-4o-mini", "messages": messages, "max_completion_tokens": MAX_TOKENS}).encode()


def main() -> None:
    """Prints the result of one worker."""
    parser = argparse.ArgumentParser(description="One worker of the rate-limit benchmark.")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--rpm", type=int, default=None, help="told to the limiter; else it learns from headers")
    parser.add_argument("--tpm", type=int, default=None)
    parser.add_argument("--redis", default=None)
    parser.add_argument("--name", default="one")
    sys.stdout.write(json.dumps(asyncio.run(drive(parser.parse_args()))) + "\n")


if __name__ == "__main__":
    main()
