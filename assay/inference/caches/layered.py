"""Searches several caches in sequence, the most exact one first."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from assay.inference.caches.protocol import AnswerCache, CachedAnswer, PaidAnswer
from assay.inference.request import Request


class LayeredCache:
    """Returns the first response found in any layer; stores responses in all layers."""

    def __init__(self, layers: Sequence[AnswerCache]) -> None:
        self._layers = tuple(layers)

    async def find(self, request: Request, body: bytes, *, lane: str) -> CachedAnswer | None:
        """See `AnswerCache.find`."""
        for layer in self._layers:
            answer = await layer.find(request, body, lane=lane)
            if answer is not None:
                return answer
        return None

    async def store(self, request: Request, body: bytes, answer: PaidAnswer) -> None:
        """See `AnswerCache.store`."""
        for layer in self._layers:
            await layer.store(request, body, answer)

    async def close(self) -> None:
        """See `AnswerCache.close`."""
        await asyncio.gather(*(layer.close() for layer in self._layers))
