"""Calls in flight, pauses and waits."""

from __future__ import annotations

import asyncio
from random import Random

import pytest

from assay.inference.backoff import Backoff
from assay.inference.limiter import ConcurrencyLimiter
from assay.tasks.task import Task
from tests.fakes.clock import Clock
from tests.fakes.endpoint import ScriptedEndpoint, completion
from tests.inference.rig import Rig


@pytest.mark.parametrize("limit", [1, 3])
def test_never_more_calls_are_in_flight_than_the_provider_allows(task: Task, limit: int) -> None:
    endpoint = ScriptedEndpoint([completion('{"label": "other"}')], taking=0.005)

    Rig(task, openai=endpoint, concurrency=limit).answers(*[{"message": "Why?"}] * 12)

    assert (len(endpoint.calls), endpoint.most_in_flight) == (12, limit)


def test_a_slot_is_given_back_when_its_holder_is_cancelled() -> None:
    async def scenario() -> None:
        limiter = ConcurrencyLimiter({"p": 1})
        holder = asyncio.create_task(_hold(limiter))
        await asyncio.sleep(0)
        holder.cancel()
        await asyncio.gather(holder, return_exceptions=True)
        async with asyncio.timeout(1), limiter.slot("p"):
            assert holder.cancelled()

    asyncio.run(scenario())


def test_no_call_starts_during_a_pause() -> None:
    clock = Clock()

    async def scenario() -> float:
        limiter = ConcurrencyLimiter({"p": 2}, clock=clock.time, sleep=clock.sleep)
        limiter.pause("p", 5)
        async with limiter.slot("p") as queue_ms:
            return queue_ms

    assert asyncio.run(scenario()) == 5000
    assert clock.seconds == 5


def test_the_longer_of_two_pauses_holds() -> None:
    clock = Clock()

    async def scenario() -> None:
        limiter = ConcurrencyLimiter({"p": 2}, clock=clock.time, sleep=clock.sleep)
        limiter.pause("p", 5)
        limiter.pause("p", 2)
        async with limiter.slot("p"):
            assert clock.seconds == 5

    asyncio.run(scenario())


def test_a_pause_of_one_provider_leaves_the_others_alone() -> None:
    clock = Clock()

    async def scenario() -> None:
        limiter = ConcurrencyLimiter({"p": 1, "q": 1}, clock=clock.time, sleep=clock.sleep)
        limiter.pause("p", 5)
        async with limiter.slot("q") as queue_ms:
            assert queue_ms == 0

    asyncio.run(scenario())


def test_waits_stay_under_a_ceiling_that_doubles() -> None:
    backoff = Backoff(first_s=0.5, ceiling_s=20, rng=Random(7))

    for attempt, ceiling in enumerate([1, 2, 4, 8, 16, 20, 20], start=1):
        assert all(0 <= backoff.wait_s(attempt, None) <= ceiling for _ in range(200))


def test_the_providers_wish_is_a_floor_up_to_the_longest_wait() -> None:
    backoff = Backoff(longest_s=120, rng=Random(7))

    assert backoff.wait_s(1, 30) == 30
    assert backoff.wait_s(1, 86_400) == 120


async def _hold(limiter: ConcurrencyLimiter) -> None:
    async with limiter.slot("p"):
        await asyncio.sleep(60)
