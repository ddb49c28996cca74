"""Holds calls back: so many in flight per provider, and none while the provider asked for a pause.

Adaptive rates and limits shared by workers take this class's place behind the same Protocol.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Protocol


class Limiter(Protocol):
    """What the engine asks before each call."""

    def slot(self, provider: str) -> AbstractAsyncContextManager[float]:
        """A place in flight, held inside the block; gives the milliseconds waited for it."""
        ...

    def pause(self, provider: str, seconds: float) -> None:
        """No new call to the provider starts for that long."""
        ...


class ConcurrencyLimiter:
    """A fixed number of calls in flight for each provider."""

    def __init__(
        self,
        concurrency: Mapping[str, int],
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._slots = {provider: asyncio.Semaphore(count) for provider, count in concurrency.items()}
        self._free_at: dict[str, float] = {}
        self._clock = clock
        self._sleep = sleep

    @asynccontextmanager
    async def slot(self, provider: str) -> AsyncIterator[float]:
        """See `Limiter.slot`."""
        began = self._clock()
        async with self._slots[provider]:
            while (wait := self._free_at.get(provider, 0.0) - self._clock()) > 0:
                await self._sleep(wait)
            yield (self._clock() - began) * 1000

    def pause(self, provider: str, seconds: float) -> None:
        """See `Limiter.pause`."""
        self._free_at[provider] = max(self._free_at.get(provider, 0.0), self._clock() + seconds)
