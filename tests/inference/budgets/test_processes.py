"""Processes that share one ledger: together within the cap, whoever of them is killed."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import TextIO

import pytest

from assay.inference.budgets.ledger import Ledger
from assay.inference.budgets.redis_ledger import RedisLedger
from assay.inference.budgets.shared import LeaseTimes, SharedBudget, open_shared_budget
from assay.inference.budgets.sqlite_ledger import SqliteLedger
from assay.inference.budgets.worker_lease import Caps, LeaseDeps
from tests.fakes.spending import Spendings
from tests.inference.budgets.bank import facts, in_november, spend
from tests.paths import ROOT
from tests.redis_server import RedisServer, needs_redis, running_redis

pytestmark = pytest.mark.processes

TTL_S = 2.0
CAP, CENT, ZERO = Decimal("1.00"), Decimal("0.01"), Decimal(0)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RedisServer]:
    with running_redis(tmp_path) as running:
        yield running


@pytest.fixture(params=["sqlite", pytest.param("redis", marks=needs_redis)])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where the ledger is."""
    if request.param == "redis":
        url: str = request.getfixturevalue("server").url
        return url
    return str(tmp_path / "ledger.sqlite3")


def ledger_at(place: str) -> Ledger:
    if place.startswith("redis://"):
        return RedisLedger(place, namespace="test", ttl_s=TTL_S)
    return SqliteLedger(Path(place), ttl_s=TTL_S)


def worker(place: str, run_id: str, *, calls: int = 1000, out: int | TextIO = subprocess.PIPE) -> subprocess.Popen[str]:
    numbers = (CAP, CENT, CENT, calls, TTL_S)
    command = [sys.executable, "-m", "tests.inference.budgets.worker", place, run_id, *map(str, numbers)]
    return subprocess.Popen(command, cwd=ROOT, stdout=out, text=True)


def paid(process: subprocess.Popen[str]) -> int:
    """Calls that the process paid for, once it has ended."""
    out, _ = process.communicate(timeout=60)
    return out.count("paid")


def test_two_processes_spend_the_cap_together_and_not_a_cent_more(place: str) -> None:
    both = [worker(place, name) for name in ("r1", "r2")]

    assert sum(paid(process) for process in both) == 100


def test_a_killed_process_leaves_its_money_to_others_once_its_lease_expires(place: str, tmp_path: Path) -> None:
    told = tmp_path / "told"
    with told.open("w") as out:
        victim = worker(place, "dead", calls=20, out=out)
    wait_for(lambda: told.read_text().count("paid") == 20)
    victim.kill()
    victim.wait(timeout=20)

    assert asyncio.run(calls_after_the_death(place, 20)) in (79, 80)  # its last call may be taken as under way


async def calls_after_the_death(place: str, calls: int) -> int:
    """Calls that another run pays for, until the lease of the first has expired and been settled."""
    spendings = Spendings()
    spendings.pay("dead", str(calls * CENT))
    parts = LeaseDeps(
        facts=facts("r2"),
        caps=Caps(month_usd=CAP),
        ledger=ledger_at(place),
        ttl_s=TTL_S,
        spending=spendings,
        land=spendings.land,
        now=in_november,
    )
    budget = await open_shared_budget(parts, times=LeaseTimes(renew_s=TTL_S / 6, poll_s=0.05, patience_s=0.0))
    until, paid_for = time.monotonic() + 20, await until_refused(budget)
    while not any(entry.is_expired for entry in spendings.entries) and time.monotonic() < until:
        paid_for += await until_refused(budget)
    paid_for += await until_refused(budget)
    await budget.close()
    return paid_for


def wait_for(condition: Callable[[], bool]) -> None:
    until = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.005)


async def until_refused(budget: SharedBudget) -> int:
    calls = 0
    while await spend(budget, CENT, CENT):
        calls += 1
    await asyncio.sleep(0.06)
    return calls


@needs_redis
def test_a_redis_that_restarts_and_forgets_does_not_lend_twice(server: RedisServer) -> None:
    async def run() -> Decimal:
        spendings = Spendings()
        budgets = [
            await open_shared_budget(
                LeaseDeps(
                    facts=facts(name),
                    caps=Caps(month_usd=CAP),
                    ledger=ledger_at(server.url),
                    ttl_s=60.0,
                    spending=spendings,
                    land=spendings.land,
                    now=in_november,
                ),
                times=LeaseTimes(renew_s=30.0, poll_s=0.05, patience_s=1.0, unreachable_s=30.0),
            )
            for name in ("r1", "r2")
        ]
        for budget, name in zip(budgets, ("r1", "r2"), strict=True):
            for _ in range(10):
                assert await spend(budget, CENT, CENT)
                spendings.pay(name, "0.01")
        server.stop()
        restarted = asyncio.get_running_loop().call_later(0.3, server.start)
        await asyncio.gather(*(until_refused(budget) for budget in budgets))
        restarted.cancel()
        for budget in budgets:
            await budget.close()
        return sum((budget.spent_usd for budget in budgets), ZERO)

    total = asyncio.run(run())
    assert CAP - 2 * CENT <= total <= CAP
