"""Where turns are kept: a file of the worker's own, and a Redis that workers share."""

from __future__ import annotations

import asyncio
import stat
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import pytest

from assay.inference.conversations.file_store import FileStore
from assay.inference.conversations.protocol import ConversationId, ConversationStore, PastTurn
from assay.inference.conversations.redis_store import REST_SECONDS, ConversationScope, RedisConversations
from tests.redis_server import RedisServer, needs_redis, running_redis

T = TypeVar("T")
SCOPE = ConversationScope(project="p", env="dev", task="t", inference_version="v", keep=3, ttl_s=60.0)
TALK, OTHER = ConversationId("k", 0), ConversationId("k", 1)
KEY = b"k" * 32


def turn(number: int, answer: str = "yes", *, at: float = 1.5) -> PastTurn:
    return PastTurn(number=number, question=f"question {number}", answer=answer, answered_at=at)


@pytest.fixture
def server() -> Iterator[RedisServer]:
    with running_redis() as found:
        yield found


@pytest.fixture
def warnings() -> list[str]:
    return []


@pytest.fixture(params=["file", pytest.param("redis", marks=needs_redis)])
def opened(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[[], ConversationStore]]:
    """Opens a store that is empty at first."""
    if request.param == "file":
        yield lambda: FileStore(tmp_path / "turns.sqlite")
        return
    with running_redis() as found:
        yield lambda: RedisConversations(found.url, SCOPE, hash_key=KEY, warn=pytest.fail)


def used(store: ConversationStore, work: Callable[[ConversationStore], Awaitable[T]]) -> T:
    async def work_and_close() -> T:
        try:
            return await work(store)
        finally:
            await store.close()

    return asyncio.run(work_and_close())


def test_turns_come_back_in_their_order_whole(opened: Callable[[], ConversationStore]) -> None:
    async def work(store: ConversationStore) -> list[PastTurn]:
        for number in (2, 1):
            await store.append(TALK, turn(number))
        return list(await store.load(TALK))

    assert used(opened(), work) == [turn(1), turn(2)]


def test_a_turn_that_is_answered_again_takes_its_own_place(opened: Callable[[], ConversationStore]) -> None:
    async def work(store: ConversationStore) -> list[PastTurn]:
        await store.append(TALK, turn(1))
        await store.append(TALK, turn(1, "no", at=2.0))
        return list(await store.load(TALK))

    assert used(opened(), work) == [turn(1, "no", at=2.0)]


def test_epochs_do_not_hear_each_other(opened: Callable[[], ConversationStore]) -> None:
    async def work(store: ConversationStore) -> list[PastTurn]:
        await store.append(TALK, turn(1))
        return list(await store.load(OTHER))

    assert used(opened(), work) == []


def test_a_file_takes_many_at_once_forgets_one_and_is_its_owners_alone(tmp_path: Path) -> None:
    async def work(store: ConversationStore) -> tuple[int, int]:
        assert isinstance(store, FileStore)
        store.add((talk, turn(number)) for talk in (TALK, OTHER) for number in range(100))
        store.forget(TALK)
        return len(await store.load(TALK)), len(await store.load(OTHER))

    assert used(FileStore(tmp_path / "turns.sqlite"), work) == (0, 100)
    assert stat.S_IMODE((tmp_path / "turns.sqlite").stat().st_mode) == 0o600


def test_a_file_that_a_killed_worker_left_is_begun_anew(tmp_path: Path) -> None:
    async def append(store: ConversationStore) -> None:
        await store.append(TALK, turn(1))

    used(FileStore(tmp_path / "turns.sqlite"), append)
    assert used(FileStore(tmp_path / "turns.sqlite"), lambda store: store.load(TALK)) == []


def redis(server: RedisServer, *, scope: ConversationScope = SCOPE, key: bytes = KEY) -> RedisConversations:
    return RedisConversations(server.url, scope, hash_key=key, warn=pytest.fail)


async def three(store: ConversationStore) -> None:
    for number in (1, 2, 3):
        await store.append(TALK, turn(number))


@needs_redis
def test_another_worker_sees_the_turns_of_its_own_task_version_and_key_only(server: RedisServer) -> None:
    used(redis(server), three)
    seen = [
        len(used(store, lambda store: store.load(TALK)))
        for store in (
            redis(server),
            redis(server, scope=replace(SCOPE, task="other")),
            redis(server, scope=replace(SCOPE, inference_version="other")),
            redis(server, scope=replace(SCOPE, env="prod")),
            redis(server, key=b"o" * 32),
        )
    ]
    assert seen == [3, 0, 0, 0, 0]


@needs_redis
def test_redis_keeps_the_last_turns_for_their_lifetime_and_names_nobody(server: RedisServer) -> None:
    async def work(store: ConversationStore) -> tuple[list[int], list[bytes], list[int]]:
        from redis.asyncio import Redis

        await three(store)
        await store.append(TALK, turn(4))
        async with Redis.from_url(server.url, socket_timeout=2) as client:
            keys = await client.keys("*")
            left = [await client.pttl(key) for key in keys]
        return [known.number for known in await store.load(TALK)], keys, left

    numbers, keys, left = used(redis(server), work)
    assert numbers == [2, 3, 4]
    assert [key.rsplit(b":", 1)[0] for key in keys] == [b"assay:p:dev:conversation"]
    assert len(left) == 1
    assert 50_000 < left[0] <= 60_000


@needs_redis
def test_a_turn_that_was_altered_or_moved_is_not_given_out(server: RedisServer) -> None:
    async def work(store: ConversationStore) -> list[PastTurn]:
        from redis.asyncio import Redis

        await three(store)
        async with Redis.from_url(server.url, socket_timeout=2) as client:
            [place] = await client.keys("*")
            [first, *_] = await client.zrange(place, 0, -1)
            await client.zrem(place, first)
            await client.zadd(place, {first.replace(b"yes", b"no!"): 1})
        return list(await store.load(TALK))

    assert used(redis(server), work) == [turn(2), turn(3)]


@needs_redis
def test_a_redis_that_is_away_costs_turns_one_warning_and_a_rest(server: RedisServer, warnings: list[str]) -> None:
    clock = [0.0]
    store = RedisConversations(server.url, SCOPE, hash_key=KEY, warn=warnings.append, now=lambda: clock[0])

    async def work(store: ConversationStore) -> list[int]:
        server.stop()
        await store.append(TALK, turn(1))
        server.start()
        await store.append(TALK, turn(2))  # left alone yet
        clock[0] = REST_SECONDS
        await store.append(TALK, turn(3))
        return [known.number for known in await store.load(TALK)]

    assert used(store, work) == [3]
    assert len(warnings) == 1
    assert "continues with the turns in the warehouse" in warnings[0]
