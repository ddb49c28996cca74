"""So many coroutines that take items from one feed: none of their faults is passed over, and all end when told to.

Only starting, waiting and ending belongs here; what is done with an item is the business of `answering.py`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from assay.pipeline.feed import Feed

T = TypeVar("T")


async def work_off(
    feed: Feed[T], work: Callable[[T], Awaitable[object]], *, count: int, halt: asyncio.Event, grace_s: float
) -> None:
    """Every item was worked on; or `halt` was set, no item was begun after it, and those begun had `grace_s` to end.

    A fault in the work ends all of it and is raised.
    """
    workers = {asyncio.create_task(_worker(feed, work, halt)) for _ in range(count)}
    halted = asyncio.create_task(halt.wait())
    try:
        await _until_done(workers, halted)
        feed.close()
        ended, _ = await asyncio.wait(workers, timeout=grace_s)
        for worker in ended:
            worker.result()
    finally:
        feed.close()
        for task in (halted, *workers):
            task.cancel()
        await asyncio.gather(halted, *workers, return_exceptions=True)
        await feed.aclose()


async def _until_done(workers: set[asyncio.Task[None]], halted: asyncio.Task[bool]) -> None:
    under_way: set[asyncio.Task[None]] = set(workers)
    while under_way and not halted.done():
        ended, _ = await asyncio.wait({*under_way, halted}, return_when=asyncio.FIRST_COMPLETED)
        for worker in ended - {halted}:
            worker.result()
        under_way -= ended


async def _worker(feed: Feed[T], work: Callable[[T], Awaitable[object]], halt: asyncio.Event) -> None:
    while (item := await feed.take()) is not None and not halt.is_set():
        await work(item)
        # Others whose answers have come are let go first: what is read is in the journal before new calls are begun.
        await asyncio.sleep(0)
