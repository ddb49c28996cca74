"""A shared budget over a real ledger, with what the warehouse would say of spending."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from itertools import count
from pathlib import Path

from assay.inference.budgets.ledger import Ledger
from assay.inference.budgets.shared import LeaseTimes, SharedBudget, open_shared_budget
from assay.inference.budgets.sqlite_ledger import SqliteLedger
from assay.inference.budgets.worker_lease import Caps, LeaseDeps
from assay.inference.request import RunFacts
from tests.fakes.clock import Clock
from tests.fakes.spending import Spendings

TTL_S = 60.0
NOVEMBER = datetime(2026, 11, 23, 12, tzinfo=UTC)
TIMES = LeaseTimes(renew_s=1e9, poll_s=0.01, patience_s=0.05, unreachable_s=0.05)
"""Never renewed by itself, and quick to give up: tests renew when they want to."""


def in_november() -> datetime:
    """The time by which processes book: the month of `facts` and of what `Spendings` are paid."""
    return NOVEMBER


def facts(run_id: str = "r1", *, task: str = "triage") -> RunFacts:
    return RunFacts(
        run_id=run_id,
        task=task,
        data_date=date(2026, 11, 23),
        variant="default",
        stage="shadow",
        inference_version="v",
        masking_version="m",
    )


class Bank:
    """One ledger, one warehouse, one clock; budgets of several workers on them."""

    def __init__(self, folder: Path) -> None:
        self.clock = Clock()
        self.path = folder / "ledger.sqlite3"
        self.spendings = Spendings()
        self.today = NOVEMBER
        self._names = count(1)

    def ledger(self) -> Ledger:
        """The ledger as one worker sees it."""
        return SqliteLedger(self.path, ttl_s=TTL_S, clock=self.clock.time)

    async def budget(
        self,
        caps: Caps,
        *,
        run_id: str = "r1",
        task: str = "triage",
        times: LeaseTimes = TIMES,
        ledger: Callable[[], Ledger] | None = None,
    ) -> SharedBudget:
        """A worker's budget, open."""
        parts = LeaseDeps(
            facts=facts(run_id, task=task),
            caps=caps,
            ledger=(ledger or self.ledger)(),
            ttl_s=TTL_S,
            spending=self.spendings,
            land=self.spendings.land,
            clock=self.clock.time,
            now=lambda: self.today,
            new_id=lambda: f"lease-{next(self._names)}",
        )
        return await open_shared_budget(parts, times=times, sleep=self.sleep)

    async def sleep(self, seconds: float) -> None:
        """Time passes for those who wait a moment; who sleeps until the next renewal sleeps for ever."""
        if seconds >= TIMES.renew_s:
            await _never()
        await self.clock.sleep(seconds)


async def _never() -> None:
    import asyncio

    await asyncio.Event().wait()


async def spend(budget: SharedBudget, estimate: Decimal, actual: Decimal) -> bool:
    """One call: False when the budget refused it."""
    if not await budget.reserve(estimate):
        return False
    budget.settle(estimate, actual)
    return True
