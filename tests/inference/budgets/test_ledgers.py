"""Both ledgers keep the same books: accounts, leases, caps, and what happens to a lease whose worker is gone."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from assay.errors import ServiceUnreachable
from assay.inference.budgets.ledger import BudgetLease, Extension, Ledger, nano, usd
from assay.inference.budgets.redis_ledger import RedisLedger
from assay.inference.budgets.sqlite_ledger import SqliteLedger
from tests.fakes.clock import Clock
from tests.redis_server import RedisServer, needs_redis, running_redis

TTL_S = 60.0
RUN, MONTH = "run:r1", "month:2026-11"
CAPS = {RUN: 1000, MONTH: 5000}
Work = Callable[[Ledger, Clock], Awaitable[Any]]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    with running_redis(tmp_path_factory.mktemp("redis")) as running:
        yield running


@pytest.fixture(params=["sqlite", pytest.param("redis", marks=needs_redis)])
def keep(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[Work], Any]:
    """Runs work on a ledger of its own with a clock that only tests move."""

    def kept(work: Work) -> Any:
        async def run() -> Any:
            clock = Clock()
            ledger: Ledger
            if request.param == "sqlite":
                ledger = SqliteLedger(tmp_path / "ledger.sqlite3", ttl_s=TTL_S, clock=clock.time)
            else:
                server = request.getfixturevalue("server")
                ledger = RedisLedger(server.url, namespace=str(tmp_path), ttl_s=TTL_S, clock=clock.time)
            try:
                return await work(ledger, clock)
            finally:
                await ledger.close()

        return asyncio.run(run())

    return kept


def lease(name: str, *, run: str = "r1", **amounts: Any) -> BudgetLease:
    accounts = amounts.pop("accounts", (RUN, MONTH))
    return BudgetLease(
        lease_id=name, run_id=run, task="triage", data_date=date(2026, 11, 23), accounts=accounts, **amounts
    )


async def lent(ledger: Ledger, stated: BudgetLease, *, least: int = 0, wanted: int = 0) -> Extension:
    found = await ledger.extend(
        replace(stated, begins=True),
        caps={account: CAPS[account] for account in stated.accounts},
        least=least,
        wanted=wanted,
    )
    assert found is not None
    return found


def test_a_lease_grows_by_what_is_wanted_but_no_more_than_a_quarter_of_what_is_left(keep: Any) -> None:
    async def work(ledger: Ledger, clock: Clock) -> list[int]:
        await ledger.open({RUN: 0, MONTH: 0}, [])
        first = await lent(ledger, lease("a"), least=10, wanted=100)
        second = await lent(ledger, lease("a", amount=100), least=10, wanted=900)
        return [first.granted, second.granted]

    assert keep(work) == [100, 225]


def test_two_leases_are_never_more_than_the_cap_together(keep: Any) -> None:
    async def work(ledger: Ledger, clock: Clock) -> tuple[int, int]:
        await ledger.open({RUN: 0, MONTH: 0}, [])
        held = {"a": 0, "b": 0}
        for turn in range(40):
            name = "ab"[turn % 2]
            held[name] += (await lent(ledger, lease(name, amount=held[name]), least=30, wanted=200)).granted
        return sum(held.values()), (await lent(ledger, lease("c"), least=31, wanted=31)).granted

    total, more = keep(work)
    assert 970 < total <= 1000
    assert more == 0


def test_the_lowest_cap_binds(keep: Any) -> None:
    async def work(ledger: Ledger, clock: Clock) -> list[int]:
        await ledger.open({RUN: 0, MONTH: 4900}, [])
        found = await lent(ledger, lease("a"), least=80, wanted=80)
        refused = await lent(ledger, lease("b"), least=21, wanted=21)
        return [found.granted, found.remaining, refused.granted, refused.lent]

    assert keep(work) == [80, 100, 0, 80]


def test_what_is_settled_is_spent_and_the_rest_of_the_lease_is_free(keep: Any) -> None:
    async def work(ledger: Ledger, clock: Clock) -> tuple[bool, int]:
        await ledger.open({RUN: 0, MONTH: 0}, [])
        await lent(ledger, lease("a"), least=1000, wanted=1000)
        settled = await ledger.settle("a", 400)
        return settled, (await lent(ledger, lease("b"), least=600, wanted=600)).granted

    assert keep(work) == (True, 600)


def test_a_lease_is_settled_once(keep: Any) -> None:
    async def work(ledger: Ledger, clock: Clock) -> tuple[bool, int]:
        await ledger.open({RUN: 0, MONTH: 0}, [])
        await lent(ledger, lease("a"), least=100, wanted=100)
        await ledger.settle("a", 100)
        again = await ledger.settle("a", 100)
        return again, (await lent(ledger, lease("b"))).remaining

    assert keep(work) == (False, 900)


def test_a_lease_stated_smaller_gives_money_back(keep: Any) -> None:
    async def work(ledger: Ledger, clock: Clock) -> int:
        await ledger.open({RUN: 0, MONTH: 0}, [])
        await lent(ledger, lease("a"), least=1000, wanted=1000)
        await lent(ledger, lease("a", amount=300, spent=100))
        return (await lent(ledger, lease("b"), least=700, wanted=700)).granted

    assert keep(work) == 700


def test_spending_beyond_the_lease_is_held_too(keep: Any) -> None:
    async def work(ledger: Ledger, clock: Clock) -> int:
        await ledger.open({RUN: 0, MONTH: 0}, [])
        await lent(ledger, lease("a", amount=10, spent=950))
        return (await lent(ledger, lease("b"), least=51, wanted=51)).granted

    assert keep(work) == 0


def test_a_lease_past_its_time_still_holds_its_money_until_somebody_settles_it(keep: Any) -> None:
    async def work(ledger: Ledger, clock: Clock) -> tuple[int, tuple[BudgetLease, ...], int]:
        await ledger.open({RUN: 0, MONTH: 0}, [])
        await lent(ledger, lease("dead", amount=40, spent=30, held=10, run_landed=7), least=860, wanted=860)
        clock.seconds = TTL_S + 1
        found = await lent(ledger, lease("b"), least=200, wanted=200)
        await ledger.settle("dead", 120)
        again = await lent(ledger, lease("b"), least=200, wanted=200)
        return found.granted, found.expired, again.granted

    granted, expired, again = keep(work)
    assert (granted, again) == (0, 200)
    assert expired == (lease("dead", amount=900, spent=30, held=10, run_landed=7),)


def test_a_lease_that_is_renewed_does_not_expire(keep: Any) -> None:
    async def work(ledger: Ledger, clock: Clock) -> tuple[BudgetLease, ...]:
        await ledger.open({RUN: 0, MONTH: 0}, [])
        await lent(ledger, lease("a"), least=100, wanted=100)
        for _ in range(5):
            clock.seconds += TTL_S - 1
            await lent(ledger, lease("a", amount=100))
        return (await lent(ledger, lease("b"))).expired

    assert keep(work) == ()


def test_a_ledger_without_memory_asks_to_be_opened(keep: Any) -> None:
    async def work(ledger: Ledger, clock: Clock) -> Extension | None:
        return await ledger.extend(lease("a"), caps=CAPS, least=1, wanted=1)

    assert keep(work) is None


def test_opening_again_raises_what_the_warehouse_knows_better_and_lowers_nothing(keep: Any) -> None:
    async def work(ledger: Ledger, clock: Clock) -> list[int]:
        await ledger.open({RUN: 100, MONTH: 100}, [])
        await ledger.open({RUN: 50, MONTH: 300}, [])
        return [(await lent(ledger, lease("a", accounts=(account,)))).remaining for account in (RUN, MONTH)]

    assert keep(work) == [900, 4700]


def test_what_a_lease_under_way_has_landed_is_not_counted_beside_it(keep: Any) -> None:
    async def work(ledger: Ledger, clock: Clock) -> int:
        await ledger.open({RUN: 0, MONTH: 0}, [])
        await lent(ledger, lease("a", amount=500, spent=400))
        await ledger.open({RUN: 380, MONTH: 380}, [])
        return (await lent(ledger, lease("b"), least=500, wanted=500)).granted

    assert keep(work) == 500


def test_leases_known_from_the_warehouse_hold_their_money_in_a_ledger_that_forgot_them(keep: Any) -> None:
    async def work(ledger: Ledger, clock: Clock) -> tuple[int, int, int]:
        await ledger.open({RUN: 100, MONTH: 100}, [lease("a", amount=600, run_landed=80, stands_in=True)])
        before = (await lent(ledger, lease("b"), least=301, wanted=301)).granted
        # The worker of "a" is alive: 70 of the 100 that had landed are this lease's, and 500 are all it holds.
        await lent(ledger, lease("a", amount=500, spent=90, run_landed=10))
        found = await lent(ledger, lease("b"), least=470, wanted=470)
        return before, found.granted, found.lent

    assert keep(work) == (0, 470, 500)


def test_leases_known_from_the_warehouse_change_nothing_in_a_ledger_that_remembers(keep: Any) -> None:
    async def work(ledger: Ledger, clock: Clock) -> int:
        await ledger.open({RUN: 0, MONTH: 0}, [])
        await ledger.open({RUN: 0, MONTH: 0}, [lease("a", amount=600, stands_in=True)])
        return (await lent(ledger, lease("b"))).lent

    assert keep(work) == 0


def test_a_lease_with_a_time_of_its_own_outlives_the_others(keep: Any) -> None:
    async def work(ledger: Ledger, clock: Clock) -> list[list[BudgetLease]]:
        batch = lease("batch", amount=300, held=300, stands_in=True, lasts_s=10 * TTL_S)
        await ledger.open({RUN: 0, MONTH: 0}, [batch])
        await lent(ledger, lease("a", amount=100))
        clock.seconds += TTL_S + 1
        early = await lent(ledger, lease("b"))
        clock.seconds += 10 * TTL_S
        late = await lent(ledger, lease("b"))
        return [[one for one in found.expired if one.lease_id == "batch"] for found in (early, late)]

    early, late = keep(work)
    assert not early
    assert [(one.lasts_s, one.due(0)) for one in late] == [(10 * TTL_S, 300)]


def test_a_worker_taken_for_dead_is_told_to_begin_again(keep: Any) -> None:
    async def work(ledger: Ledger, clock: Clock) -> Extension | None:
        await ledger.open({RUN: 0, MONTH: 0}, [])
        await lent(ledger, lease("a", amount=500, spent=200))
        await ledger.settle("a", 210)
        return await ledger.extend(lease("a", amount=300, spent=200), caps=CAPS, least=0, wanted=0)

    assert keep(work) is None


def test_what_other_workers_can_still_return_is_attainable_and_what_a_batch_holds_is_not(keep: Any) -> None:
    async def work(ledger: Ledger, clock: Clock) -> list[int]:
        await ledger.open({RUN: 100, MONTH: 100}, [])
        await lent(ledger, lease("a", amount=300, spent=120, held=180))
        await lent(ledger, lease("batch", amount=200, held=200, lasts_s=10 * TTL_S))
        found = await lent(ledger, lease("b", amount=60, spent=50, held=10))
        return [found.remaining, found.attainable, found.lent]

    # The run has 1,000: 100 are settled, 50 its own, 120 spent by the other worker, 200 with the batch.
    assert keep(work) == [850, 530, 500]


@needs_redis
def test_workers_that_change_a_redis_ledger_at_once_lose_no_change(server: RedisServer) -> None:
    async def work() -> tuple[int, int]:
        ledgers = [RedisLedger(server.url, namespace="at once", ttl_s=TTL_S) for _ in range(12)]
        await ledgers[0].open({RUN: 0, MONTH: 0}, [])

        async def worker(number: int) -> int:
            held, name = 0, f"w{number}"
            for _ in range(15):
                held += (await lent(ledgers[number], lease(name, amount=held), least=5, wanted=7)).granted
            await ledgers[number].settle(name, held)
            return held

        granted = await asyncio.gather(*(worker(number) for number in range(len(ledgers))))
        left = (await lent(ledgers[0], lease("last"))).remaining
        for ledger in ledgers:
            await ledger.close()
        return sum(granted), left

    granted, left = asyncio.run(work())
    assert 995 < granted <= 1000  # 12 × 15 × 7 would be 1,260
    assert left == 1000 - granted


@needs_redis
def test_a_redis_that_is_gone_is_unreachable_and_its_url_is_not_told(tmp_path: Path) -> None:
    async def run(url: str) -> None:
        ledger = RedisLedger(url.replace("//", "//user:secret@"), namespace="gone", ttl_s=TTL_S)
        try:
            await ledger.open({RUN: 0}, [])
        finally:
            await ledger.close()

    with running_redis(tmp_path) as stopped:
        url = stopped.url
    with pytest.raises(ServiceUnreachable, match="REDIS_URL") as raised:
        asyncio.run(run(url))
    assert "secret" not in str(raised.value)


def test_a_ledger_file_that_cannot_be_written_says_so(tmp_path: Path) -> None:
    (tmp_path / "ledger.sqlite3").write_text("no database, but long enough to be read as one " * 100, "utf-8")
    ledger = SqliteLedger(tmp_path / "ledger.sqlite3", ttl_s=TTL_S)

    with pytest.raises(ServiceUnreachable, match="cannot be used"):
        asyncio.run(ledger.open({RUN: 0}, []))


def test_amounts_keep_the_precision_of_the_warehouse() -> None:
    from decimal import Decimal

    assert usd(nano(Decimal("1234567.123456789"))) == Decimal("1234567.123456789")
