"""Cache entries of several machines: Redis. One that is away costs entries, never a run.

Only the store belongs here; limits and budgets that Redis shares are parts of their own.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from redis.exceptions import RedisError

from assay.inference.caches.gathering import Gathering
from assay.inference.caches.key_value import Item, WriteBehind

if TYPE_CHECKING:
    from redis.asyncio import Redis

BATCH_KEYS = 200
CALL_SECONDS = 1.0
REST_SECONDS = 5.0
"""How long Redis is left alone after it failed, so that not every request waits for it."""


class RedisStore(WriteBehind):
    """Entries under `prefix` in the Redis at `url`, which expires them itself."""

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
        self._finds: Gathering[bytes, bytes | None] = Gathering(self._find, most=BATCH_KEYS)

    async def get(self, key: bytes) -> bytes | None:
        """See `KeyValue.get`."""
        item = self.unwritten(key)
        if item is not None:
            return item.value
        if self._now() < self._back_at:
            return None
        return await self._finds.ask(key)

    async def remove(self, tag: str) -> int:
        """See `KeyValue.remove`.

        Raises:
            RedisError: Redis does not answer; who erases must know.
        """
        await self.flush()
        place = self._tag_place(tag)
        members = await self._redis.smembers(place)
        if not members:
            return 0
        removed = int(await self._redis.delete(*members))
        await self._redis.delete(place)
        return removed

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

    async def _write(self, items: Sequence[Item]) -> None:
        now = self._now()
        if now < self._back_at:
            return
        pipe = self._redis.pipeline(transaction=False)
        for item in items:
            lifetime_ms = max(1, int((item.expires_at - now) * 1000))
            pipe.set(self._prefix + item.key, item.value, px=lifetime_ms)
            if item.tag is not None:
                place = self._tag_place(item.tag)
                pipe.sadd(place, self._prefix + item.key)
                pipe.pexpire(place, lifetime_ms, nx=True)
                pipe.pexpire(place, lifetime_ms, gt=True)
        try:
            await pipe.execute()
        except (RedisError, OSError) as error:
            self._rest(error)

    def _tag_place(self, tag: str) -> bytes:
        return self._prefix + b"tag:" + tag.encode()

    def _rest(self, error: Exception) -> None:
        self._back_at = self._now() + REST_SECONDS
        if not self._warned:
            self._warned = True
            self._warn(
                f"The answer cache in Redis does not answer ({type(error).__name__}): the run goes on without it and "
                f"tries again every {REST_SECONDS:g} s."
            )
