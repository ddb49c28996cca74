"""Callers of a lane leave one after the other, and who gives up holds nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from assay.inference.endpoint.failures import CallFailure, FailureKind
from assay.inference.limits.control import Controller
from assay.inference.limits.lane import Lane
from assay.inference.providers import LaneLimits
from tests.fakes.virtual_time import now, run_in_virtual_time
from tests.inference.limits.provider import Outcome, refusal, reply, unreached


def lane(**limits: int) -> Lane:
    return Lane(Controller(LaneLimits(**limits), now=now()), clock=now)


def in_lane(work: Callable[[Lane], Awaitable[None]], **limits: int) -> None:
    async def opened() -> None:
        made = lane(**limits)
        await work(made)
        made.stop()

    run_in_virtual_time(opened())


async def pass_through(made: Lane, tokens: int = 1, outcome: Outcome | None = None) -> None:
    if not made.enter(tokens):
        await made.wait(tokens)
    made.leave(held_tokens=tokens, used_tokens=None, outcome=outcome or reply())


def quota_of(made: Lane) -> float:
    bucket = made.control.quota.requests
    assert bucket is not None
    bucket.wait_s(0.0, now())
    return bucket.level


def test_callers_leave_in_the_order_in_which_they_came() -> None:
    async def work(made: Lane) -> None:
        left: list[int] = []

        async def call(number: int) -> None:
            await pass_through(made)
            left.append(number)

        await asyncio.gather(*(call(number) for number in range(30)))
        assert left == list(range(30))

    in_lane(work, rpm=60)


def test_a_call_that_needs_little_does_not_overtake_one_that_needs_much() -> None:
    async def work(made: Lane) -> None:
        left: list[int] = []

        async def call(tokens: int) -> None:
            await pass_through(made, tokens)
            left.append(tokens)

        await asyncio.gather(*(call(tokens) for tokens in (200, 5_000, 1, 1)))
        assert left == [200, 5_000, 1, 1]

    in_lane(work, tpm=6_000)


def test_nobody_waits_while_there_is_room() -> None:
    async def work(made: Lane) -> None:
        assert [made.enter(1) for _ in range(4)] == [True, True, True, False]
        assert made.in_flight == 3

    in_lane(work, concurrency=3)


def test_a_place_that_becomes_free_goes_to_the_first_in_the_queue() -> None:
    async def work(made: Lane) -> None:
        assert made.enter(1)
        waiting = asyncio.create_task(made.wait(1))
        await asyncio.sleep(5)
        assert not waiting.done()
        made.leave(held_tokens=1, used_tokens=1, outcome=reply())
        assert await waiting == 5_000.0
        assert (made.in_flight, made.waiting) == (1, 0)

    in_lane(work, concurrency=1)


def test_a_caller_that_gives_up_in_the_queue_holds_nothing_and_lets_the_next_go() -> None:
    async def work(made: Lane) -> None:
        assert made.enter(1)
        first, second = asyncio.create_task(made.wait(1)), asyncio.create_task(made.wait(1))
        await asyncio.sleep(0)
        first.cancel()
        await asyncio.sleep(0)
        assert made.waiting == 1
        made.leave(held_tokens=1, used_tokens=1, outcome=reply())
        await second
        assert made.in_flight == 1

    in_lane(work, concurrency=1)


def test_a_caller_that_is_cancelled_as_its_turn_comes_gives_everything_back() -> None:
    async def work(made: Lane) -> None:
        assert made.enter(1)
        waiting = asyncio.create_task(made.wait(1))
        await asyncio.sleep(0)
        made.leave(held_tokens=1, used_tokens=1, outcome=reply())  # its turn has come, and it does not know yet
        before = quota_of(made)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        assert (made.in_flight, quota_of(made)) == (0, before + 1)

    in_lane(work, concurrency=1, rpm=600)


def test_a_turn_that_is_given_up_goes_to_the_next_at_once() -> None:
    async def work(made: Lane) -> None:
        assert made.enter(1)
        first, second = asyncio.create_task(made.wait(1)), asyncio.create_task(made.wait(1))
        await asyncio.sleep(0)
        made.leave(held_tokens=1, used_tokens=1, outcome=reply())
        first.cancel()
        await asyncio.wait_for(second, timeout=0.1)
        assert made.in_flight == 1

    in_lane(work, concurrency=1)


@pytest.mark.parametrize("cancelled_every", [2, 3])
def test_a_crowd_of_which_many_give_up_leaves_the_lane_as_it_was(cancelled_every: int) -> None:
    async def work(made: Lane) -> None:
        calls = [asyncio.create_task(pass_through(made, 10)) for _ in range(300)]
        for number, call in enumerate(calls[::cancelled_every]):
            await asyncio.sleep(0.001 * (number % 4))
            call.cancel()
        await asyncio.gather(*calls, return_exceptions=True)
        assert (made.in_flight, made.waiting) == (0, 0)
        assert made.enter(10)

    in_lane(work, concurrency=7, rpm=60_000)


@pytest.mark.parametrize(
    ("outcome", "given_back"),
    [
        (unreached(), 1),
        (CallFailure(FailureKind.CONNECT, "it broke off", broke_off=True), 0),
        (CallFailure(FailureKind.SERVER, "HTTP 500", http_status=500), 0),
        (CallFailure(FailureKind.TIMEOUT, "no answer", broke_off=True), 0),
    ],
)
def test_only_a_call_that_never_left_gives_its_quota_back(outcome: CallFailure, given_back: int) -> None:
    async def work(made: Lane) -> None:
        assert made.enter(1)
        held = quota_of(made)
        made.leave(held_tokens=1, used_tokens=None, outcome=outcome)
        assert quota_of(made) == held + given_back

    in_lane(work, rpm=600)


@pytest.mark.parametrize("outcome", [unreached(), CallFailure(FailureKind.SERVER, "HTTP 503", http_status=503)])
def test_failures_that_are_no_refusals_do_not_move_the_controller(outcome: CallFailure) -> None:
    async def work(made: Lane) -> None:
        before = (made.control.factor, made.control.window, made.control.rpm)
        for _ in range(50):
            await pass_through(made, outcome=outcome)
        assert (made.control.factor, made.control.window, made.control.rpm) == before

    in_lane(work, concurrency=64)


@pytest.mark.parametrize(("used", "left"), [(None, 0.0), (30, 70.0), (130, -30.0)])
def test_tokens_that_were_not_used_are_there_for_the_next(used: int | None, left: float) -> None:
    async def work(made: Lane) -> None:
        assert made.enter(100)  # the whole bucket
        made.leave(held_tokens=100, used_tokens=used, outcome=reply())
        bucket = made.control.quota.tokens
        assert bucket is not None
        assert bucket.level == pytest.approx(left, abs=1)

    in_lane(work, tpm=24_000)


def test_a_queue_is_woken_by_time_alone() -> None:
    async def work(made: Lane) -> None:
        began = now()
        await asyncio.gather(*(pass_through(made) for _ in range(61)))
        assert now() - began == pytest.approx(60, rel=0.02)

    in_lane(work, rpm=60)


def test_a_pause_holds_everybody_and_ends_by_itself() -> None:
    async def work(made: Lane) -> None:
        began = now()
        await pass_through(made, outcome=refusal(retry_after_s=40.0))
        assert made.state(now()).paused_s == 40.0
        await asyncio.gather(*(pass_through(made) for _ in range(5)))
        assert 40.0 <= now() - began < 41.0

    in_lane(work, rpm=6_000)


def test_a_lane_that_is_stopped_leaves_no_timer() -> None:
    async def work(made: Lane) -> None:
        assert made.enter(1)
        waiting = asyncio.create_task(made.wait(1))
        await asyncio.sleep(0)
        made.stop()
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(waiting, timeout=3_600)

    in_lane(work, rpm=60)
