"""Requests under way: so many at most, and none of their faults passed over.

Only starting, waiting and ending belongs here; what a request does is the business of `answering.py`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any


class InFlight:
    """At most `most` coroutines at a time; every wait ends early when `stops` says so."""

    def __init__(self, most: int, *, stops: Callable[[], bool]) -> None:
        self._most = most
        self._stops = stops
        self._tasks: set[asyncio.Task[None]] = set()
        self._fault: BaseException | None = None
        self._changed = asyncio.Event()

    def start(self, work: Coroutine[Any, Any, None]) -> None:
        """The work is under way."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def watch(self, task: asyncio.Task[Any]) -> None:
        """The end of `task` is a reason to ask `stops` again."""
        task.add_done_callback(lambda _: self._changed.set())

    async def place(self) -> None:
        """There is room for one more, or a reason to stop; raises what went wrong in a piece of work."""
        await self._until(lambda: len(self._tasks) < self._most)

    async def all_ended(self, *, grace_s: float) -> None:
        """Nothing is under way; once there is a reason to stop, for `grace_s` seconds more at most."""
        await self._until(lambda: not self._tasks)
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=grace_s)
            self._raise()

    async def cancel(self) -> None:
        """Nothing is under way any more."""
        tasks = tuple(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _until(self, reached: Callable[[], bool]) -> None:
        self._raise()
        while not reached() and not self._stops():
            self._changed.clear()
            await self._changed.wait()
            self._raise()

    def _raise(self) -> None:
        if self._fault is not None:
            raise self._fault

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled():
            self._fault = self._fault or task.exception()
        self._changed.set()
