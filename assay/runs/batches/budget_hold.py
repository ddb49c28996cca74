"""Budget of batches: a batch's maximum cost is reserved under every cap until it has landed.

A batch outlives the process that sends it, so it has its own lease on the accounts that all runs share, named after its
chunk hash. The process that lands the batch settles the lease with the cost of its calls. While a file is being filled,
its budget is in an ordinary worker's lease, which may expire if the process dies: nothing was sent yet. A ledger that
lost its state reads the table `batches`, whose open rows list the reserved amounts.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date
from decimal import Decimal

from assay.inference.budgets.worker_lease import WorkerLease
from assay.project import StageContext
from assay.records import Batch
from assay.records.statuses import BatchState
from assay.runs.requests.budget import BATCH_LEASE_SECONDS, caps_of, lease_parts, refuse_unpriced
from assay.runs.run import Run

ZERO = Decimal(0)
SESSION_LEASE_SECONDS = 600.0
"""Longer than sending a file takes, because the lease is not renewed meanwhile."""
REQUESTS_AHEAD = 10_000
"""Minimum number of requests that the lease covers when it grows, as far as the caps allow."""


@dataclass
class BatchBudget:
    """The budget of one run's batches in one process; without a cap, every batch is allowed."""

    runner: asyncio.Runner
    lease: WorkerLease | None
    _filling_usd: Decimal = ZERO

    def takes(self, estimate_usd: Decimal | None) -> bool:
        """Reserves the estimate for the file that is being filled; returns False if it does not fit under every cap.

        Raises:
            ServiceUnreachable: the ledger or the warehouse does not respond; so do the other operations.
        """
        if self.lease is None:
            return True
        if estimate_usd is None:
            return False
        missing = self._filling_usd + estimate_usd - self.lease.free_usd
        if missing > 0:
            ahead = max(missing, REQUESTS_AHEAD * estimate_usd)
            self.runner.run(self.lease.grow(missing, wanted_usd=ahead))
        if self._filling_usd + estimate_usd > self.lease.free_usd:
            return False
        self._filling_usd += estimate_usd
        return True

    def pledge(self, batch: Batch) -> bool:
        """Reserves the maximum cost of the batch until it is landed, and releases the budget of its file.

        Returns False if this process's lease has expired and other processes hold the budget.
        """
        if self.lease is None:
            return True
        estimate, missing = batch.estimate_usd or ZERO, max(ZERO, self._filling_usd - self.lease.free_usd)
        self.runner.run(self.lease.grow(missing, wanted_usd=missing))
        self._filling_usd -= estimate
        if estimate > self.lease.free_usd:
            return False
        self._hold(self.lease, batch)
        self.runner.run(self.lease.give_back(estimate))
        return True

    def settle(self, batch: Batch, paid_usd: Decimal) -> None:
        """Settles the batch with its cost, and releases the rest of its budget."""
        if self.lease is not None:
            self.runner.run(self.lease.settle_separately(batch.chunk_hash, paid_usd))

    def hold_all(self, batches: Iterable[Batch]) -> None:
        """Reserves the budget of the batches that a provider is processing, regardless of the ledger's state.

        A finished batch may be settled already, and an intended batch is reserved when it is sent.
        """
        if self.lease is not None:
            for batch in batches:
                if batch.state == BatchState.SUBMITTED:
                    self._hold(self.lease, batch)

    def close(self) -> None:
        """Releases budget that no batch reserves."""
        if self.lease is not None:
            self.runner.run(self.lease.close())

    def _hold(self, lease: WorkerLease, batch: Batch) -> None:
        estimate = batch.estimate_usd or ZERO
        self.runner.run(
            lease.hold_separately(batch.chunk_hash, estimate, month=_month(batch), lasts_s=BATCH_LEASE_SECONDS)
        )


def open_batch_budget(context: StageContext, run: Run, runner: asyncio.Runner) -> BatchBudget:
    """Opens the budget of the run's batches, under the run's own caps.

    Raises:
        UsageError: a cap is set, but a model has no price.
        ServiceUnreachable: the ledger or the warehouse does not respond.
    """
    caps = caps_of(context.settings, run.task, budget_usd=run.options.budget_usd)
    if not caps.any:
        return BatchBudget(runner, None)
    refuse_unpriced(context, run.task)
    lease = WorkerLease(lease_parts(context, run, caps, ttl_s=SESSION_LEASE_SECONDS))
    runner.run(lease.open())
    return BatchBudget(runner, lease)


def _month(batch: Batch) -> date:
    """Returns the month whose caps apply to the batch's calls: the month in which it was sent, or is about to be."""
    return (batch.submitted_at or batch.occurred_at).astimezone(UTC).date().replace(day=1)
