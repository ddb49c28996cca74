"""Several caches in turn: the surest is asked first, all of them keep."""

from __future__ import annotations

import asyncio

from assay.inference.caches.layered import LayeredCache
from assay.inference.caches.protocol import CachedAnswer, NoCache, PaidAnswer
from assay.inference.request import Request
from tests.inference.caches.asked import LANE, asked, body_of, paid

ASKED = asked()
BODY = body_of(ASKED)


class Layer:
    """Finds what it is told to and records what it is asked."""

    def __init__(self, source: str, *, finds: bool) -> None:
        self._source, self._finds = source, finds
        self.asked = 0
        self.kept: list[PaidAnswer] = []
        self.is_closed = False

    async def find(self, request: Request, body: bytes, *, lane: str) -> CachedAnswer | None:
        self.asked += 1
        if not self._finds:
            return None
        return CachedAnswer(output="{}", route="r", call_id="c", response_model=None, source=self._source)

    async def store(self, request: Request, body: bytes, answer: PaidAnswer) -> None:
        self.kept.append(answer)

    async def close(self) -> None:
        self.is_closed = True


def source(*layers: Layer | NoCache) -> str | None:
    found = asyncio.run(LayeredCache(layers).find(ASKED, BODY, lane=LANE))
    return found.source if found is not None else None


def test_the_first_layer_that_has_an_answer_gives_it_and_the_next_are_not_asked() -> None:
    first, second = Layer("first", finds=True), Layer("second", finds=True)
    assert source(first, second) == "first"
    assert (first.asked, second.asked) == (1, 0)


def test_a_layer_is_asked_when_those_before_it_have_nothing() -> None:
    first, second = Layer("first", finds=False), Layer("second", finds=True)
    assert source(NoCache(), first, second) == "second"
    assert source(first) is None


def test_every_layer_keeps_an_answer_and_is_closed() -> None:
    layers = [Layer("first", finds=False), Layer("second", finds=False)]

    async def run() -> None:
        cache = LayeredCache(layers)
        await cache.store(ASKED, BODY, paid())
        await cache.close()

    asyncio.run(run())
    assert [(layer.kept, layer.is_closed) for layer in layers] == [([paid()], True)] * 2
