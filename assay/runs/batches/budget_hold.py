"""Money for batches: what one may cost at most is held under every cap from before it is sent until it is landed.

A batch outlives the process that sends it, so it has a lease of its own on the accounts that all runs share, named by
its chunk hash. Whoever lands the batch settles it by what its calls cost. While files are being filled, their money is
in an ordinary worker's lease, which comes back by itself when the process dies: nothing was sent yet. A ledger that has
lost its memory reads the table `batches`, whose open rows say what is out.
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
DESK_LEASE_SECONDS = 600.0
"""Longer than a file takes to send: the lease is not renewed meanwhile."""
REQUESTS_AHEAD = 10_000
"""Requests that the lease is to cover at least when it grows, where the caps have room."""


@dataclass
class BatchBudget:
    """The money of one run's batches in the hands of one process; without a cap there is room for everything."""

    runner: asyncio.Runner
    lease: WorkerLease | None
    _filling_usd: Decimal = ZERO

    def takes(self, estimate_usd: Decimal | None) -> bool:
        """True when the estimate fits under every cap; it is then reserved for a file that is being filled.

        Raises:
            Unreachable: the ledger or the warehouse does not answer; so do the other operations.
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
        """True when what the batch may cost is held until it is landed; its file's money is then free for others.

        False when this process was taken for dead, and others have the money now.
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
        """The batch holds nothing any more, and has cost so much."""
        if self.lease is not None:
            self.runner.run(self.lease.settle_apart(batch.chunk_hash, paid_usd))

    def hold_all(self, batches: Iterable[Batch]) -> None:
        """The batches that a provider works on hold their money, whatever the ledger knows of them.

        One that is finished may be settled already, and one that is only intended is held as it is sent.
        """
        if self.lease is not None:
            for batch in batches:
                if batch.state == BatchState.SUBMITTED:
                    self._hold(self.lease, batch)

    def close(self) -> None:
        """What no batch holds is free for others."""
        if self.lease is not None:
            self.runner.run(self.lease.close())

    def _hold(self, lease: WorkerLease, batch: Batch) -> None:
        estimate = batch.estimate_usd or ZERO
        self.runner.run(lease.hold_apart(batch.chunk_hash, estimate, month=_month(batch), lasts_s=BATCH_LEASE_SECONDS))


def open_batch_budget(context: StageContext, run: Run, runner: asyncio.Runner) -> BatchBudget:
    """The money of the run's batches, under the run's own caps.

    Raises:
        UsageError: there is a cap, and a model has no price.
        Unreachable: the ledger or the warehouse does not answer.
    """
    caps = caps_of(context.settings, run.task, budget_usd=run.options.budget_usd)
    if not caps.any:
        return BatchBudget(runner, None)
    refuse_unpriced(context, run.task)
    lease = WorkerLease(lease_parts(context, run, caps, ttl_s=DESK_LEASE_SECONDS))
    runner.run(lease.open())
    return BatchBudget(runner, lease)


def _month(batch: Batch) -> date:
    """The month whose caps the batch's calls count for: that in which it was sent, or is about to be."""
    return (batch.submitted_at or batch.occurred_at).astimezone(UTC).date().replace(day=1)
