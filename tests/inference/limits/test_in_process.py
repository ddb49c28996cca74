"""One process at a provider's limit and not past it, in virtual time."""

from __future__ import annotations

import asyncio

import pytest

from assay.inference.limits.in_process import InProcessLimiter
from assay.inference.limits.protocol import LaneState
from assay.inference.providers import LaneLimits
from tests.fakes.virtual_time import now, run_in_virtual_time
from tests.inference.limits.provider import LANE, Provider, keep_busy, reply


def driven(provider: Provider, *, seconds: float, tokens: int = 1, **told: int) -> tuple[float, LaneState]:
    """When it began, and how the lane stood after so long with 256 callers."""

    async def drive() -> tuple[float, LaneState]:
        limiter = InProcessLimiter(lambda _: LaneLimits(**{"concurrency": 256, **told}), clock=now)
        began = now()
        await keep_busy(limiter, provider, callers=256, seconds=seconds, tokens=tokens)
        state = limiter.states()[LANE]
        await limiter.close()
        return began, state

    return run_in_virtual_time(drive())


@pytest.mark.parametrize("rpm", [60, 1_200, 6_000])
def test_a_stated_limit_is_used_and_never_passed(rpm: int) -> None:
    provider = Provider(rpm, tells=False)
    began, _ = driven(provider, seconds=60, rpm=rpm)

    assert provider.used(began + 10, began + 60) >= 0.98
    assert provider.refused == []


@pytest.mark.parametrize("burst_s", [1.0, 60.0])
@pytest.mark.parametrize("rpm", [1_200, 6_000])
def test_a_limit_known_only_from_headers_is_used_and_hardly_passed(rpm: int, burst_s: float) -> None:
    provider = Provider(rpm, burst_s=burst_s)
    began, state = driven(provider, seconds=120)

    assert provider.used(began + 60, began + 120) >= 0.95
    assert provider.refused_share <= 0.02
    assert state.limit_rpm == rpm


@pytest.mark.parametrize("rpm", [1_200, 6_000])
def test_a_limit_that_nobody_states_is_found_by_refusals(rpm: int) -> None:
    provider = Provider(rpm, tells=False)
    began, _ = driven(provider, seconds=180)

    assert provider.used(began + 30, began + 180) >= 0.9
    assert provider.refused_share <= 0.03


def test_a_provider_that_is_busy_now_and_then_is_not_taken_for_a_slow_one() -> None:
    provider = Provider(10**6, tells=False, busy_every=20)
    began, _ = driven(provider, seconds=90)

    at_once = 256 / provider.latency_s
    assert sum(moment >= began + 60 for moment in provider.taken) / 30 >= 0.5 * at_once


def test_a_stated_limit_is_mostly_used_although_the_provider_is_busy_now_and_then() -> None:
    provider = Provider(6_000, tells=False, busy_every=20)
    began, _ = driven(provider, seconds=90, rpm=6_000)

    assert provider.used(began + 30, began + 90) >= 0.6


@pytest.mark.parametrize("told", [{}, {"tpm": 60_000}])
@pytest.mark.parametrize("tokens", [50, 900])
def test_a_limit_on_tokens_is_used_and_hardly_passed(told: dict[str, int], tokens: int) -> None:
    provider = Provider(100_000, tpm=60_000, burst_s=2.0)
    driven(provider, seconds=120, tokens=tokens, **told)

    # After the time is up, those who wait still leave, one after the other.
    lasted = provider.taken[-1] - provider.taken[0]
    assert 0.95 <= provider.tokens / (1_000 * lasted) <= 1.05
    # The first calls leave before anything is known of the limit.
    assert sum(moment > provider.taken[0] + 1 for moment in provider.refused) <= 0.005 * len(provider.taken)


def test_a_provider_that_takes_the_half_from_now_on_is_followed() -> None:
    provider = Provider(6_000)

    async def drive() -> float:
        limiter = InProcessLimiter(lambda _: LaneLimits(concurrency=256), clock=now)
        await keep_busy(limiter, provider, callers=64, seconds=20)
        provider.rpm, began = 3_000, now()
        provider.taken.clear()
        await keep_busy(limiter, provider, callers=64, seconds=40)
        await limiter.close()
        return began

    began = run_in_virtual_time(drive())
    assert 0.95 <= provider.used(began + 5, began + 40) <= 1.0
    assert provider.refused_share <= 0.02


def test_each_lane_has_limits_of_its_own() -> None:
    async def drive() -> dict[str, float | None]:
        limiter = InProcessLimiter(lambda lane: LaneLimits(rpm={"a:x": 60, "a:y": 600}[lane]), clock=now)
        for lane in ("a:x", "a:y"):
            assert await limiter.acquire(lane, 1) == 0.0
            limiter.release(lane, held_tokens=1, used_tokens=1, outcome=reply())
        return {name: state.limit_rpm for name, state in limiter.states().items()}

    assert run_in_virtual_time(drive()) == {"a:x": 60, "a:y": 600}


def test_the_wait_is_told_in_milliseconds() -> None:
    async def drive() -> list[float]:
        limiter = InProcessLimiter(lambda _: LaneLimits(rpm=60), clock=now)
        waits = await asyncio.gather(*(limiter.acquire(LANE, 1) for _ in range(3)))
        await limiter.close()
        return waits

    assert run_in_virtual_time(drive()) == pytest.approx([0.0, 1_005.0, 2_010.0], abs=10)
