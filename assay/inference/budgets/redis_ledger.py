"""Budget ledger shared by several machines in Redis: each operation of `Books` is one optimistic transaction."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, TypeVar

import orjson

from assay.errors import ServiceUnreachable
from assay.inference.budgets.ledger import ACCOUNT_DAYS, Books, BudgetLease, Extension, lease_facts, lease_of

ANSWER_SECONDS = 5.0
ACCOUNT_SECONDS = ACCOUNT_DAYS * 86_400
HASHES = ("facts", "amount", "spent", "held", "expires_at")
"""One hash per field of a lease, by lease id."""
T = TypeVar("T")


class RedisLedger:
    """See `Ledger`; `namespace` separates environments; `clock`, if set, replaces the server's clock.

    A transaction watches the keys it reads, and is repeated if another worker changes one of them before it is executed.
    """

    def __init__(self, url: str, *, namespace: str, ttl_s: float, clock: Callable[[], float] | None = None) -> None:
        from redis.asyncio import Redis

        self._client: Any = Redis.from_url(url, socket_timeout=ANSWER_SECONDS, socket_connect_timeout=ANSWER_SECONDS)
        # One hash slot for all keys, so that transactions also run on a cluster.
        self._prefix = f"{{{namespace}:budget}}"
        self._hashes = [f"{self._prefix}:{name}" for name in HASHES]
        self._ttl_s = ttl_s
        self._clock = clock

    async def open(self, landed: Mapping[str, int], leases: Sequence[BudgetLease]) -> None:
        """See `Ledger.open`."""
        await self._change(landed, lambda books, now: books.open(landed, leases, now=now, ttl_s=self._ttl_s))

    async def extend(self, lease: BudgetLease, *, caps: Mapping[str, int], least: int, wanted: int) -> Extension | None:
        """See `Ledger.extend`."""
        return await self._change(
            caps,
            lambda books, now: books.extend(lease, caps=caps, growth=(least, wanted), now=now, ttl_s=self._ttl_s),
        )

    async def settle(self, lease_id: str, spent: int) -> bool:
        """See `Ledger.settle`."""
        facts = await self._answered(self._client.hget(self._hashes[0], lease_id))
        accounts = orjson.loads(facts)["accounts"] if facts else ()
        return await self._change(accounts, lambda books, _: books.settle(lease_id, spent))

    async def close(self) -> None:
        """See `Ledger.close`."""
        await self._client.aclose()

    async def _change(self, accounts: Collection[str], change: Callable[[Books, float], T]) -> T:
        keys = {name: f"{self._prefix}:account:{name}" for name in accounts}

        async def changed(pipe: Any) -> T:
            before, now = await self._read(keys)
            after = Books(dict(before.spent), dict(before.leases))
            found = change(after, now)
            pipe.multi()
            self._write(pipe, keys, before=before, after=after)
            return found

        watched = [*self._hashes, *keys.values()]
        found: T = await self._answered(self._client.transaction(changed, *watched, value_from_callable=True))
        return found

    async def _read(self, keys: Mapping[str, str]) -> tuple[Books, float]:
        """The accounts and all leases, and the time by the ledger's clock (Unix seconds)."""
        async with self._client.pipeline(transaction=False) as pipe:
            for key in self._hashes:
                pipe.hgetall(key)
            for key in keys.values():
                pipe.get(key)
            *found, (seconds, microseconds) = await pipe.time().execute()
        facts, amounts, spent, held, ends = found[: len(HASHES)]
        balances = zip(keys, found[len(HASHES) :], strict=True)
        leases = [
            lease_of(orjson.loads(text), amount=int(amounts[name]), spent=int(spent[name]), held=int(held[name]))
            for name, text in facts.items()
        ]
        books = Books(
            {name: int(balance) for name, balance in balances if balance is not None},
            {lease.lease_id: (lease, float(ends[lease.lease_id.encode()])) for lease in leases},
        )
        return books, self._clock() if self._clock else seconds + microseconds / 1e6

    def _write(self, pipe: Any, keys: Mapping[str, str], *, before: Books, after: Books) -> None:
        for name, balance in after.spent.items():
            pipe.set(keys[name], balance, ex=ACCOUNT_SECONDS)
        for lease_id in before.leases.keys() - after.leases.keys():
            for key in self._hashes:
                pipe.hdel(key, lease_id)
        for lease_id, (lease, ends) in after.leases.items():
            if before.leases.get(lease_id) != (lease, ends):
                values = (orjson.dumps(lease_facts(lease)), lease.amount, lease.spent, lease.held, f"{ends:.6f}")
                for key, value in zip(self._hashes, values, strict=True):
                    pipe.hset(key, lease_id, value)

    async def _answered(self, operation: Any) -> Any:
        from redis.exceptions import RedisError

        try:
            async with asyncio.timeout(2 * ANSWER_SECONDS):
                return await operation
        except (RedisError, OSError, TimeoutError) as error:
            raise ServiceUnreachable(
                f"The budget ledger in Redis does not respond ({type(error).__name__})",
                next_step="check the server at ASSAY_REDIS_URL (or REDIS_URL), then resume the run.",
            ) from error
