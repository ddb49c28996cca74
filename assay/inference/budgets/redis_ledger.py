"""Budget ledger shared by several machines in Redis: one script per operation, timed by the server's clock.

Each script repeats the arithmetic of the corresponding `Books` method; a test compares the results. Integers are
formatted with `%.0f`, which is exact up to 2^53 billionths, or nine million USD.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import orjson

from assay.errors import ServiceUnreachable
from assay.inference.budgets.ledger import (
    ACCOUNT_DAYS,
    SHARE_OF_WHAT_IS_LEFT,
    BudgetLease,
    Extension,
    lease_facts,
    lease_of,
)

ANSWER_SECONDS = 5.0
ACCOUNT_SECONDS = ACCOUNT_DAYS * 86_400
HASHES = ("facts", "amount", "spent", "held", "expires_at")

PREAMBLE = """
local function whole(number) return string.format('%.0f', number) end
local function clock(stated)
    if stated ~= '' then return tonumber(stated) end
    local time = redis.call('time')
    return tonumber(time[1]) + tonumber(time[2]) / 1000000
end
local function of(hash, id) return tonumber(redis.call('hget', KEYS[hash], id) or '0') end
local function keep(id, facts, amounts, now, ttl)
    redis.call('hset', KEYS[1], id, facts)
    for hash = 2, 4 do redis.call('hset', KEYS[hash], id, amounts[hash - 1]) end
    redis.call('hset', KEYS[5], id, string.format('%.6f', now + (cjson.decode(facts).lasts_s or tonumber(ttl))))
end
local function holds(facts, account)
    for _, name in ipairs(facts.accounts) do if name == account then return true end end
    return false
end
"""

# ARGV: clock, lifetime of a lease, lifetime of an account, number of accounts; for each account its name and amount;
# for each lease its facts, amount, spent and held.
OPEN = (
    PREAMBLE
    + """
local now, count = clock(ARGV[1]), tonumber(ARGV[4])
local lost = false
for i = 1, count do lost = lost or redis.call('exists', KEYS[5 + i]) == 0 end
for at = 5 + 2 * count, #ARGV, 4 do
    local id = cjson.decode(ARGV[at]).lease_id
    if lost and redis.call('hexists', KEYS[1], id) == 0 then
        keep(id, ARGV[at], {ARGV[at + 1], ARGV[at + 2], ARGV[at + 3]}, now, ARGV[2])
    end
end
local all = redis.call('hgetall', KEYS[1])
for i = 1, count do
    local name, under_way = ARGV[3 + 2 * i], 0
    for at = 1, #all, 2 do
        local lease = cjson.decode(all[at + 1])
        if holds(lease, name) and not lease.stands_in then
            under_way = under_way + math.max(of(2, all[at]), of(3, all[at]))
        end
    end
    local known = tonumber(redis.call('get', KEYS[5 + i]) or '0')
    redis.call('set', KEYS[5 + i], whole(math.max(known, tonumber(ARGV[4 + 2 * i]) - under_way)), 'ex', ARGV[3])
end
return 1
"""
)

# ARGV: clock, lifetime of a lease, lifetime of an account, id, facts, amount, spent, held, least, wanted, share, begins,
# then the cap of each account.
EXTEND = (
    PREAMBLE
    + """
local now, id, facts = clock(ARGV[1]), ARGV[4], cjson.decode(ARGV[5])
local amount, spent, least, wanted = tonumber(ARGV[6]), tonumber(ARGV[7]), tonumber(ARGV[9]), tonumber(ARGV[10])
local balances, lent, expired = {}, {}, {}
for i = 1, #facts.accounts do
    local known = redis.call('get', KEYS[5 + i])
    if not known then return {'unknown'} end
    balances[i], lent[i] = tonumber(known), 0
end
local kept = redis.call('hget', KEYS[1], id)
if not kept and ARGV[12] ~= '1' then return {'unknown'} end
if kept and cjson.decode(kept).stands_in then
    local before = tonumber(cjson.decode(kept).run_landed) - tonumber(facts.run_landed)
    local counted = math.min(spent, math.max(0, before))
    for i = 1, #balances do balances[i] = math.max(0, balances[i] - counted) end
end
for i = 1, #balances do redis.call('set', KEYS[5 + i], whole(balances[i]), 'ex', ARGV[3]) end
local all = redis.call('hgetall', KEYS[1])
for at = 1, #all, 2 do
    if all[at] ~= id then
        local other, held = cjson.decode(all[at + 1]), math.max(of(2, all[at]), of(3, all[at]))
        for i = 1, #balances do
            if holds(other, facts.accounts[i]) then lent[i] = lent[i] + held end
        end
        if of(5, all[at]) < now then
            for _, text in ipairs({all[at + 1], whole(of(2, all[at])), whole(of(3, all[at])), whole(of(4, all[at]))}) do
                expired[#expired + 1] = text
            end
        end
    end
end
local left, remaining, most_lent = math.huge, math.huge, 0
for i = 1, #balances do
    local cap = tonumber(ARGV[12 + i])
    left = math.min(left, cap - balances[i] - lent[i] - math.max(amount, spent))
    remaining = math.min(remaining, cap - balances[i] - spent)
    most_lent = math.max(most_lent, lent[i])
end
local granted = 0
if left >= least then granted = math.min(wanted, math.max(least, math.floor(left / tonumber(ARGV[11])))) end
keep(id, ARGV[5], {whole(amount + granted), ARGV[7], ARGV[8]}, now, ARGV[2])
local found = {'known', whole(granted), whole(remaining), whole(most_lent)}
for _, text in ipairs(expired) do found[#found + 1] = text end
return found
"""
)

# ARGV: id, spent, lifetime of an account, prefix of an account's key.
SETTLE = """
local facts = redis.call('hget', KEYS[1], ARGV[1])
if not facts then return 0 end
for _, name in ipairs(cjson.decode(facts).accounts) do
    local account = ARGV[4] .. name
    if redis.call('exists', account) == 1 then
        redis.call('incrby', account, ARGV[2])
        redis.call('expire', account, ARGV[3])
    end
end
for hash = 1, 5 do redis.call('hdel', KEYS[hash], ARGV[1]) end
return 1
"""


class RedisLedger:
    """See `Ledger`; `namespace` separates environments; `clock`, if set, replaces the server's clock."""

    def __init__(self, url: str, *, namespace: str, ttl_s: float, clock: Callable[[], float] | None = None) -> None:
        from redis.asyncio import Redis

        self._client: Any = Redis.from_url(url, socket_timeout=ANSWER_SECONDS, socket_connect_timeout=ANSWER_SECONDS)
        self._open, self._extend, self._settle = (
            self._client.register_script(script) for script in (OPEN, EXTEND, SETTLE)
        )
        # One hash slot for all keys, so that the scripts also run on a cluster.
        self._prefix = f"{{{namespace}:budget}}"
        self._ttl_s = ttl_s
        self._clock = clock

    async def open(self, landed: Mapping[str, int], leases: Sequence[BudgetLease]) -> None:
        """See `Ledger.open`."""
        amounts = [value for name, billionths in landed.items() for value in (name, billionths)]
        held = [
            value
            for lease in leases
            for value in (orjson.dumps(lease_facts(lease)), lease.amount, lease.spent, lease.held)
        ]
        await self._run(self._open, landed, [*self._times(), len(landed), *amounts, *held])

    async def extend(self, lease: BudgetLease, *, caps: Mapping[str, int], least: int, wanted: int) -> Extension | None:
        """See `Ledger.extend`."""
        facts = orjson.dumps(lease_facts(lease))
        amounts = [lease.amount, lease.spent, lease.held, least, wanted, SHARE_OF_WHAT_IS_LEFT, int(lease.begins)]
        capped = [caps[account] for account in lease.accounts]
        found = await self._run(
            self._extend, lease.accounts, [*self._times(), lease.lease_id, facts, *amounts, *capped]
        )
        if found[0] == b"unknown":
            return None
        granted, remaining, lent = (int(value) for value in found[1:4])
        expired = tuple(
            lease_of(
                orjson.loads(found[at]), amount=int(found[at + 1]), spent=int(found[at + 2]), held=int(found[at + 3])
            )
            for at in range(4, len(found), 4)
        )
        return Extension(granted, remaining, lent, expired)

    async def settle(self, lease_id: str, spent: int) -> bool:
        """See `Ledger.settle`."""
        return bool(await self._run(self._settle, (), [lease_id, spent, ACCOUNT_SECONDS, self._account_key("")]))

    async def close(self) -> None:
        """See `Ledger.close`."""
        await self._client.aclose()

    def _account_key(self, name: str) -> str:
        return f"{self._prefix}:account:{name}"

    def _times(self) -> list[Any]:
        return ["" if self._clock is None else repr(self._clock()), repr(self._ttl_s), ACCOUNT_SECONDS]

    async def _run(self, script: Any, accounts: Sequence[str] | Mapping[str, int], arguments: list[Any]) -> Any:
        from redis.exceptions import RedisError

        keys = [f"{self._prefix}:{name}" for name in HASHES] + [self._account_key(name) for name in accounts]
        try:
            async with asyncio.timeout(2 * ANSWER_SECONDS):
                return await script(keys=keys, args=arguments)
        except (RedisError, OSError, TimeoutError) as error:
            raise ServiceUnreachable(
                f"The budget ledger in Redis does not respond ({type(error).__name__})",
                next_step="check the server at ASSAY_REDIS_URL (or REDIS_URL), then resume the run.",
            ) from error
