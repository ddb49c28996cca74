"""A task that takes a cancellation for something else ends all the same."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress

import pytest

from assay.inference.cancelling import cancel_and_wait, within


def test_a_task_that_loses_a_cancellation_is_cancelled_again() -> None:
    lost = 0

    async def stubborn() -> None:
        nonlocal lost
        while True:
            with suppress(*([asyncio.CancelledError] if not lost else [])):
                await asyncio.Event().wait()
            lost += 1

    async def scenario() -> bool:
        task = asyncio.create_task(stubborn())
        await asyncio.sleep(0)
        await asyncio.wait_for(cancel_and_wait(task, None), timeout=5)
        return task.cancelled()

    assert asyncio.run(scenario())
    assert lost == 1


def test_what_a_task_raised_is_not_raised_again() -> None:
    async def failing() -> None:
        raise ValueError("no")

    async def scenario() -> None:
        task = asyncio.create_task(failing())
        await asyncio.sleep(0)
        await cancel_and_wait(task)

    asyncio.run(scenario())


async def through_asyncio(seconds: float, work: Awaitable[str]) -> str:
    """What `within` must equal."""
    async with asyncio.timeout(seconds):
        return await work


async def slow(ends: list[str], *, swallows: bool = False) -> str:
    try:
        await asyncio.sleep(0.05)
    except asyncio.CancelledError:
        ends.append("cancelled")
        if swallows:
            return "rows of the calls"
        raise
    return "answer"


@pytest.mark.parametrize("limit", [through_asyncio, within])
@pytest.mark.parametrize(
    ("seconds", "swallows", "outcome"),
    [
        (5.0, False, "answer"),
        (0.01, False, "TimeoutError"),
        (0.01, True, "rows of the calls"),
        (-1.0, False, "TimeoutError"),
    ],
)
def test_work_ends_at_its_deadline_as_with_asyncio(
    limit: Callable[[float, Awaitable[str]], Awaitable[str]], seconds: float, swallows: bool, outcome: str
) -> None:
    async def worked() -> tuple[str, int]:
        task = asyncio.current_task()
        assert task is not None
        try:
            found = await limit(seconds, slow([], swallows=swallows))
        except TimeoutError as error:
            found = type(error).__name__
        await asyncio.sleep(0)  # raises if a cancellation is left
        return found, task.cancelling()

    assert asyncio.run(worked()) == (outcome, 0)


@pytest.mark.parametrize("limit", [through_asyncio, within])
@pytest.mark.parametrize("seconds", [0.02, 5.0])
def test_a_cancellation_from_outside_is_no_timeout(
    limit: Callable[[float, Awaitable[str]], Awaitable[str]], seconds: float
) -> None:
    async def cancelled() -> bool:
        task = asyncio.ensure_future(limit(seconds, slow([])))
        await asyncio.sleep(0.01)
        if seconds < 1:
            asyncio.get_running_loop().call_later(seconds - 0.01, task.cancel)  # at the moment of the deadline
        else:
            task.cancel()
        try:
            await task
        except asyncio.CancelledError:
            return True
        except TimeoutError:
            return seconds < 1
        return False

    assert asyncio.run(cancelled())


def test_deadlines_within_deadlines_end_the_inner_one_first() -> None:
    async def nested() -> str:
        try:
            return await within(5.0, within(0.01, slow([])))
        except TimeoutError:
            return await within(5.0, slow([]))

    assert asyncio.run(nested()) == "answer"
