"""Many workers, one limit: shared through a real Redis, and kept by each alone while it is away."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import TypeVar

import pytest

from assay.inference.endpoint.rate_headers import RateHeaders
from assay.inference.limits.leases import (
    KEPT_S,
    KEY,
    Amounts,
    KnownLimits,
    LeaseRequest,
    LimitLease,
    RedisLeases,
    RedisUnavailable,
)
from assay.inference.limits.pacing import BURST_S
from assay.inference.limits.shared import STOCK_S, SharedLimiter
from assay.inference.providers import LaneLimits
from tests.fakes.virtual_time import now, run_in_virtual_time
from tests.inference.limits.provider import LANE, Provider, keep_busy, refusal, reply
from tests.redis_server import RedisServer, needs_redis, running_redis

T = TypeVar("T")
FAST = LaneLimits(rpm=12_000, concurrency=64)
RPS = 200
LIVES_S = 0.8
"""Of workers in these tests, so that nobody waits for the death of one."""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RedisServer]:
    with running_redis(tmp_path) as found:
        yield found


def limiter(url: str, run: str = "run-1", told: LaneLimits = FAST) -> SharedLimiter:
    return SharedLimiter(lambda _: told, RedisLeases(url, lives_s=LIVES_S), run_id=run, clock=now)


def provider(rpm: int = 120_000) -> Provider:
    return Provider(rpm, tells=False, latency_s=0.02)


async def busy(seconds: float, *workers: SharedLimiter) -> list[int]:
    """How many calls each worker made in that time, all of them busy."""
    providers = [provider() for _ in workers]
    began = now()
    await asyncio.gather(
        *(keep_busy(worker, its, callers=16, seconds=seconds) for worker, its in zip(workers, providers, strict=True))
    )
    return [sum(moment <= began + seconds for moment in its.taken) for its in providers]


async def closing(work: Awaitable[T], *workers: SharedLimiter) -> T:
    try:
        return await work
    finally:
        for worker in workers:
            await worker.close()


@needs_redis
def test_two_workers_have_half_of_the_limit_each_and_no_more_together(server: RedisServer) -> None:
    async def work() -> list[int]:
        workers = [limiter(server.url), limiter(server.url)]
        await busy(0.3, *workers)
        return await closing(busy(1.5, *workers), *workers)

    first, second = asyncio.run(work())
    assert 0.45 <= first / (first + second) <= 0.55
    assert 0.8 <= (first + second) / (RPS * 1.5) <= 1.2


@needs_redis
def test_two_runs_share_evenly_however_many_workers_each_has(server: RedisServer) -> None:
    async def work() -> list[int]:
        workers = [limiter(server.url, "a"), limiter(server.url, "b"), limiter(server.url, "b")]
        await busy(0.3, *workers)
        return await closing(busy(1.5, *workers), *workers)

    alone, *pair = asyncio.run(work())
    assert 0.42 <= alone / (alone + sum(pair)) <= 0.58


@needs_redis
def test_a_dead_workers_share_comes_back(server: RedisServer) -> None:
    async def work() -> float:
        alive, dead = limiter(server.url), RedisLeases(server.url, lives_s=LIVES_S)
        asks_once = LeaseRequest(worker="dead", run="run-1", wants=True, limits=KnownLimits(requests=RPS))
        await dead.request(LANE, asks_once)
        await dead.close()
        await alive.acquire(LANE, 1)
        with_the_dead = await _share(alive)
        async with asyncio.timeout(10):
            while await _share(alive) < 1.0:
                await busy(0.1, alive)
        await alive.close()
        return with_the_dead

    assert asyncio.run(work()) == 0.5


@needs_redis
def test_a_worker_that_leaves_gives_its_share_back_at_once(server: RedisServer) -> None:
    async def work() -> float:
        stays, leaves = limiter(server.url), limiter(server.url)
        await busy(0.3, stays, leaves)
        await leaves.close()
        await busy(0.2, stays)
        return await closing(_share(stays), stays)

    assert asyncio.run(work()) == 1.0


async def _share(worker: SharedLimiter) -> float:
    return worker.states()[LANE].share


@needs_redis
def test_what_one_worker_learns_of_the_limit_holds_for_the_other(server: RedisServer) -> None:
    async def work() -> float | None:
        unknown = LaneLimits(concurrency=64)
        learns, follows = limiter(server.url, told=unknown), limiter(server.url, told=unknown)
        for worker in (learns, follows):
            await worker.acquire(LANE, 1)
        learns.release(LANE, held_tokens=1, used_tokens=1, outcome=reply(RateHeaders(limit_requests=600)))
        await asyncio.sleep(0.4)
        return await closing(_limit(follows), learns, follows)

    assert asyncio.run(work()) == pytest.approx(600)


async def _limit(worker: SharedLimiter) -> float | None:
    return worker.states()[LANE].limit_rpm


@needs_redis
def test_a_pause_that_one_worker_is_asked_for_holds_the_other(server: RedisServer) -> None:
    async def work() -> float:
        asked, other = limiter(server.url), limiter(server.url)
        for worker in (asked, other):
            await worker.acquire(LANE, 1)
        asked.release(LANE, held_tokens=1, used_tokens=1, outcome=refusal(retry_after_s=30.0))
        await asyncio.sleep(0.4)
        return await closing(_paused(other), asked, other)

    assert asyncio.run(work()) == pytest.approx(30.0, abs=1.0)


async def _paused(worker: SharedLimiter) -> float:
    return worker.states()[LANE].paused_s


@needs_redis
def test_without_redis_a_worker_goes_on_with_its_last_share_and_returns(
    server: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)

    async def work() -> tuple[list[int], list[int]]:
        workers = [limiter(server.url), limiter(server.url)]
        await busy(0.4, *workers)
        server.stop()
        await busy(0.3, *workers)
        alone = await busy(0.7, *workers)
        server.start()
        while caplog.text.count("Redis is available again") < 2:
            await busy(0.2, *workers)
        await busy(0.5, *workers)
        return alone, await closing(busy(0.5, *workers), *workers)

    alone, again = asyncio.run(work())
    half = RPS * 0.7 / 2
    assert all(0.6 * half <= calls <= half + RPS * BURST_S for calls in alone)
    assert 0.4 <= again[0] / sum(again) <= 0.6
    assert sum(again) <= RPS * 0.5 + 2 * RPS * STOCK_S
    assert caplog.text.count("Redis is unavailable") == caplog.text.count("Redis is available again") == 2


@needs_redis
def test_a_lane_is_kept_for_two_idle_days_and_no_longer(server: RedisServer) -> None:
    from redis.asyncio import Redis

    async def work() -> int:
        async with Redis.from_url(server.url, socket_timeout=2.0) as redis:
            worker = limiter(server.url)
            await closing(worker.acquire(LANE, 1), worker)
            left: int = await redis.ttl(KEY % LANE)
            return left

    assert KEPT_S - 60 <= asyncio.run(work()) <= KEPT_S


@pytest.mark.parametrize("port", [1, 9])
def test_the_password_of_redis_is_in_no_message(port: int, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    url = f"redis://user:s3cr3t@127.0.0.1:{port}/0"

    async def asked() -> str:
        leases, worker = RedisLeases(url), limiter(url)
        with pytest.raises(RedisUnavailable) as away:
            await leases.request(LANE, LeaseRequest(worker="w", run="r", wants=True))
        await leases.close()
        await closing(worker.acquire(LANE, 1), worker)
        return repr(away.value)

    told = asyncio.run(asked())
    assert "Redis is unavailable" in caplog.text
    assert "s3cr3t" not in told + caplog.text


@needs_redis
def test_a_wrong_password_is_redis_being_away_and_is_in_no_message(
    server: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    url = server.url.replace("redis://", "redis://user:s3cr3t@")

    async def asked() -> float:
        worker = limiter(url)
        return await closing(worker.acquire(LANE, 1), worker)

    asyncio.run(asked())
    assert "Redis is unavailable" in caplog.text
    assert "s3cr3t" not in caplog.text


class PlannedLeases:
    """Leases by plan, in virtual time: half of 60 calls a second while `is_here`; `asked` has every question."""

    def __init__(self, *, breaks: Exception | None = None) -> None:
        self.asked: list[tuple[float, LeaseRequest]] = []
        self.is_here = True
        self.breaks = breaks
        self.is_closed = False

    async def request(self, lane: str, question: LeaseRequest) -> LimitLease:
        self.asked.append((now(), question))
        if self.breaks is not None:
            raise self.breaks
        if not self.is_here:
            raise RedisUnavailable("ConnectionError")
        granted = question.want.requests if question.wants else 0.0
        return LimitLease(
            requests=min(granted, 3.0), tokens=0.0, share=0.5, factor=1.0, paused_s=0.0, requests_per_s=60.0
        )

    async def close(self) -> None:
        self.is_closed = True


def planned(leases: PlannedLeases, work: Callable[[SharedLimiter], Awaitable[T]]) -> T:
    async def worked() -> T:
        worker = SharedLimiter(lambda _: LaneLimits(rpm=3_600), leases, run_id="run-1", clock=now)
        return await closing(work(worker), worker)

    return run_in_virtual_time(worked())


async def rate(worker: SharedLimiter, *, seconds: float) -> float:
    its = provider()
    await keep_busy(worker, its, callers=30, seconds=seconds)
    return len(its.taken) / (its.taken[-1] - its.taken[0])


def test_nothing_leaves_without_a_lease_and_no_more_than_was_leased() -> None:
    leases = PlannedLeases()

    assert planned(leases, lambda worker: rate(worker, seconds=20)) == pytest.approx(30, rel=0.05)


def test_while_redis_is_away_the_last_share_is_filled_by_the_own_clock() -> None:
    leases = PlannedLeases()

    async def work(worker: SharedLimiter) -> float:
        await rate(worker, seconds=2)
        leases.is_here = False
        return await rate(worker, seconds=20)

    assert planned(leases, work) == pytest.approx(30, rel=0.05)


def test_redis_is_asked_ten_times_a_second_and_once_while_it_is_away() -> None:
    leases = PlannedLeases()

    async def work(worker: SharedLimiter) -> None:
        await rate(worker, seconds=10)
        leases.is_here, began = False, now()
        await rate(worker, seconds=10)
        here = [at for at, _ in leases.asked if at < began]
        assert 80 <= len(here) <= 110
        assert len(leases.asked) - len(here) <= 14

    planned(leases, work)


def test_an_idle_lane_asks_no_more_and_gives_back_what_it_held() -> None:
    leases = PlannedLeases()

    async def work(worker: SharedLimiter) -> None:
        await worker.acquire(LANE, 1)
        worker.release(LANE, held_tokens=1, used_tokens=1, outcome=reply())
        await asyncio.sleep(10)
        asked = len(leases.asked)
        await asyncio.sleep(100)
        assert len(leases.asked) == asked
        last = leases.asked[-1][1]
        assert (last.wants, last.back.requests > 0) == (False, True)
        await asyncio.wait_for(worker.acquire(LANE, 1), timeout=1)

    planned(leases, work)


def test_a_worker_that_closes_says_so_and_gives_back_what_it_held() -> None:
    leases = PlannedLeases()

    async def work(worker: SharedLimiter) -> None:
        await worker.acquire(LANE, 1)

    planned(leases, work)
    last = leases.asked[-1][1]
    assert (last.leaving, last.wants, last.back) == (True, False, Amounts(requests=2.0))
    assert leases.is_closed


def test_callers_are_not_left_waiting_by_a_fault_in_the_asking(caplog: pytest.LogCaptureFixture) -> None:
    leases = PlannedLeases(breaks=TypeError("unexpected field"))

    waited_ms = planned(leases, lambda worker: asyncio.wait_for(worker.acquire(LANE, 1), timeout=5))
    assert waited_ms < 1_000
    assert "Redis is unavailable (TypeError)" in caplog.text


def test_a_caller_that_gives_up_before_the_lease_comes_holds_nothing() -> None:
    leases = PlannedLeases()

    async def work(worker: SharedLimiter) -> None:
        waiting = asyncio.create_task(worker.acquire(LANE, 1))
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        await asyncio.sleep(0.5)
        state = worker.states()[LANE]
        assert (state.in_flight, state.waiting) == (0, 0)

    planned(leases, work)


@needs_redis
def test_redis_itself_leases_no_more_than_the_limit_however_often_it_is_asked(server: RedisServer) -> None:
    question = LeaseRequest(
        worker="w", run="r", wants=True, want=Amounts(requests=50), limits=KnownLimits(requests=100.0, tokens=None)
    )

    async def asked() -> float:
        leases, began = RedisLeases(server.url), now()
        granted = 0.0
        while now() < began + 0.3:
            granted += (await leases.request(LANE, question)).requests
        await leases.close()
        return granted - 100.0 * (now() - began)

    assert asyncio.run(asked()) <= 25.0 + 1.0  # the burst
