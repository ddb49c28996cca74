"""What a warehouse would say of spending: rows of money by run, told as they were landed."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import date
from decimal import Decimal

from assay.inference.budgets.ledger import BudgetLease, nano
from assay.inference.budgets.worker_lease import WarehouseSpend, account_names
from assay.inference.request import RunFacts
from assay.records import BudgetEntry
from assay.records.statuses import BudgetEvent

ZERO = Decimal(0)


class Spendings:
    """Money landed by (run, task, month), and the entries that budgets landed."""

    def __init__(self) -> None:
        self.entries: list[BudgetEntry] = []
        self._paid: list[tuple[str, str, date, Decimal]] = []

    def pay(self, run_id: str, usd: str, *, task: str = "triage", month: date = date(2026, 11, 1)) -> None:
        """A call of the run has landed."""
        self._paid.append((run_id, task, month, Decimal(usd)))

    async def land(self, rows: Sequence[BudgetEntry]) -> None:
        """The rows are kept."""
        await asyncio.sleep(0)
        self.entries += rows

    def landed(self, facts: RunFacts, *, month: date) -> WarehouseSpend:
        """See `Spending.landed`."""
        this_month = [row for row in self._paid if row[2] == month]
        return WarehouseSpend(
            run_usd=self.of_run(facts.run_id, data_date=facts.data_date),
            task_usd=sum((usd for _, task, _, usd in this_month if task == facts.task), ZERO),
            month_usd=sum((usd for *_, usd in this_month), ZERO),
            leases=self._open_leases(),
        )

    def _open_leases(self) -> tuple[BudgetLease, ...]:
        """The leases that no entry has settled, as the landed entries tell of them."""
        settled = {row.lease_id for row in self.entries if row.event is BudgetEvent.SETTLE}
        names = dict.fromkeys(row.lease_id for row in self.entries if row.lease_id not in settled)
        return tuple(self._open_lease([row for row in self.entries if row.lease_id == name]) for name in names)

    def _open_lease(self, rows: Sequence[BudgetEntry]) -> BudgetLease:
        first = rows[0]
        return BudgetLease(
            lease_id=first.lease_id,
            run_id=first.run_id,
            task=first.task,
            data_date=first.data_date,
            accounts=account_names(first.run_id, first.task, month=first.month),
            run_landed=nano(self.of_run(first.run_id, data_date=first.data_date)),
            stands_in=True,
            amount=nano(sum((row.amount_usd for row in rows), ZERO)),
        )

    def of_run(self, run_id: str, *, data_date: date) -> Decimal:
        """See `Spending.of_run`."""
        return sum((usd for run, *_, usd in self._paid if run == run_id), ZERO)
