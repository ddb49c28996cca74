"""A cache for one of several judge epochs: each epoch finds its own response, never that of another epoch.

A judge rates the same prediction once per epoch; reusing the first rating would count it several times.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from assay.inference.caches.protocol import AnswerCache, CachedAnswer, PaidAnswer
from assay.inference.request import Request


@dataclass(frozen=True, slots=True)
class RepeatCache:
    """The cache `beneath`, restricted to judge epoch `repeat` of `repeats`; `close` does not close `beneath`."""

    beneath: AnswerCache
    repeat: int
    repeats: int

    async def find(self, request: Request, body: bytes, *, lane: str) -> CachedAnswer | None:
        """See `AnswerCache.find`."""
        return await self.beneath.find(self._own(request), body, lane=lane)

    async def store(self, request: Request, body: bytes, answer: PaidAnswer) -> None:
        """See `AnswerCache.store`."""
        await self.beneath.store(self._own(request), body, answer)

    async def close(self) -> None:
        """Does nothing."""

    def _own(self, request: Request) -> Request:
        return replace(request, epoch=request.epoch * self.repeats + self.repeat)
