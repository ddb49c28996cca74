"""Passes items of a blocking iterator to coroutines: a thread reads one chunk ahead."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterator
from itertools import islice
from typing import Generic, TypeVar

T = TypeVar("T")
CHUNK = 200


class PrefetchQueue(Generic[T]):
    """Holds at most two chunks of items, so that memory does not grow with their number."""

    def __init__(self, items: Iterator[T], *, chunk: int = CHUNK) -> None:
        self._items = items
        self._chunk = chunk
        self._ready: deque[T] = deque()
        self._fetching: asyncio.Task[None] | None = None
        self._ended = False

    async def take(self) -> T | None:
        """Returns the next item, or None at the end or after `close`; raises the exceptions of the iterator."""
        while not self._ready and not self._ended:
            await asyncio.shield(self._fetch())
        if not self._ready:
            return None
        if len(self._ready) <= self._chunk // 2 and not self._ended:
            self._fetch()
        return self._ready.popleft()

    def close(self) -> None:
        """Ends the queue: no further item is returned."""
        self._ended = True
        self._ready.clear()

    async def aclose(self) -> None:
        """Closes the queue and waits until its thread has left the iterator."""
        self.close()
        if self._fetching is not None:
            await asyncio.gather(self._fetching, return_exceptions=True)

    def _fetch(self) -> asyncio.Task[None]:
        if self._fetching is None or (self._fetching.done() and not self._fetching.exception()):
            self._fetching = asyncio.create_task(self._read())
        return self._fetching

    async def _read(self) -> None:
        chunk = await asyncio.to_thread(lambda: list(islice(self._items, self._chunk)))
        if not chunk:
            self._ended = True
        elif not self._ended:
            self._ready.extend(chunk)


async def run_workers(
    queue: PrefetchQueue[T], work: Callable[[T], Awaitable[object]], *, count: int, halt: asyncio.Event, grace_s: float
) -> None:
    """Processes every item; after `halt`, waits for the items in progress, but not longer than `grace_s` seconds.

    An error in the work cancels all workers and is raised.
    """
    workers = {asyncio.create_task(_worker(queue, work, halt)) for _ in range(count)}
    halted = asyncio.create_task(halt.wait())
    try:
        await _until_done(workers, halted)
        queue.close()
        ended, _ = await asyncio.wait(workers, timeout=grace_s)
        for worker in ended:
            worker.result()
    finally:
        queue.close()
        for task in (halted, *workers):
            task.cancel()
        await asyncio.gather(halted, *workers, return_exceptions=True)
        await queue.aclose()


async def _until_done(workers: set[asyncio.Task[None]], halted: asyncio.Task[bool]) -> None:
    under_way: set[asyncio.Task[None]] = set(workers)
    while under_way and not halted.done():
        ended, _ = await asyncio.wait({*under_way, halted}, return_when=asyncio.FIRST_COMPLETED)
        for worker in ended - {halted}:
            worker.result()
        under_way -= ended


async def _worker(queue: PrefetchQueue[T], work: Callable[[T], Awaitable[object]], halt: asyncio.Event) -> None:
    while (item := await queue.take()) is not None and not halt.is_set():
        await work(item)
        # Let coroutines with finished calls run first: their results are in the journal before new calls start.
        await asyncio.sleep(0)
