"""Items of a blocking iterator for coroutines: made in a thread, a chunk ahead of those who take them.

Only handing out belongs here; what the items are and what becomes of them is `answering.py`'s matter.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterator
from itertools import islice
from typing import Generic, TypeVar

T = TypeVar("T")
CHUNK = 200


class Feed(Generic[T]):
    """At most two chunks of items wait at a time, so that memory does not grow with their number."""

    def __init__(self, items: Iterator[T], *, chunk: int = CHUNK) -> None:
        self._items = items
        self._chunk = chunk
        self._ready: deque[T] = deque()
        self._fetching: asyncio.Task[None] | None = None
        self._ended = False

    async def take(self) -> T | None:
        """The next item, None when there is none or the feed was closed; raises what the iterator raises."""
        while not self._ready and not self._ended:
            await asyncio.shield(self._fetch())
        if not self._ready:
            return None
        if len(self._ready) <= self._chunk // 2 and not self._ended:
            self._fetch()
        return self._ready.popleft()

    def close(self) -> None:
        """Nothing is handed out any more."""
        self._ended = True
        self._ready.clear()

    async def aclose(self) -> None:
        """The feed is closed and its thread has come back from the iterator."""
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
