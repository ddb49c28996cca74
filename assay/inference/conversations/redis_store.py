"""Conversation turns that several workers share in Redis; if Redis is unavailable, turns are read from the warehouse.

A conversation is a sorted set with the turn number as the score. One transaction adds a turn, trims the set and sets
its expiry.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import orjson

from assay.inference.caches.keys import MAC_BYTES, CacheKeys
from assay.inference.conversations.protocol import ConversationId, PastTurn

if TYPE_CHECKING:
    from redis.asyncio import Redis

CALL_SECONDS = 1.0
REST_SECONDS = 5.0
"""Seconds for which Redis is not used after it failed, so that not every turn waits for it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConversationScope:
    """The task whose conversations are stored, and their limits.

    The last `keep` turns of a conversation are kept until `ttl_s` seconds after the latest one.
    """

    project: str
    env: str
    task: str
    inference_version: str
    keep: int
    ttl_s: float


class RedisConversations:
    """Conversations of one task and inference version in the Redis at `url`; keys and MACs are computed with `hash_key`."""

    def __init__(
        self,
        url: str,
        scope: ConversationScope,
        *,
        hash_key: bytes,
        warn: Callable[[str], None],
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        from redis.asyncio import Redis

        self._redis: Redis = Redis.from_url(url, socket_timeout=CALL_SECONDS, socket_connect_timeout=CALL_SECONDS)
        self._scope = scope
        self._keys = CacheKeys(hash_key)
        self._warn = warn
        self._warned = False
        self._now = now
        self._back_at = 0.0

    async def load(self, talk: ConversationId) -> Sequence[PastTurn]:
        """See `ConversationStore.load`; empty while Redis is unavailable."""
        if self._now() < self._back_at:
            return ()
        from redis.exceptions import RedisError

        place = self._place(talk)
        try:
            members = await self._redis.zrange(place, 0, -1)
        except (RedisError, OSError) as error:
            self._rest(error)
            return ()
        turns = (self._opened(place, member) for member in members)
        return [turn for turn in turns if turn is not None]

    async def append(self, talk: ConversationId, turn: PastTurn) -> None:
        """See `ConversationStore.append`; the turn is lost while Redis is unavailable."""
        if self._now() < self._back_at:
            return
        place = self._place(talk)
        pipe = self._redis.pipeline(transaction=True)
        pipe.zremrangebyscore(place, turn.number, turn.number)
        pipe.zadd(place, {self._sealed(place, turn): turn.number})
        pipe.zremrangebyrank(place, 0, -self._scope.keep - 1)
        pipe.pexpire(place, int(self._scope.ttl_s * 1000))
        from redis.exceptions import RedisError

        try:
            await pipe.execute()
        except (RedisError, OSError) as error:
            self._rest(error)

    async def close(self) -> None:
        """See `ConversationStore.close`."""
        await self._redis.aclose()

    def _place(self, talk: ConversationId) -> bytes:
        scope = self._scope
        name = self._keys.named("conversation", scope.task, scope.inference_version, talk.key, talk.epoch)
        return f"assay:{scope.project}:{scope.env}:conversation:{name.hex()}".encode()

    def _sealed(self, place: bytes, turn: PastTurn) -> bytes:
        text = orjson.dumps([turn.number, turn.question, turn.answer, turn.answered_at])
        return self._keys.mac(place, text) + text

    def _opened(self, place: bytes, sealed: object) -> PastTurn | None:
        """The turn; None if its MAC does not match because it was altered or belongs to a different conversation."""
        if not isinstance(sealed, bytes) or sealed[:MAC_BYTES] != self._keys.mac(place, sealed[MAC_BYTES:]):
            return None
        number, question, answer, answered_at = orjson.loads(sealed[MAC_BYTES:])
        return PastTurn(number=number, question=question, answer=answer, answered_at=answered_at)

    def _rest(self, error: Exception) -> None:
        self._back_at = self._now() + REST_SECONDS
        if not self._warned:
            self._warned = True
            self._warn(
                f"The conversation store in Redis does not respond ({type(error).__name__}); the run continues with the "
                f"turns in the warehouse and tries again every {REST_SECONDS:g} s."
            )
