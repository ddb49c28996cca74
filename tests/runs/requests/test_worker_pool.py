"""Workers take from one feed until it is empty, until they are told to stop, or until one of them fails."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator

import pytest

from assay.runs.requests.worker_pool import PrefetchQueue, run_workers

Work = Callable[[int], Awaitable[object]]


def run(
    work: Work, *, items: int = 100, count: int = 4, halt: asyncio.Event | None = None, grace_s: float = 5.0
) -> None:
    async def worked() -> None:
        feed = PrefetchQueue(iter(range(items)), chunk=10)
        async with asyncio.timeout(20):
            await run_workers(feed, work, count=count, halt=halt or asyncio.Event(), grace_s=grace_s)
        assert len(asyncio.all_tasks()) == 1  # none is left behind

    asyncio.run(worked())


@pytest.mark.parametrize("count", [1, 4, 300])
def test_every_item_is_worked_on_once(count: int) -> None:
    done: list[int] = []

    async def work(item: int) -> None:
        await asyncio.sleep(0)
        done.append(item)

    run(work, count=count)
    assert sorted(done) == list(range(100))


def test_no_more_are_worked_on_at_a_time_than_there_are_workers() -> None:
    busy: list[int] = []
    most = 0

    async def work(item: int) -> None:
        nonlocal most
        busy.append(item)
        most = max(most, len(busy))
        await asyncio.sleep(0.001)
        busy.remove(item)

    run(work, count=7)
    assert most == 7


@pytest.mark.parametrize("suspends", [False, True])
def test_nothing_is_begun_once_it_is_told_to_stop(suspends: bool) -> None:
    halt, begun = asyncio.Event(), list[int]()

    async def work(item: int) -> None:
        assert not halt.is_set()
        begun.append(item)
        if item == 12:
            halt.set()
        if suspends:
            await asyncio.sleep(0)

    run(work, halt=halt)
    assert 12 in begun
    assert len(begun) <= 12 + 4


def test_nothing_is_begun_when_it_was_told_before() -> None:
    halt, begun = asyncio.Event(), list[int]()
    halt.set()

    async def work(item: int) -> None:
        begun.append(item)

    run(work, halt=halt)
    assert begun == []


def test_what_was_begun_is_ended_within_the_grace() -> None:
    halt, ended = asyncio.Event(), list[int]()

    async def work(item: int) -> None:
        await asyncio.sleep(0.02)
        halt.set()
        await asyncio.sleep(0.02)
        ended.append(item)

    run(work, halt=halt)
    assert sorted(ended) == [0, 1, 2, 3]


def test_what_takes_longer_than_the_grace_is_broken_off() -> None:
    halt, broken_off = asyncio.Event(), list[int]()

    async def work(item: int) -> None:
        halt.set()
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            broken_off.append(item)
            raise

    run(work, halt=halt, grace_s=0.02)
    assert broken_off == [0]


def test_a_fault_ends_all_work_and_is_raised() -> None:
    broken_off: list[int] = []

    async def work(item: int) -> None:
        if item == 3:
            raise ValueError("item 3")
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            broken_off.append(item)
            raise

    with pytest.raises(ValueError, match="item 3"):
        run(work)
    assert sorted(broken_off) == [0, 1, 2]


def test_a_fault_after_the_stop_is_raised_too() -> None:
    halt = asyncio.Event()

    async def work(item: int) -> None:
        halt.set()
        await asyncio.sleep(0.01)
        raise ValueError("late")

    with pytest.raises(ValueError, match="late"):
        run(work, halt=halt, count=1)


def test_a_fault_of_the_feed_is_raised() -> None:
    def broken() -> Iterator[int]:
        yield 1
        raise OSError("the file is gone")

    async def worked() -> None:
        await run_workers(PrefetchQueue(broken()), asyncio.sleep, count=3, halt=asyncio.Event(), grace_s=1)

    with pytest.raises(OSError, match="the file is gone"):
        asyncio.run(worked())


def test_a_caller_that_is_cancelled_leaves_no_work_behind() -> None:
    broken_off: list[int] = []

    async def work(item: int) -> None:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            broken_off.append(item)
            raise

    async def cancelled() -> None:
        feed = PrefetchQueue(iter(range(100)), chunk=10)
        working = asyncio.create_task(run_workers(feed, work, count=4, halt=asyncio.Event(), grace_s=60))
        await asyncio.sleep(0.05)
        working.cancel()
        with pytest.raises(asyncio.CancelledError):
            await working
        assert await feed.take() is None

    asyncio.run(cancelled())
    assert sorted(broken_off) == [0, 1, 2, 3]
