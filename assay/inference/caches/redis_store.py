"""Cache entries that several machines share in Redis.

If Redis is unavailable, entries are lost but the run continues.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from redis.exceptions import RedisError

from assay.inference.caches.batcher import Batcher
from assay.inference.caches.key_value import NOTES, CacheItem, WriteBehind

if TYPE_CHECKING:
    from redis.asyncio import Redis

BATCH_KEYS = 200
CALL_SECONDS = 1.0
REST_SECONDS = 5.0
"""Seconds for which Redis is not used after it failed, so that not every request waits for it."""


class RedisStore(WriteBehind):
    """Entries under `prefix` in the Redis at `url`; Redis expires them."""

    def __init__(
        self,
        url: str,
        *,
        prefix: str,
        warn: Callable[[str], None],
        now: Callable[[], float] = time.time,
    ) -> None:
        from redis.asyncio import Redis

        super().__init__(now=now)
        self._redis: Redis = Redis.from_url(url, socket_timeout=CALL_SECONDS, socket_connect_timeout=CALL_SECONDS)
        self._prefix = prefix.encode()
        self._warn = warn
        self._warned = False
        self._back_at = 0.0
        self._finds: Batcher[bytes, bytes | None] = Batcher(self._find, most=BATCH_KEYS)

    async def get(self, key: bytes) -> bytes | None:
        """See `KeyValue.get`."""
        item = self.unwritten(key)
        if item is not None:
            return item.value
        if self._now() < self._back_at:
            return None
        return await self._finds.submit(key)

    async def notes(self, place: bytes) -> list[bytes]:
        """See `KeyValue.notes`."""
        notes = self.unwritten_notes(place)
        if self._now() < self._back_at:
            return notes[:NOTES]
        try:
            kept = await self._redis.lrange(self._note_place(place), 0, NOTES - 1)
            notes += [text for text in kept if isinstance(text, bytes)]
        except (RedisError, OSError) as error:
            self._rest(error)
        return notes[:NOTES]

    async def remove(self, tag: str) -> int:
        """See `KeyValue.remove`.

        Raises:
            RedisError: Redis does not respond, so the entries may not have been erased.
        """
        await self.flush()
        place = self._tag_place(tag)
        members = {member for member in await self._redis.smembers(place) if isinstance(member, bytes)}
        if not members:
            return 0
        notes = [member for member in members if member.startswith(self._note_place(b""))]
        removed = await self._redis.delete(*(members - set(notes))) if len(members) > len(notes) else 0
        await self._redis.delete(place, *notes)
        return int(removed)

    async def close(self) -> None:
        """See `KeyValue.close`."""
        await self.flush()
        await self._redis.aclose()

    async def _find(self, keys: Sequence[bytes]) -> Sequence[bytes | None]:
        try:
            found = await self._redis.mget([self._prefix + key for key in keys])
        except (RedisError, OSError) as error:
            self._rest(error)
            return [None] * len(keys)
        return [value if isinstance(value, bytes) else None for value in found]

    async def _write(self, items: Sequence[CacheItem]) -> None:
        now = self._now()
        if now < self._back_at:
            return
        pipe = self._redis.pipeline(transaction=False)
        for item in items:
            lifetime_ms = _milliseconds(item.expires_at - now)
            written = [self._prefix + item.key]
            if item.expires_at > now:
                pipe.set(written[0], item.value, px=lifetime_ms)
            else:
                pipe.delete(written[0])
            if item.note is not None and item.note.expires_at > now:
                lifetime_ms = _milliseconds(item.note.expires_at - now)
                written.append(self._note_place(item.note.place))
                pipe.lpush(written[1], item.note.text)
                pipe.ltrim(written[1], 0, NOTES - 1)
                pipe.pexpire(written[1], lifetime_ms)
            if item.tag is not None:
                place = self._tag_place(item.tag)
                pipe.sadd(place, *written)
                pipe.pexpire(place, lifetime_ms, nx=True)
                pipe.pexpire(place, lifetime_ms, gt=True)
        try:
            await pipe.execute()
        except (RedisError, OSError) as error:
            self._rest(error)

    def _tag_place(self, tag: str) -> bytes:
        return self._prefix + b"tag:" + tag.encode()

    def _note_place(self, place: bytes) -> bytes:
        return self._prefix + b"note:" + place

    def _rest(self, error: Exception) -> None:
        self._back_at = self._now() + REST_SECONDS
        if not self._warned:
            self._warned = True
            self._warn(
                f"The response cache in Redis does not respond ({type(error).__name__}): the run continues without it and "
                f"tries again every {REST_SECONDS:g} s."
            )


def _milliseconds(lifetime_s: float) -> int:
    return max(1, int(lifetime_s * 1000))
