"""A cache for one of several repeats of a question: each repeat finds its own answer, never that of another.

Judges ask the same thing several times of an answer; a cache that gave the first opinion again would be one opinion.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from assay.inference.caches.protocol import AnswerCache, CachedAnswer, PaidAnswer
from assay.inference.request import Request


@dataclass(frozen=True, slots=True)
class RepeatCache:
    """The cache beneath, seen by the `repeat`-th of `repeats`; whoever opened that cache closes it."""

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
        """Nothing is to be done."""

    def _own(self, request: Request) -> Request:
        return replace(request, epoch=request.epoch * self.repeats + self.repeat)
