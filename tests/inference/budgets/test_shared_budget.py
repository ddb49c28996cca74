"""Caps of a run, a task and a month, shared by runs and workers: what each may spend, and what becomes of the rest."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any

import pytest

from assay.errors import ServiceUnreachable, UsageError
from assay.inference.budgets.ledger import BudgetLease, Extension, Ledger
from assay.inference.budgets.shared import LeaseTimes, SharedBudget
from assay.inference.budgets.worker_lease import Caps
from assay.records import BudgetEntry
from tests.inference.budgets.bank import TIMES, TTL_S, Bank, spend
from tests.inference.budgets.test_run_budget import at_once

QUICK = LeaseTimes(renew_s=0.5, ahead_s=0.5, poll_s=0.02, patience_s=20.0)
CENT, DIME, DOLLAR, ZERO = Decimal("0.01"), Decimal("0.10"), Decimal("1.00"), Decimal(0)


@pytest.fixture
def bank(tmp_path: Path) -> Bank:
    return Bank(tmp_path)


def run(work: Awaitable[Any]) -> Any:
    async def awaited() -> Any:
        return await work

    return asyncio.run(awaited())


async def spent_until_refused(budget: SharedBudget, estimate: Decimal, actual: Decimal) -> int:
    calls = 0
    while await spend(budget, estimate, actual):
        calls += 1
    return calls


def test_a_cap_is_spent_to_the_cent_and_not_passed(bank: Bank) -> None:
    async def work() -> tuple[int, Decimal]:
        budget = await bank.budget(Caps(run_usd=DOLLAR))
        return await spent_until_refused(budget, CENT, CENT), budget.spent_usd

    assert run(work()) == (100, DOLLAR)


def test_a_call_within_the_lease_does_not_suspend(bank: Bank) -> None:
    async def work() -> None:
        budget = await bank.budget(Caps(run_usd=DOLLAR))
        assert await budget.reserve(CENT)
        for _ in range(10):
            assert at_once(budget.reserve(CENT))
        await budget.close()

    run(work())


def test_the_estimate_is_held_until_it_is_settled(bank: Bank) -> None:
    async def work() -> tuple[Decimal, Decimal, Decimal]:
        budget = await bank.budget(Caps(run_usd=DOLLAR))
        await budget.reserve(DIME)
        held = budget.held_usd
        budget.settle(DIME, CENT)
        return held, budget.held_usd, budget.spent_usd

    assert run(work()) == (DIME, ZERO, CENT)


@pytest.mark.parametrize(
    "caps",
    [Caps(task_usd=DOLLAR), Caps(month_usd=DOLLAR), Caps(run_usd=Decimal(50), task_usd=DOLLAR, month_usd=Decimal(9))],
)
def test_two_runs_together_do_not_pass_a_cap_they_share(bank: Bank, caps: Caps) -> None:
    async def work() -> Decimal:
        budgets = [await bank.budget(caps, run_id=name) for name in ("r1", "r2")]
        await asyncio.gather(*(spent_until_refused(budget, DIME, Decimal("0.07")) for budget in budgets))
        return sum((budget.spent_usd for budget in budgets), ZERO)

    total = run(work())
    assert DOLLAR - DIME < total <= DOLLAR


def test_two_workers_of_one_run_share_its_cap(bank: Bank) -> None:
    async def work() -> list[int]:
        budgets = [await bank.budget(Caps(run_usd=DOLLAR)) for _ in range(2)]
        calls, going_on = [0, 0], [0, 1]
        while going_on:
            for worker in list(going_on):
                if await spend(budgets[worker], CENT, CENT):
                    calls[worker] += 1
                else:
                    going_on.remove(worker)
        return calls

    calls = run(work())
    assert sum(calls) == 100
    assert min(calls) > 20


def test_runs_of_two_tasks_have_a_cap_of_their_own_and_one_in_common(bank: Bank) -> None:
    async def work() -> list[Decimal]:
        caps = Caps(task_usd=DOLLAR, month_usd=Decimal("1.50"))
        first = await bank.budget(caps, run_id="r1", task="triage")
        await spent_until_refused(first, DIME, DIME)
        await first.close()
        second = await bank.budget(caps, run_id="r2", task="extract")
        await spent_until_refused(second, DIME, DIME)
        return [first.spent_usd, second.spent_usd]

    assert run(work()) == [DOLLAR, Decimal("0.50")]


def test_what_the_month_has_spent_before_counts(bank: Bank) -> None:
    bank.spendings.pay("earlier", "0.90")

    async def work() -> tuple[int, Decimal | None]:
        budget = await bank.budget(Caps(task_usd=DOLLAR))
        return await spent_until_refused(budget, CENT, CENT), budget.cap_usd

    assert run(work()) == (10, DIME)


def test_what_a_resumed_run_has_spent_before_counts(bank: Bank) -> None:
    bank.spendings.pay("r1", "0.90", month=date(2026, 10, 1))

    async def work() -> tuple[int, Decimal, Decimal | None]:
        budget = await bank.budget(Caps(run_usd=DOLLAR, month_usd=DOLLAR))
        return await spent_until_refused(budget, CENT, CENT), budget.spent_usd, budget.cap_usd

    assert run(work()) == (10, DOLLAR, DOLLAR)


def test_a_lease_given_back_is_free_for_others(bank: Bank) -> None:
    async def work() -> int:
        first = await bank.budget(Caps(month_usd=DOLLAR), run_id="r1")
        await spend(first, DIME, CENT)
        await first.close()
        second = await bank.budget(Caps(month_usd=DOLLAR), run_id="r2")
        return await spent_until_refused(second, CENT, CENT)

    assert run(work()) == 99


def test_a_worker_at_the_cap_waits_a_while_for_money_that_another_gives_back(bank: Bank) -> None:
    async def work() -> bool:
        first = await bank.budget(Caps(month_usd=DOLLAR), run_id="r1")
        await first.reserve(DOLLAR)
        second = await bank.budget(
            Caps(month_usd=DOLLAR), run_id="r2", times=LeaseTimes(renew_s=1e9, poll_s=1.0, patience_s=1e9)
        )
        waiting = asyncio.create_task(second.reserve(DIME))
        while bank.clock.seconds < 3:
            await asyncio.sleep(0.001)
        first.settle(DOLLAR, CENT)
        await first.close()
        return await waiting

    assert run(work())


def test_a_worker_at_the_cap_does_not_wait_for_ever_for_money_that_another_keeps(bank: Bank) -> None:
    async def work() -> bool:
        first = await bank.budget(Caps(month_usd=DOLLAR), run_id="r1")
        await first.reserve(DOLLAR)
        second = await bank.budget(Caps(month_usd=DOLLAR), run_id="r2")
        return await second.reserve(DIME)

    assert not run(work())


@pytest.mark.parametrize(("workers", "records", "worst"), [(1, 100, 19), (2, 50, 19), (3, 60, 34)])
def test_a_cap_of_one_fifth_more_than_the_cost_completes_the_runs_and_is_not_passed(
    tmp_path: Path, workers: int, records: int, worst: int
) -> None:
    """The fifth that is left is at least one call's worst case, `worst` times what a call costs on average."""
    bank, rng = Bank(tmp_path), Random(11)
    costs = [[Decimal(rng.randrange(2, 19)) / 1000 for _ in range(records)] for _ in range(workers)]
    total = sum(map(sum, costs), ZERO)
    cap, estimate = total * 6 / 5, total / (workers * records) * worst
    assert max(map(max, costs)) <= estimate <= cap - total

    async def run_of(name: str, costs: list[Decimal]) -> tuple[int, Decimal]:
        budget = await bank.budget(Caps(month_usd=cap), run_id=name, times=QUICK)
        bank.clock.sleep = asyncio.sleep  # type: ignore[method-assign]
        waiting, done = list(costs), 0

        async def lane() -> None:
            nonlocal done
            while waiting:
                cost = waiting.pop()
                if await budget.reserve(estimate):
                    await asyncio.sleep(rng.random() / 50)
                    budget.settle(estimate, cost)
                    done += 1

        await asyncio.gather(*(lane() for _ in range(32)))
        spent = budget.spent_usd
        await budget.close()
        return done, spent

    async def work() -> list[tuple[int, Decimal]]:
        return await asyncio.gather(*(run_of(f"r{number}", each) for number, each in enumerate(costs)))

    found = run(work())
    assert [done for done, _ in found] == [records] * workers
    assert sum((spent for _, spent in found), ZERO) == total


def test_a_refused_call_is_refused_again_without_asking_the_ledger(bank: Bank) -> None:
    asked: list[str] = []

    async def work() -> None:
        budget = await bank.budget(Caps(run_usd=ZERO), ledger=lambda: Counting(bank.ledger(), asked))
        assert not await budget.reserve(CENT)
        before = len(asked)
        assert not any([await budget.reserve(CENT) for _ in range(50)])
        assert len(asked) == before

    run(work())


def test_what_is_free_of_charge_passes_a_cap_of_nothing(bank: Bank) -> None:
    async def work() -> bool:
        return await (await bank.budget(Caps(run_usd=ZERO))).reserve(ZERO)

    assert run(work())


def test_a_lease_grows_with_the_spending_so_that_a_thousand_calls_cost_few_asks(bank: Bank) -> None:
    asked: list[str] = []

    async def work() -> None:
        budget = await bank.budget(Caps(run_usd=Decimal(1000)), ledger=lambda: Counting(bank.ledger(), asked))
        for _ in range(1000):
            assert await spend(budget, CENT, CENT)
            bank.clock.seconds += 0.001
            await asyncio.sleep(0)
        await budget.close()

    run(work())
    assert len(asked) < 60


def test_a_dead_worker_is_settled_at_what_it_landed_once_its_lease_expires(bank: Bank) -> None:
    async def work() -> tuple[int, int]:
        dead = await bank.budget(Caps(month_usd=DOLLAR), run_id="dead")
        for _ in range(30):
            await spend(dead, CENT, CENT)
        bank.spendings.pay("dead", "0.30")
        other = await bank.budget(Caps(month_usd=DOLLAR), run_id="r2")
        before = await spent_until_refused(other, CENT, CENT)
        bank.clock.seconds += TTL_S + 1
        return before, await spent_until_refused(other, CENT, CENT)

    before, after = run(work())
    assert 0 < before < 70
    assert before + after == 70


def test_calls_of_a_dead_worker_that_were_under_way_are_taken_as_paid(bank: Bank) -> None:
    async def work() -> tuple[int, BudgetEntry]:
        dead = await bank.budget(Caps(month_usd=DOLLAR), run_id="dead")
        await spend(dead, CENT, CENT)
        await dead.reserve(DIME)
        await dead._lease.renew(ZERO)
        bank.spendings.pay("dead", "0.01")
        bank.clock.seconds += TTL_S + 1
        other = await bank.budget(Caps(month_usd=DOLLAR), run_id="r2")
        settled = [row for row in bank.spendings.entries if row.event == "settle"]
        return await spent_until_refused(other, CENT, CENT), settled[0]

    calls, entry = run(work())
    assert calls == 89
    assert (entry.run_id, entry.lease_id, entry.amount_usd, entry.is_expired) == (
        "dead",
        "lease-1",
        Decimal("0.11"),
        True,
    )


def test_a_worker_that_was_cut_off_does_not_spend_after_its_lease_ran_out(bank: Bank) -> None:
    async def work() -> tuple[bool, bool]:
        budget = await bank.budget(Caps(run_usd=DOLLAR), ledger=lambda: Cut(bank.ledger(), after=3))
        first = await spend(budget, CENT, CENT)
        bank.clock.seconds += TTL_S + 1
        with pytest.raises(ServiceUnreachable):
            await budget.reserve(CENT)
        return first, True

    assert run(work()) == (True, True)


def test_a_ledger_away_for_a_moment_stops_nobody(bank: Bank) -> None:
    async def work() -> bool:
        budget = await bank.budget(
            Caps(run_usd=DOLLAR),
            ledger=lambda: Cut(bank.ledger(), after=1, failures=3),
            times=LeaseTimes(renew_s=1e9, poll_s=1.0, unreachable_s=10.0),
        )
        return await spend(budget, CENT, CENT)

    assert run(work())


def test_a_ledger_that_lost_its_memory_is_opened_again_and_the_cap_still_holds(bank: Bank) -> None:
    async def work() -> Decimal:
        budgets = [await bank.budget(Caps(month_usd=DOLLAR), run_id=name) for name in ("r1", "r2")]
        for budget in budgets:
            for _ in range(20):
                assert await spend(budget, CENT, CENT)
                bank.spendings.pay(budget._lease.parts.facts.run_id, "0.01")
        bank.path.unlink()
        for suffix in ("-wal", "-shm"):
            bank.path.with_name(bank.path.name + suffix).unlink(missing_ok=True)
        await asyncio.gather(*(spent_until_refused(budget, CENT, CENT) for budget in budgets))
        return sum((budget.spent_usd for budget in budgets), ZERO)

    assert run(work()) == DOLLAR


def test_each_growth_and_the_end_of_a_lease_is_a_row_and_no_call_is(bank: Bank) -> None:
    async def work() -> None:
        budget = await bank.budget(Caps(run_usd=Decimal(100), task_usd=Decimal(200)))
        for _ in range(40):
            await spend(budget, CENT, CENT)
        await budget.close()

    run(work())
    first, *_, last = bank.spendings.entries
    assert (first.event, first.sequence, first.run_cap_usd, first.task_cap_usd, first.month_cap_usd) == (
        "reserve",
        1,
        Decimal(100),
        Decimal(200),
        None,
    )
    assert (last.event, last.sequence, last.amount_usd, last.is_expired) == ("settle", 0, Decimal("0.40"), False)
    assert (last.month, last.run_id, last.data_date) == (date(2026, 11, 1), "r1", date(2026, 11, 23))
    assert len(bank.spendings.entries) < 6


def test_near_the_cap_the_rows_stay_few(bank: Bank) -> None:
    async def work() -> None:
        budget = await bank.budget(Caps(run_usd=Decimal(10)))
        assert await spent_until_refused(budget, CENT, CENT) == 1000
        await budget.close()

    run(work())
    assert len(bank.spendings.entries) < 50


def test_a_new_month_has_its_own_cap(bank: Bank) -> None:
    async def work() -> tuple[int, int]:
        budget = await bank.budget(Caps(month_usd=DOLLAR))
        november = await spent_until_refused(budget, CENT, CENT)
        bank.today = datetime(2026, 12, 1, 0, 0, 1, tzinfo=UTC)
        bank.clock.seconds += 1
        return november, await spent_until_refused(budget, CENT, CENT)

    assert run(work()) == (100, 100)
    settled = [(row.month, row.amount_usd) for row in bank.spendings.entries if row.event == "settle"]
    assert settled == [(date(2026, 11, 1), DOLLAR)]


def test_the_month_is_that_of_utc(bank: Bank) -> None:
    bank.today = datetime.fromisoformat("2026-12-01T00:30:00+01:00")

    async def work() -> None:
        await spend(await bank.budget(Caps(month_usd=DOLLAR)), CENT, CENT)

    run(work())
    assert bank.spendings.entries[0].month == date(2026, 11, 1)


def test_an_idle_worker_gives_back_what_it_does_not_need(bank: Bank) -> None:
    async def work() -> int:
        idle = await bank.budget(Caps(month_usd=DOLLAR), run_id="r1")
        await spend(idle, CENT, CENT)
        await idle._lease.renew(ZERO)
        other = await bank.budget(Caps(month_usd=DOLLAR), run_id="r2")
        return await spent_until_refused(other, CENT, CENT)

    assert run(work()) == 99


def test_a_lease_is_renewed_while_the_run_goes_on(bank: Bank) -> None:
    async def work() -> bool:
        times = LeaseTimes(renew_s=TTL_S / 6, poll_s=TIMES.poll_s)
        budget = await bank.budget(Caps(run_usd=DOLLAR), times=times)
        await spend(budget, CENT, CENT)
        while bank.clock.seconds < 3 * TTL_S:
            await asyncio.sleep(0.001)
        still_good = budget._lease.good_until > bank.clock.seconds
        await budget.close()
        return still_good

    assert run(work())


def test_a_warehouse_that_refuses_the_entries_stops_the_run(bank: Bank) -> None:
    async def refuse(rows: Any) -> None:
        raise UsageError("no such column")

    async def work() -> None:
        budget = await bank.budget(Caps(run_usd=DOLLAR))
        object.__setattr__(budget._lease.parts, "land", refuse)
        await budget.reserve(CENT)

    with pytest.raises(UsageError, match="no such column"):
        run(work())


def test_closing_while_the_ledger_is_away_is_no_error(bank: Bank) -> None:
    async def work() -> None:
        budget = await bank.budget(Caps(run_usd=DOLLAR), ledger=lambda: Cut(bank.ledger(), after=3))
        await spend(budget, CENT, CENT)
        await budget.close()

    run(work())


class Counting:
    """A ledger that notes each operation."""

    def __init__(self, ledger: Ledger, asked: list[str]) -> None:
        self._ledger = ledger
        self._asked = asked

    async def open(self, landed: Mapping[str, int], leases: Sequence[BudgetLease]) -> None:
        self._asked.append("open")
        await self._ledger.open(landed, leases)

    async def extend(self, lease: BudgetLease, *, caps: Mapping[str, int], least: int, wanted: int) -> Extension | None:
        self._asked.append("extend")
        return await self._ledger.extend(lease, caps=caps, least=least, wanted=wanted)

    async def settle(self, lease_id: str, spent: int) -> bool:
        self._asked.append("settle")
        return await self._ledger.settle(lease_id, spent)

    async def close(self) -> None:
        await self._ledger.close()


class Cut:
    """A ledger whose line is cut after so many extensions (a grant takes two), for so many operations."""

    def __init__(self, ledger: Ledger, *, after: int, failures: int = 10**9) -> None:
        self._ledger = ledger
        self._after = after
        self._failures = failures

    async def open(self, landed: Mapping[str, int], leases: Sequence[BudgetLease]) -> None:
        await self._ledger.open(landed, leases)

    async def close(self) -> None:
        await self._ledger.close()

    async def extend(self, lease: BudgetLease, *, caps: Mapping[str, int], least: int, wanted: int) -> Extension | None:
        self._refuse()
        return await self._ledger.extend(lease, caps=caps, least=least, wanted=wanted)

    async def settle(self, lease_id: str, spent: int) -> bool:
        self._refuse()
        return await self._ledger.settle(lease_id, spent)

    def _refuse(self) -> None:
        self._after -= 1
        if self._after < 0 and self._failures > 0:
            self._failures -= 1
            raise ServiceUnreachable("the ledger does not respond")
