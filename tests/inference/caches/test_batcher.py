"""Questions that come one by one go out together, and everybody gets their own answer."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from assay.inference.caches.batcher import Batcher


class Held:
    """Answers a batch of words with their lengths once it is let; `batches` are those that were asked."""

    def __init__(self, *, most: int = 3) -> None:
        self.batches: list[list[str]] = []
        self.gate = asyncio.Event()
        self.fault: Exception | None = None
        self.batcher: Batcher[str, int] = Batcher(self._answer, most=most)

    async def _answer(self, words: Sequence[str]) -> Sequence[int]:
        self.batches.append(list(words))
        await self.gate.wait()
        if self.fault is not None:
            raise self.fault
        return [len(word) for word in words]

    async def ask(self, *words: str) -> list[asyncio.Task[int]]:
        """The words are asked, and whoever can has begun."""
        tasks = [asyncio.create_task(self.batcher.submit(word)) for word in words]
        for _ in range(3):
            await asyncio.sleep(0)
        return tasks


def test_who_comes_while_a_batch_is_under_way_goes_with_the_next() -> None:
    async def run() -> None:
        held = Held()
        first = await held.ask("a")
        later = await held.ask("bb", "ccc", "dddd", "eeeee")
        held.gate.set()
        assert await asyncio.gather(*first, *later) == [1, 2, 3, 4, 5]
        assert held.batches == [["a"], ["bb", "ccc", "dddd"], ["eeeee"]]

    asyncio.run(run())


def test_a_fault_reaches_all_of_its_batch_and_none_of_the_next() -> None:
    async def run() -> None:
        held = Held()
        held.fault = LookupError("gone")
        failed = await held.ask("a", "bb")
        held.gate.set()
        assert [type(error) for error in await asyncio.gather(*failed, return_exceptions=True)] == [LookupError] * 2
        held.fault = None
        assert await held.batcher.submit("ccc") == 3

    asyncio.run(run())


def test_who_has_gone_is_not_asked_for_and_the_others_get_their_own_answers() -> None:
    async def run() -> None:
        held = Held()
        first = await held.ask("a")
        gone, stays = await held.ask("bb", "ccc")
        gone.cancel()
        held.gate.set()
        assert await asyncio.gather(*first, stays) == [1, 3]
        assert held.batches == [["a"], ["ccc"]]

    asyncio.run(run())


def test_a_batch_whose_askers_have_all_gone_is_not_asked() -> None:
    async def run() -> None:
        held = Held()
        first = await held.ask("a")
        for task in await held.ask("bb", "ccc"):
            task.cancel()
        held.gate.set()
        assert await asyncio.gather(*first) == [1]
        await held.batcher.submit("dddd")
        assert held.batches == [["a"], ["dddd"]]

    asyncio.run(run())


def test_who_goes_while_the_answer_is_under_way_takes_it_from_nobody() -> None:
    async def run() -> None:
        held = Held()
        gone, stays = await held.ask("bb", "ccc")
        gone.cancel()
        held.gate.set()
        assert await stays == 3

    asyncio.run(run())


def test_too_few_answers_are_a_fault_and_leave_nobody_waiting() -> None:
    async def one(_: Sequence[str]) -> Sequence[int]:
        return [1]

    async def run() -> None:
        batcher: Batcher[str, int] = Batcher(one, most=3)
        asked = asyncio.gather(batcher.submit("a"), batcher.submit("b"), return_exceptions=True)
        assert [type(error) for error in await asyncio.wait_for(asked, 5)] == [ValueError] * 2

    asyncio.run(run())


def test_a_cancelled_batch_cancels_who_waits_for_it() -> None:
    async def run() -> None:
        held = Held()
        waiting = await held.ask("a", "bb")
        assert held.batcher._sending is not None
        held.batcher._sending.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting[0]
        assert (await asyncio.gather(*waiting, return_exceptions=True)).count(1) == 0

    asyncio.run(run())
