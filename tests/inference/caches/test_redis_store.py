"""Entries in a real Redis that machines share: the same as in a file, and one that is away costs entries, never a run."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import pytest
from redis import Redis
from redis.exceptions import RedisError

from assay.inference.caches.exact import ExactCache, ExactPolicy
from assay.inference.caches.key_value import CacheItem, CacheNote
from assay.inference.caches.keys import CacheKeys
from assay.inference.caches.redis_store import BATCH_KEYS, REST_SECONDS, RedisStore
from tests.inference.caches.asked import LANE, SetClock, asked, body_of, paid
from tests.redis_server import RedisServer, needs_redis, running_redis

pytestmark = needs_redis
PREFIX = "assay:test:dev:cache:"


class Place:
    """A Redis, a clock, and what its stores warned of."""

    def __init__(self, server: RedisServer) -> None:
        self.server = server
        self.clock = SetClock()
        self.told: list[str] = []

    def store(self, *, url: str | None = None, prefix: str = PREFIX) -> RedisStore:
        return RedisStore(url or self.server.url, prefix=prefix, warn=self.told.append, now=self.clock)

    def use(self, work: Callable[[RedisStore], Coroutine[Any, Any, Any]], **options: Any) -> Any:
        """What the work gave, with a store that is closed after it."""

        async def run() -> Any:
            store = self.store(**options)
            try:
                return await work(store)
            finally:
                await store.close()

        return asyncio.run(run())

    def keep(self, *items: CacheItem, **options: Any) -> None:
        self.use(lambda store: kept(store, *items), **options)

    def find(self, *names: str, **options: Any) -> list[bytes | None]:
        return self.use(lambda store: found(store, *names), **options)  # type: ignore[no-any-return]

    def direct(self) -> Redis:
        """A connection of the test's own."""
        return Redis.from_url(self.server.url, socket_timeout=5)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    with running_redis(tmp_path_factory.mktemp("redis")) as running:
        yield running


@pytest.fixture
def spot(server: RedisServer) -> Place:
    place = Place(server)
    with place.direct() as redis:
        redis.flushall()
    return place


@pytest.fixture
def failing(tmp_path: Path) -> Iterator[Place]:
    """A Redis of the test's own, to be stopped."""
    with running_redis(tmp_path) as running:
        yield Place(running)


def item(name: str, *, lives_s: float = 1000.0, tag: str | None = None, place: bytes | None = None) -> CacheItem:
    note = CacheNote(place, f"note of {name}".encode(), SetClock().at + 4000) if place is not None else None
    return CacheItem(name.encode().ljust(20, b"-"), f"value of {name}".encode(), SetClock().at + lives_s, tag, note)


async def kept(store: RedisStore, *items: CacheItem) -> None:
    for one in items:
        store.put(one)
    await store.flush()


async def found(store: RedisStore, *names: str) -> list[bytes | None]:
    return list(await asyncio.gather(*(store.get(item(name).key) for name in names)))


def test_what_one_machine_wrote_another_finds(spot: Place) -> None:
    spot.keep(item("a"), item("b"))
    assert spot.find("a", "b", "c") == [b"value of a", b"value of b", None]


def test_closing_writes_what_waits(spot: Place) -> None:
    async def put(store: RedisStore) -> None:
        store.put(item("a"))

    spot.use(put)
    assert spot.find("a") == [b"value of a"]


def test_questions_that_come_together_share_a_call_and_each_gets_its_own_answer(spot: Place) -> None:
    names = [f"k{number}" for number in range(BATCH_KEYS + 50)]
    spot.keep(*(item(name) for name in names))
    with spot.direct() as redis:
        redis.config_resetstat()
        assert spot.find(*names) == [f"value of {name}".encode() for name in names]
        assert redis.info("commandstats")["cmdstat_mget"]["calls"] == 2


def test_projects_with_prefixes_of_their_own_do_not_meet(spot: Place) -> None:
    spot.keep(item("a"))
    assert spot.find("a", prefix="assay:other:dev:cache:") == [None]


def test_redis_itself_lets_an_entry_go_when_it_expires(spot: Place) -> None:
    spot.keep(item("a", lives_s=100), item("gone", lives_s=-5))
    with spot.direct() as redis:
        assert 99_000 < redis.pttl(PREFIX.encode() + item("a").key) <= 100_000
        assert redis.pttl(PREFIX.encode() + item("gone").key) in (-2, 0, 1)


def test_every_key_that_is_written_expires_sometime(spot: Place) -> None:
    spot.keep(item("a", tag="subject-1", place=b"p"), item("b"))
    with spot.direct() as redis:
        keys = list(redis.scan_iter())
        assert len(keys) == 4
        assert [key for key in keys if redis.pttl(key) <= 0] == []


def test_a_persons_entries_can_be_found_for_as_long_as_the_longest_of_them_lives(spot: Place) -> None:
    for lives_s, longest_s in ((100, 100), (500, 500), (200, 500)):
        spot.keep(item(f"for {lives_s}", lives_s=lives_s, tag="subject-1"))
        with spot.direct() as redis:
            left_ms = redis.pttl(f"{PREFIX}tag:subject-1")
        assert longest_s * 1000 - 50_000 < left_ms <= longest_s * 1000


def test_erasing_takes_a_persons_entries_also_those_that_waited(spot: Place) -> None:
    spot.keep(item("a", tag="subject-1", place=b"p"), item("b", tag="subject-2"))

    async def erase(store: RedisStore) -> tuple[int, list[bytes | None]]:
        store.put(item("waiting", tag="subject-1"))
        return await store.remove("subject-1"), await found(store, "a", "waiting", "b")

    assert spot.use(erase) == (2, [None, None, b"value of b"])
    with spot.direct() as redis:
        assert [key for key in redis.scan_iter() if b"subject-1" in key or b"note" in key] == []


def test_the_latest_notes_of_a_place_are_found_whether_they_wait_or_are_written(spot: Place) -> None:
    async def work(store: RedisStore) -> list[list[bytes]]:
        await kept(store, *(item(name, place=b"p") for name in "abc"), item("x", place=b"q"))
        written = await store.notes(b"p")
        store.put(item("d", place=b"p"))
        return [written, await store.notes(b"p"), await store.notes(b"nowhere")]

    assert spot.use(work) == [[b"note of c", b"note of b"], [b"note of d", b"note of c"], []]


def test_a_note_outlives_its_value(spot: Place) -> None:
    spot.keep(item("a", place=b"p", lives_s=-5))
    assert (spot.find("a"), spot.use(lambda store: store.notes(b"p"))) == ([None], [b"note of a"])


def test_erasing_nobody_removes_nothing(spot: Place) -> None:
    spot.keep(item("a", tag="subject-1"))
    assert spot.use(lambda store: store.remove("nobody")) == 0
    assert spot.find("a") == [b"value of a"]


def test_a_redis_that_is_away_gives_misses_and_is_told_of_once_without_its_password(failing: Place) -> None:
    failing.server.stop()
    url = failing.server.url.replace("redis://", "redis://user:sesame@")

    async def go_on(store: RedisStore) -> list[bytes | None]:
        misses = await found(store, "a", "b")
        for _ in range(3):
            failing.clock.at += REST_SECONDS
            await kept(store, item("c"))
            misses += await found(store, "c")
        return misses

    assert failing.use(go_on, url=url) == [None] * 5
    [told] = failing.told
    assert "does not respond" in told and "continues without it" in told
    assert "sesame" not in told


def test_a_wrong_password_is_a_redis_that_does_not_answer(failing: Place) -> None:
    with failing.direct() as redis:
        redis.config_set("requirepass", "open-sesame")
    wrong = failing.server.url.replace("redis://", "redis://:sesame@")
    assert failing.find("a", url=wrong) == [None]
    assert len(failing.told) == 1 and "sesame" not in failing.told[0]


def test_a_redis_that_failed_is_left_alone_for_a_while(failing: Place) -> None:
    async def go_on(store: RedisStore) -> list[list[bytes | None]]:
        await kept(store, item("a"))
        failing.server.stop()
        away = await found(store, "a")
        failing.server.start()
        resting = await found(store, "a")
        await kept(store, item("lost"))
        failing.clock.at += REST_SECONDS
        await kept(store, item("b"))
        return [away, resting, await found(store, "a", "lost", "b")]

    away, resting, back = failing.use(go_on)
    assert (away, resting) == ([None], [None])
    assert back == [None, None, b"value of b"]  # it has forgotten what it had
    assert len(failing.told) == 1


def test_who_erases_is_told_when_redis_does_not_answer(failing: Place) -> None:
    failing.server.stop()

    async def erase(store: RedisStore) -> None:
        with pytest.raises(RedisError):
            await store.remove("subject-1")

    failing.use(erase)


def test_a_key_of_another_kind_is_a_miss(spot: Place) -> None:
    with spot.direct() as redis:
        redis.sadd(PREFIX.encode() + item("a").key, "a set")
    assert spot.find("a") == [None]
    assert spot.told == []


def test_answers_go_from_one_machine_to_another_until_the_model_changes(spot: Place) -> None:
    policy = ExactPolicy(task="sorting", ttl_s=1000)
    request = asked()

    def cache(store: RedisStore) -> ExactCache:
        return ExactCache(store, CacheKeys(b"k" * 32), policy=policy, now=spot.clock)

    spot.use(lambda store: cache(store).store(request, body_of(request), paid(model="nano-1")))
    hit = spot.use(lambda store: cache(store).find(request, body_of(request), lane=LANE))
    assert hit is not None and hit.call_id == "call-1"
    other = asked("Another text")
    spot.use(lambda store: cache(store).store(other, body_of(other), paid(model="nano-2")))
    assert spot.use(lambda store: cache(store).find(request, body_of(request), lane=LANE)) is None
