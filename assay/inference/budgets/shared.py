"""Budget shared by runs and workers: calls are charged to the worker's lease, which is extended before it is used up.

The lease's operations on the ledger are in `worker_lease.py`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from decimal import Decimal

from assay.errors import AssayError, ServiceUnreachable
from assay.inference.budgets.ledger import Extension, usd
from assay.inference.budgets.worker_lease import LeaseDeps, WorkerLease
from assay.inference.cancelling import cancel_and_wait

ZERO = Decimal(0)
CALLS_AHEAD = 32
"""Minimum number of calls that a lease covers, if the caps permit."""
CALLS_WORTH_A_ROW = 4
"""Before it is used up, a lease grows by at least this number of calls or not at all.

This avoids one row in the warehouse per call close to the cap.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaseTimes:
    """Intervals of a lease, in seconds: it is renewed every `renew_s` and covers `ahead_s` of calls.

    At the cap, a worker retries every `poll_s`; if only other workers hold the amount that it needs, it gives up once none
    of them has spent or returned anything for `patience_s`. The run stops if the ledger does not respond for
    `unreachable_s`.
    """

    renew_s: float = 10.0
    ahead_s: float = 10.0
    poll_s: float = 0.5
    patience_s: float = 600.0
    unreachable_s: float = 30.0


class SharedBudget:
    """See `Budget`; created by `open_shared_budget`. Does not suspend while the lease covers the calls."""

    def __init__(
        self, lease: WorkerLease, *, times: LeaseTimes, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    ) -> None:
        self._lease = lease
        self._times = times
        self._sleep = sleep
        self._clock = lease.parts.clock
        self._turn = asyncio.Lock()
        self._settled = asyncio.Event()
        self._taken_usd = ZERO
        self._taken_since = self._moved_at = self._clock()
        self._others = (0, 0)
        self._quiet_until = self._denied_until = self._clock()
        self._low_usd = ZERO
        self._failure: AssayError | None = None
        self._topping_up: asyncio.Task[None] | None = None
        self._renewing: asyncio.Task[None] | None = None

    @property
    def cap_usd(self) -> Decimal | None:
        """See `Budget.cap_usd`."""
        return self._lease.cap_usd

    @property
    def spent_usd(self) -> Decimal:
        """See `Budget.spent_usd`."""
        return self._lease.run_spent_usd

    @property
    def held_usd(self) -> Decimal:
        """See `Budget.held_usd`."""
        return self._lease.held_usd

    def start(self) -> None:
        """Starts a background task that renews the lease until the budget is closed."""
        self._renewing = asyncio.create_task(self._keep_renewing())

    async def reserve(self, estimate_usd: Decimal) -> bool:
        """See `Budget.reserve`; waiting calls are served in the order in which they arrived."""
        if not self._turn.locked() and self._lease.fits(estimate_usd):
            self._take(estimate_usd)
            if self._lease.free_usd < self._low_usd and self._topping_up is None:
                self._top_up(estimate_usd)
            return True
        async with self._turn:
            return await self._reserve_in_turn(estimate_usd)

    def settle(self, estimate_usd: Decimal, actual_usd: Decimal) -> None:
        """See `Budget.settle`."""
        self._lease.settle(estimate_usd, actual_usd)
        self._settled.set()

    async def close(self) -> None:
        """See `Budget.close`; if the ledger is unavailable, the lease expires and is settled from the landed rows."""
        await cancel_and_wait(self._renewing, self._topping_up)
        try:
            await self._lease.close()
        except ServiceUnreachable:
            return

    async def _reserve_in_turn(self, estimate_usd: Decimal) -> bool:
        while not self._lease.fits(estimate_usd):
            if self._failure is not None:
                raise self._failure
            if self._clock() < self._denied_until and not self._lease.held_usd:
                return False
            found = await self._requested(estimate_usd)
            if self._lease.fits(estimate_usd):
                break
            if not await self._may_come_free(estimate_usd, found):
                self._denied_until = self._clock() + self._times.poll_s
                return False
        self._take(estimate_usd)
        return True

    async def _requested(self, estimate_usd: Decimal) -> Extension:
        """Extends the lease to cover the estimate; waits up to `unreachable_s` for a ledger that does not respond."""
        gives_up_at = self._clock() + self._times.unreachable_s
        while True:
            least = max(ZERO, estimate_usd - self._lease.free_usd)
            try:
                return await self._grown(least, max(least, self._ahead(estimate_usd)))
            except ServiceUnreachable:
                if self._clock() >= gives_up_at:
                    raise
                await self._sleep(self._times.poll_s)

    async def _may_come_free(self, estimate_usd: Decimal, found: Extension) -> bool:
        """Waits for an amount that other calls or workers may return; True if the ledger should be queried again."""
        if usd(found.attainable) < estimate_usd:
            return False
        if found.expired:  # the expired leases are settled by now
            return True
        if self._lease.held_usd:
            self._settled.clear()
            await self._settled_within(self._times.poll_s)
            return True
        if self._lease.free_usd > 0:
            # Too little for a call of this worker, but perhaps enough together with the amount that another one holds.
            with suppress(ServiceUnreachable):  # the next reservation raises it
                await self._lease.renew(ZERO)
            return True
        if not found.lent or self._clock() - self._moved_at > self._times.patience_s:
            return False
        await self._sleep(self._times.poll_s)
        return True

    async def _settled_within(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._settled.wait()
        except TimeoutError:
            return

    async def _grown(self, least_usd: Decimal, wanted_usd: Decimal) -> Extension:
        found = await self._lease.grow(least_usd, wanted_usd=wanted_usd)
        now = self._clock()
        if found.granted or (found.attainable, found.lent) != self._others:
            self._moved_at = now
        self._others = (found.attainable, found.lent)
        if not found.granted:
            self._quiet_until = now + self._times.poll_s
        self._low_usd = self._lease.free_usd / 2
        return found

    def _ahead(self, estimate_usd: Decimal) -> Decimal:
        """The amount to extend by: the cost of a minimum number of calls, or of `ahead_s` at the current rate."""
        elapsed = max(self._clock() - self._taken_since, self._times.poll_s)
        a_while = self._taken_usd * Decimal(self._times.ahead_s / elapsed)
        return max(estimate_usd * CALLS_AHEAD, a_while)

    def _take(self, estimate_usd: Decimal) -> None:
        self._lease.hold(estimate_usd)
        self._taken_usd += estimate_usd

    def _top_up(self, estimate_usd: Decimal) -> None:
        if self._clock() < self._quiet_until:
            return
        self._topping_up = asyncio.create_task(self._grow_ahead(estimate_usd))

    async def _grow_ahead(self, estimate_usd: Decimal) -> None:
        try:
            await self._grown(CALLS_WORTH_A_ROW * estimate_usd, self._ahead(estimate_usd))
        except ServiceUnreachable:
            # The lease may suffice until the ledger responds; a reservation that exceeds the lease tries again.
            self._quiet_until = self._clock() + self._times.poll_s
        except AssayError as error:
            self._failure = error
        finally:
            self._topping_up = None

    async def _keep_renewing(self) -> None:
        while True:
            await self._sleep(self._times.renew_s)
            keep, self._taken_usd, self._taken_since = 2 * self._taken_usd, ZERO, self._clock()
            try:
                await self._lease.renew(keep)
            except ServiceUnreachable:  # the lease will expire; the next reservation requests a new one
                continue
            except AssayError as error:
                self._failure = error
                return


async def open_shared_budget(
    parts: LeaseDeps,
    *,
    times: LeaseTimes | None = None,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> SharedBudget:
    """A budget under the caps in `parts`, whose lease is open and renewed in the background.

    Raises:
        ServiceUnreachable: the ledger or the warehouse does not respond.
    """
    lease = WorkerLease(parts)
    await lease.open()
    budget = SharedBudget(lease, times=times or LeaseTimes(), sleep=sleep)
    budget.start()
    return budget
