"""One worker's lease: its amounts, and its operations on the ledger and on the landing table."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Protocol

from assay.errors import ServiceUnreachable
from assay.inference.budgets.ledger import BudgetLease, Extension, Ledger, nano, usd
from assay.inference.keys import new_id
from assay.inference.request import RunFacts
from assay.records import BudgetEntry
from assay.records.statuses import BudgetEvent
from assay.statistics.conventions import DEFAULT_TENANT

ZERO = Decimal(0)
OPENINGS = 3
"""Consecutive attempts to open the accounts after which the ledger is considered unable to keep data."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Caps:
    """Maximum spending of a run, and of its task and the project in a calendar month (UTC); None means no cap."""

    run_usd: Decimal | None = None
    task_usd: Decimal | None = None
    month_usd: Decimal | None = None

    @property
    def any(self) -> bool:
        """True if there is a cap."""
        return any(cap is not None for cap in (self.run_usd, self.task_usd, self.month_usd))


@dataclass(frozen=True, slots=True, kw_only=True)
class WarehouseSpend:
    """Landed spending, and the leases that are still open according to `budget_entries`; 0 where no cap needs it."""

    run_usd: Decimal
    task_usd: Decimal = ZERO
    month_usd: Decimal = ZERO
    leases: tuple[BudgetLease, ...] = ()


class Spending(Protocol):
    """Reads spending from the warehouse; called in a separate thread."""

    def landed(self, facts: RunFacts, *, month: date) -> WarehouseSpend:
        """Total spending of the run, and of its task and the project in `month`, given by its first day."""
        ...

    def of_run(self, run_id: str, *, data_date: date) -> Decimal:
        """Landed cost of the run in USD."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaseDeps:
    """Dependencies of a lease; `ttl_s` is the ledger's, `land` writes rows to `budget_entries`."""

    facts: RunFacts
    caps: Caps
    ledger: Ledger
    ttl_s: float
    spending: Spending
    land: Callable[[Sequence[BudgetEntry]], Awaitable[None]]
    clock: Callable[[], float] = time.monotonic
    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    new_id: Callable[[], str] = new_id


@dataclass
class WorkerLease:
    """The lease of one worker in one month, with amounts in USD; from `good_until` on, others may treat it as expired."""

    parts: LeaseDeps
    amount_usd: Decimal = ZERO
    spent_usd: Decimal = ZERO
    held_usd: Decimal = ZERO
    run_spent_usd: Decimal = ZERO
    cap_usd: Decimal | None = None
    good_until: float = 0.0
    _lease_id: str = ""
    _month: date = date.min
    _run_landed: Decimal = ZERO
    _entries: int = 0
    _begins: bool = True
    _requesting: asyncio.Lock = field(default_factory=asyncio.Lock)

    @property
    def free_usd(self) -> Decimal:
        """The amount that can be held without extending the lease."""
        return self.amount_usd - self.spent_usd - self.held_usd

    def fits(self, estimate_usd: Decimal) -> bool:
        """True if the estimate can be held now."""
        return estimate_usd <= self.free_usd and self.parts.clock() < self.good_until

    def hold(self, estimate_usd: Decimal) -> None:
        """Holds the estimate."""
        self.held_usd += estimate_usd

    def settle(self, estimate_usd: Decimal, actual_usd: Decimal) -> None:
        """Releases the estimate and adds the actual amount to the spending."""
        self.held_usd -= estimate_usd
        self.spent_usd += actual_usd
        self.run_spent_usd += actual_usd

    async def open(self) -> None:
        """Opens the accounts in the ledger with the spending landed in the warehouse."""
        self._begin()
        landed = await self._landed()
        self.run_spent_usd = self._run_landed = landed.run_usd
        await self._open_accounts(landed)
        await self.grow(ZERO, wanted_usd=ZERO)

    async def grow(self, least_usd: Decimal, *, wanted_usd: Decimal) -> Extension:
        """Renews the lease and extends it: by `least_usd` to `wanted_usd`, or not at all.

        Raises:
            ServiceUnreachable: the ledger or the warehouse does not respond.
        """
        async with self._requesting:
            if self._month != self._month_now():
                await self._turn_the_month()
            self.amount_usd = max(self.amount_usd, self.spent_usd + self.held_usd)
            requested_at, spent = self.parts.clock(), self.run_spent_usd
            found = await self._extended(self._stated, least_usd, wanted_usd)
            self._begins = False
            self.good_until = requested_at + self.parts.ttl_s
            self.cap_usd = spent + usd(found.remaining)
            if found.granted:
                self._entries += 1
                await self.parts.land([self._entry(BudgetEvent.RESERVE, usd(found.granted), sequence=self._entries)])
                await self._take_up(usd(found.granted))
            for lease in found.expired:
                await self._settle_expired(lease)
            return found

    async def renew(self, keep_usd: Decimal) -> None:
        """Renews the lease and keeps at most `keep_usd` of the free amount."""
        self.amount_usd -= max(ZERO, self.free_usd - keep_usd)
        await self.grow(ZERO, wanted_usd=ZERO)

    async def hold_separately(self, lease_id: str, amount_usd: Decimal, *, month: date, lasts_s: float) -> None:
        """Reserves the amount in a separate lease for `lasts_s` seconds; any process may settle it.

        The caps are not checked, because the amount is already spent or was taken from this lease. Reserving it again
        changes nothing. For a past month, only the run's cap applies.
        """
        async with self._requesting:
            if self._separate_lease(lease_id, amount_usd, month=month, lasts_s=lasts_s).accounts:
                await self._extended(
                    lambda: self._separate_lease(lease_id, amount_usd, month=month, lasts_s=lasts_s), ZERO, ZERO
                )

    async def give_back(self, amount_usd: Decimal) -> None:
        """Returns up to `amount_usd` of the free amount for other workers to use."""
        self.amount_usd -= min(amount_usd, self.free_usd)
        await self.grow(ZERO, wanted_usd=ZERO)

    async def settle_separately(self, lease_id: str, spent_usd: Decimal) -> None:
        """Settles a separate lease at the amount spent; the rest becomes available to other workers."""
        await self.parts.ledger.settle(lease_id, nano(spent_usd))

    async def close(self) -> None:
        """Settles the lease at the amount spent, and closes the ledger."""
        async with self._requesting:
            await self._settle_own()
            await self.parts.ledger.close()

    async def _extended(self, stated: Callable[[], BudgetLease], least_usd: Decimal, wanted_usd: Decimal) -> Extension:
        for _ in range(OPENINGS):
            lease, caps = stated(), self._accounts()
            found = await self.parts.ledger.extend(
                lease,
                caps={name: caps[name] for name in lease.accounts},
                least=nano(least_usd),
                wanted=nano(wanted_usd),
            )
            if found is not None:
                return found
            await self._begin_again()
        raise ServiceUnreachable(
            "The budget ledger loses its accounts as soon as they are opened; Redis must not evict data",
            next_step="set maxmemory-policy to noeviction, then resume the run.",
        )

    async def _take_up(self, granted_usd: Decimal) -> None:
        """Adds a landed grant to the lease, unless the ledger has lost its data since it made the grant.

        The other workers would then not know of the grant: they restored the leases before its row had landed.
        """
        lease, caps = self._stated(), self._accounts()
        grown = replace(lease, amount=lease.amount + nano(granted_usd))
        if await self.parts.ledger.extend(grown, caps=caps, least=0, wanted=0) is not None:
            self.amount_usd += granted_usd

    async def _begin_again(self) -> None:
        """Begins a new lease for amounts not yet on the accounts: calls in progress, and spending that has not landed."""
        landed = await self._landed()
        others = replace(landed, leases=tuple(lease for lease in landed.leases if lease.lease_id != self._lease_id))
        counted = min(self.spent_usd, max(ZERO, landed.run_usd - self._run_landed))
        ended, had_entries = self._stated(), self._entries > 0
        self._begin()
        self._run_landed = landed.run_usd
        self.spent_usd -= counted
        self.amount_usd = self.spent_usd + self.held_usd
        await self._open_accounts(others)
        await self.parts.ledger.settle(ended.lease_id, 0)  # if another worker restored it from the warehouse
        if had_entries:
            await self.parts.land([self._entry(BudgetEvent.SETTLE, counted, of=ended)])

    async def _turn_the_month(self) -> None:
        """Settles the old month's lease, and begins one on the new month's accounts that includes calls in progress."""
        settled = await self._settle_own()
        self._begin()
        self.spent_usd -= settled
        self.amount_usd = self.spent_usd + self.held_usd
        landed = await self._landed()
        self._run_landed = landed.run_usd
        await self._open_accounts(landed)

    async def _landed(self) -> WarehouseSpend:
        return await asyncio.to_thread(self.parts.spending.landed, self.parts.facts, month=self._month)

    async def _open_accounts(self, landed: WarehouseSpend) -> None:
        """Opens the run's own account, then the accounts that runs share.

        They are opened separately because only a missing shared account indicates that the ledger lost its data.
        """
        by_account = dict(zip(self._names(), (landed.run_usd, landed.task_usd, landed.month_usd), strict=True))
        known = {name: nano(by_account[name]) for name in self._accounts()}
        own, facts = self._names()[0], self.parts.facts
        if own in known:
            of_run = [lease for lease in landed.leases if lease.run_id == facts.run_id]
            await self.parts.ledger.open({own: known.pop(own)}, of_run)
        if known:
            await self.parts.ledger.open(known, landed.leases)

    async def _settle_own(self) -> Decimal:
        spent = self.spent_usd
        await self.parts.ledger.settle(self._lease_id, nano(spent))
        if self._entries:
            await self.parts.land([self._entry(BudgetEvent.SETTLE, spent)])
        return spent

    async def _settle_expired(self, lease: BudgetLease) -> None:
        """Settles an expired lease at the cost landed since it began, plus its calls in progress at their estimate."""
        landed = await asyncio.to_thread(self.parts.spending.of_run, lease.run_id, data_date=lease.data_date)
        due = lease.due(nano(landed))
        if await self.parts.ledger.settle(lease.lease_id, due):
            await self.parts.land([self._entry(BudgetEvent.SETTLE, usd(due), of=lease, is_expired=True)])

    def _begin(self) -> None:
        self._lease_id, self._month, self._entries, self._begins = self.parts.new_id(), self._month_now(), 0, True

    def _month_now(self) -> date:
        return self.parts.now().astimezone(UTC).date().replace(day=1)

    def _names(self) -> tuple[str, str, str]:
        return account_names(self.parts.facts.run_id, self.parts.facts.task, month=self._month)

    def _accounts(self) -> Mapping[str, int]:
        caps = (self.parts.caps.run_usd, self.parts.caps.task_usd, self.parts.caps.month_usd)
        return {name: nano(cap) for name, cap in zip(self._names(), caps, strict=True) if cap is not None}

    def _stated(self) -> BudgetLease:
        facts = self.parts.facts
        return BudgetLease(
            lease_id=self._lease_id,
            run_id=facts.run_id,
            task=facts.task,
            data_date=facts.data_date,
            accounts=tuple(self._accounts()),
            run_landed=nano(self._run_landed),
            begins=self._begins,
            amount=nano(self.amount_usd),
            spent=nano(self.spent_usd),
            held=nano(self.held_usd),
        )

    def _separate_lease(self, lease_id: str, amount_usd: Decimal, *, month: date, lasts_s: float) -> BudgetLease:
        known = self._accounts()
        names = account_names(self.parts.facts.run_id, self.parts.facts.task, month=month)
        return replace(
            self._stated(),
            lease_id=lease_id,
            accounts=tuple(name for name in names if name in known),
            run_landed=0,
            lasts_s=lasts_s,
            begins=True,
            amount=nano(amount_usd),
            spent=0,
            held=nano(amount_usd),
        )

    def _entry(
        self,
        event: BudgetEvent,
        amount_usd: Decimal,
        *,
        sequence: int = 0,
        of: BudgetLease | None = None,
        is_expired: bool = False,
    ) -> BudgetEntry:
        lease, caps = of or self._stated(), Caps() if is_expired else self.parts.caps
        return BudgetEntry(
            data_date=lease.data_date,
            occurred_at=self.parts.now(),
            tenant_id=DEFAULT_TENANT,
            run_id=lease.run_id,
            task=lease.task,
            lease_id=lease.lease_id,
            event=event,
            sequence=sequence,
            month=self._month,
            amount_usd=amount_usd,
            is_expired=is_expired,
            run_cap_usd=caps.run_usd,
            task_cap_usd=caps.task_usd,
            month_cap_usd=caps.month_usd,
        )


def account_names(run_id: str, task: str, *, month: date) -> tuple[str, str, str]:
    """The accounts of a run, of its task in the month, and of the project in the month."""
    return f"run:{run_id}", f"task:{task}:{month:%Y-%m}", f"month:{month:%Y-%m}"
