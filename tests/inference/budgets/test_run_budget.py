"""The cap of one run in one process: what fits, what waits, what is refused."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from decimal import Decimal
from typing import Any

from assay.inference.budgets.run_budget import RunBudget

ZERO, DIME, DOLLAR = Decimal(0), Decimal("0.10"), Decimal("1.00")


def at_once(work: Coroutine[Any, Any, bool]) -> bool:
    """The result of work that never suspends; a coroutine that does is an error."""
    try:
        work.send(None)
    except StopIteration as ended:
        return bool(ended.value)
    raise AssertionError("it was suspended")


def test_what_fits_is_held_without_a_turn_of_the_loop() -> None:
    budget = RunBudget(DOLLAR)

    assert at_once(budget.reserve(DIME))
    assert (budget.held_usd, budget.spent_usd, budget.cap_usd) == (DIME, ZERO, DOLLAR)


def test_what_was_settled_is_spent_and_no_longer_held() -> None:
    budget = RunBudget(DOLLAR)
    at_once(budget.reserve(DIME))
    budget.settle(DIME, Decimal("0.03"))

    assert (budget.held_usd, budget.spent_usd) == (ZERO, Decimal("0.03"))


def test_what_cannot_fit_any_more_is_refused_at_once() -> None:
    budget = RunBudget(DOLLAR, spent_usd=Decimal("0.95"))

    assert not asyncio.run(budget.reserve(DIME))


def test_a_cap_may_be_reached_to_the_cent() -> None:
    assert at_once(RunBudget(DOLLAR, spent_usd=Decimal("0.90")).reserve(DIME))


def test_a_run_without_a_cap_counts_what_it_spends() -> None:
    budget = RunBudget(None)
    assert at_once(budget.reserve(Decimal(10**9)))
    budget.settle(Decimal(10**9), DOLLAR)

    assert (budget.spent_usd, budget.held_usd, budget.cap_usd) == (DOLLAR, ZERO, None)


def test_a_call_waits_while_one_under_way_may_turn_out_cheaper() -> None:
    async def run() -> tuple[bool, bool]:
        budget = RunBudget(DOLLAR)
        await budget.reserve(DOLLAR)
        waiting = asyncio.create_task(budget.reserve(DIME))
        await asyncio.sleep(0)
        was_done = waiting.done()
        budget.settle(DOLLAR, Decimal("0.90"))
        return was_done, await waiting

    assert asyncio.run(run()) == (False, True)


def test_a_call_that_waits_is_refused_once_the_money_is_gone() -> None:
    async def run() -> bool:
        budget = RunBudget(DOLLAR)
        await budget.reserve(DOLLAR)
        waiting = asyncio.create_task(budget.reserve(DIME))
        await asyncio.sleep(0)
        budget.settle(DOLLAR, DOLLAR)
        return await waiting

    assert not asyncio.run(run())


def test_estimates_far_above_the_truth_do_not_end_a_run_early() -> None:
    async def call(budget: RunBudget) -> bool:
        if not await budget.reserve(DOLLAR / 2):
            return False
        await asyncio.sleep(0)
        budget.settle(DOLLAR / 2, Decimal("0.01"))
        return True

    async def run() -> list[bool]:
        budget = RunBudget(DOLLAR)
        return await asyncio.gather(*(call(budget) for _ in range(60)))

    # The 51st call would end at 0.50 + 0.50 = the cap; the 52nd could not be sure to.
    assert sum(asyncio.run(run())) == 51


def test_a_small_call_does_not_overtake_a_large_one_that_waits() -> None:
    async def run() -> list[str]:
        budget, order = RunBudget(DOLLAR), []
        await budget.reserve(Decimal("0.60"))

        async def call(name: str, usd: str) -> None:
            await budget.reserve(Decimal(usd))
            order.append(name)

        large = asyncio.create_task(call("large", "0.70"))
        await asyncio.sleep(0)
        small = asyncio.create_task(call("small", "0.20"))
        await asyncio.sleep(0)
        budget.settle(Decimal("0.60"), Decimal("0.01"))
        await asyncio.gather(large, small)
        return order

    assert asyncio.run(run()) == ["large", "small"]


def test_a_call_cancelled_while_it_waits_leaves_its_turn_to_the_next() -> None:
    async def run() -> bool:
        budget = RunBudget(DOLLAR)
        await budget.reserve(DOLLAR)
        first, second = (asyncio.create_task(budget.reserve(DIME)) for _ in range(2))
        await asyncio.sleep(0)
        first.cancel()
        budget.settle(DOLLAR, DIME)
        return await second

    assert asyncio.run(run())
