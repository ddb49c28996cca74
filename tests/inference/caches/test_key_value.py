"""Writing behind: an entry is found at once, goes out with many others, and is never lost on the way."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from assay.inference.caches.key_value import BATCH_ITEMS, FLUSH_SECONDS, CacheItem, WriteBehind
from tests.inference.caches.asked import START, SetClock


class Written(WriteBehind):
    """Keeps what was written, batch by batch, once it is let."""

    def __init__(self, clock: SetClock) -> None:
        super().__init__(now=clock)
        self.clock = clock
        self.batches: list[list[bytes]] = []
        self.gate = asyncio.Event()
        self.gate.set()

    async def _write(self, items: Sequence[CacheItem]) -> None:
        await self.gate.wait()
        self.batches.append([item.key for item in items])

    def put_all(self, *names: str, expires_at: float = START + 100, tag: str | None = None) -> None:
        for name in names:
            self.put(CacheItem(name.encode(), b"value of " + name.encode(), expires_at, tag))


def behind(work: Callable[[Written], Coroutine[Any, Any, None]]) -> None:
    async def run() -> None:
        await work(Written(SetClock()))

    asyncio.run(run())


async def settled() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


def test_an_entry_is_found_before_it_is_written() -> None:
    async def work(store: Written) -> None:
        store.put_all("a")
        item = store.unwritten(b"a")
        assert item is not None and item.value == b"value of a"
        assert (store.unwritten(b"b"), store.batches) == (None, [])

    behind(work)


def test_an_entry_is_found_while_it_is_being_written() -> None:
    async def work(store: Written) -> None:
        store.gate.clear()
        store.put_all("a")
        flushing = asyncio.create_task(store.flush())
        await settled()
        assert store.unwritten(b"a") is not None
        store.gate.set()
        await flushing
        assert (store.unwritten(b"a"), store.batches) == (None, [[b"a"]])

    behind(work)


def test_an_entry_that_expired_while_it_waited_is_not_found() -> None:
    async def work(store: Written) -> None:
        store.put_all("a", expires_at=START + 1)
        store.clock.at += 1
        assert store.unwritten(b"a") is None

    behind(work)


def test_a_full_batch_goes_out_by_itself() -> None:
    async def work(store: Written) -> None:
        store.put_all(*(f"k{number}" for number in range(BATCH_ITEMS)))
        await settled()
        assert [len(batch) for batch in store.batches] == [BATCH_ITEMS]

    behind(work)


def test_a_few_go_out_when_the_first_has_waited_long_enough() -> None:
    async def work(store: Written) -> None:
        store.put_all("a", "b")
        await settled()
        assert store.batches == []
        store.clock.at += FLUSH_SECONDS
        store.put_all("c")
        await settled()
        assert store.batches == [[b"a", b"b", b"c"]]

    behind(work)


def test_what_comes_while_a_batch_is_written_is_written_by_the_next_flush() -> None:
    async def work(store: Written) -> None:
        store.gate.clear()
        store.put_all("a")
        store.clock.at += FLUSH_SECONDS
        store.put_all("b")
        await settled()
        store.put_all("c")
        store.gate.set()
        await store.flush()
        assert store.batches == [[b"a", b"b"], [b"c"]]

    behind(work)


def test_the_later_of_two_entries_under_one_key_is_the_one_that_is_written() -> None:
    async def work(store: Written) -> None:
        store.put_all("a")
        store.put(CacheItem(b"a", b"later", START + 100))
        item = store.unwritten(b"a")
        assert item is not None and item.value == b"later"
        await store.flush()
        assert store.batches == [[b"a"]]

    behind(work)
