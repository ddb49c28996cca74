"""Items come to those who take them once each, in order, and never many at a time."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from itertools import chain

import pytest

from assay.runs.requests.worker_pool import PrefetchQueue


class Source:
    """Numbers up to `end`; `made` is how many were asked for, `most_at_a_time` how many threads asked at once."""

    def __init__(self, end: int, *, breaks_at: int | None = None) -> None:
        self.made = 0
        self.most_at_a_time = 0
        self._end = end
        self._breaks_at = breaks_at
        self._inside = 0
        self._lock = threading.Lock()

    def __iter__(self) -> Iterator[int]:
        return self

    def __next__(self) -> int:
        with self._lock:
            self._inside += 1
            self.most_at_a_time = max(self.most_at_a_time, self._inside)
        try:
            if self.made == self._breaks_at:
                raise OSError("the file is gone")
            if self.made == self._end:
                raise StopIteration
            self.made += 1
            return self.made
        finally:
            with self._lock:
                self._inside -= 1


async def taken(feed: PrefetchQueue[int], *, most: int = 10**6) -> list[int]:
    found: list[int] = []
    while len(found) < most and (item := await feed.take()) is not None:
        found.append(item)
    return found


@pytest.mark.parametrize("end", [0, 1, 4, 5, 6, 23])
def test_every_item_comes_once_in_order_and_then_none(end: int) -> None:
    async def scenario() -> tuple[list[int], int | None]:
        feed = PrefetchQueue(iter(Source(end)), chunk=5)
        return await taken(feed), await feed.take()

    assert asyncio.run(scenario()) == (list(range(1, end + 1)), None)


def test_many_takers_share_the_items_without_loss() -> None:
    async def scenario() -> list[list[int]]:
        feed = PrefetchQueue(iter(source), chunk=7)
        return await asyncio.gather(*(taken(feed) for _ in range(20)))

    source = Source(500)
    assert sorted(chain.from_iterable(asyncio.run(scenario()))) == list(range(1, 501))
    assert source.most_at_a_time == 1


@pytest.mark.parametrize("taken_so_far", [0, 1, 30, 55])
def test_never_more_than_two_chunks_are_made_ahead(taken_so_far: int) -> None:
    async def scenario() -> int:
        feed = PrefetchQueue(iter(source), chunk=10)
        await taken(feed, most=taken_so_far)
        await asyncio.sleep(0.02)
        await feed.aclose()
        return source.made - taken_so_far

    source = Source(1_000)
    assert 0 <= asyncio.run(scenario()) <= 20


def test_the_next_chunk_is_made_while_the_last_is_being_taken() -> None:
    async def scenario() -> int:
        feed = PrefetchQueue(iter(source), chunk=10)
        await taken(feed, most=6)
        await feed.aclose()
        return source.made

    source = Source(1_000)
    assert asyncio.run(scenario()) == 20


def test_a_fault_of_the_iterator_comes_to_every_taker_after_the_items_before_it() -> None:
    async def scenario() -> list[object]:
        feed = PrefetchQueue(iter(Source(50, breaks_at=8)), chunk=4)
        found: list[object] = [await feed.take() for _ in range(8)]
        return found + list(await asyncio.gather(*(feed.take() for _ in range(3)), return_exceptions=True))

    found = asyncio.run(scenario())
    assert found[:8] == list(range(1, 9))
    assert [str(fault) for fault in found[8:]] == ["the file is gone"] * 3


def test_a_closed_feed_hands_out_nothing() -> None:
    async def scenario() -> int | None:
        feed = PrefetchQueue(iter(Source(50)), chunk=10)
        await feed.take()
        feed.close()
        return await feed.take()

    assert asyncio.run(scenario()) is None


def test_a_feed_that_is_closed_while_a_chunk_is_made_hands_out_nothing_of_it() -> None:
    started, go_on = threading.Event(), threading.Event()

    def slow() -> Iterator[int]:
        started.set()
        assert go_on.wait(10)
        yield 1

    async def scenario() -> int | None:
        feed = PrefetchQueue(slow(), chunk=10)
        taking = asyncio.create_task(feed.take())
        await asyncio.to_thread(started.wait, 10)
        feed.close()
        go_on.set()
        return await taking

    assert asyncio.run(scenario()) is None


def test_a_taker_that_gives_up_loses_no_item() -> None:
    started, go_on = threading.Event(), threading.Event()

    def slow() -> Iterator[int]:
        started.set()
        assert go_on.wait(10)
        yield from range(1, 4)

    async def scenario() -> list[int]:
        feed = PrefetchQueue(slow(), chunk=10)
        giving_up = asyncio.create_task(feed.take())
        await asyncio.to_thread(started.wait, 10)
        giving_up.cancel()
        await asyncio.gather(giving_up, return_exceptions=True)
        go_on.set()
        return await taken(feed)

    assert asyncio.run(scenario()) == [1, 2, 3]


def test_a_fault_that_nobody_took_is_no_noise_when_the_feed_closes() -> None:
    async def scenario() -> None:
        feed = PrefetchQueue(iter(Source(50, breaks_at=12)), chunk=10)
        await taken(feed, most=6)
        await feed.aclose()

    asyncio.run(scenario())
