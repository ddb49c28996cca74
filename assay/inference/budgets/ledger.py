"""The ledger's seam: accounts with caps, and leases of money that workers hold on them.

The shapes, and the arithmetic that every ledger follows, belong here. An account is a name, e.g. `task:triage:2026-11`;
what it has spent is settled spending. A lease is money that one worker may spend without asking again; it is held on
all its accounts until it is settled. Where a lease is past its time, its worker is dead or cut off, and whoever sees it
settles it by what landed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from decimal import Decimal
from typing import Any, Protocol

NANO = Decimal(1_000_000_000)
SHARE_OF_WHAT_IS_LEFT = 4
"""A lease grows by at most the fourth part of what is left, so that the last money is not all with one worker."""
ACCOUNT_DAYS = 40
"""How long an account is kept that nobody touches: longer than a month, for a month's cap."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetLease:
    """Money lent to one worker; amounts in billionths of a USD, as the worker last stated them.

    `amount` is all of it; of it `spent` is gone and `held` is for calls under way. `run_landed` is what the run had
    landed when the lease began, so that what landed since can be told. One that `begins` may be new to the ledger. One
    that `stands_in` is known from the warehouse only: `run_landed` is then what is on its accounts already, until its
    worker states it anew. `lasts_s` is how long it is held without a word, None for as long as the ledger's others.
    """

    lease_id: str
    run_id: str
    task: str
    data_date: date
    accounts: tuple[str, ...]
    run_landed: int = 0
    stands_in: bool = False
    lasts_s: float | None = None
    begins: bool = False
    amount: int = 0
    spent: int = 0
    held: int = 0

    @property
    def outstanding(self) -> int:
        """What others must not spend."""
        return max(self.amount, self.spent)

    def due(self, run_landed: int) -> int:
        """What a lease whose worker is gone is settled at: what landed since it began, and what was under way."""
        return min(self.outstanding, max(run_landed - self.run_landed, self.spent) + self.held)


@dataclass(frozen=True, slots=True)
class Extension:
    """The ledger's word: what the lease grew by, the room that the caps leave when nobody else spends, what others hold."""

    granted: int
    room: int
    lent: int
    expired: tuple[BudgetLease, ...] = ()


class Ledger(Protocol):
    """Accounts shared by all runs and workers; every operation is atomic."""

    async def open(self, landed: Mapping[str, int], leases: Sequence[BudgetLease]) -> None:
        """Each account is known, with at least what `landed` says; `leases` are held again where an account was not.

        Raises:
            Unreachable: the ledger does not answer; so do the other operations.
        """
        ...

    async def extend(self, lease: BudgetLease, *, caps: Mapping[str, int], least: int, wanted: int) -> Extension | None:
        """The lease is held as stated, for another while, and has grown by `least` to `wanted`, or by nothing.

        None when the ledger does not know an account, or a lease that does not begin: it has lost its memory, or others
        took the worker for dead. Then the accounts are to be opened again, and a new lease begins.
        """
        ...

    async def settle(self, lease_id: str, spent: int) -> bool:
        """The lease is gone and `spent` is on its accounts; False when it was gone before."""
        ...

    async def close(self) -> None:
        """Connections are released."""
        ...


@dataclass
class Books:
    """Accounts and leases in memory, for ledgers that read and write them whole; `expires_at` in seconds of their clock."""

    spent: dict[str, int] = field(default_factory=dict)
    leases: dict[str, tuple[BudgetLease, float]] = field(default_factory=dict)

    def open(self, landed: Mapping[str, int], leases: Sequence[BudgetLease], *, now: float, ttl_s: float) -> None:
        """See `Ledger.open`."""
        if any(account not in self.spent for account in landed):
            for lease in leases:
                self.leases.setdefault(lease.lease_id, (lease, now + (lease.lasts_s or ttl_s)))
        for account, usd in landed.items():
            # A lease pays for what its worker lands before it next says so.
            under_way = sum(
                lease.outstanding
                for lease, _ in self.leases.values()
                if account in lease.accounts and not lease.stands_in
            )
            self.spent[account] = max(self.spent.get(account, 0), usd - under_way)

    def extend(
        self, lease: BudgetLease, *, caps: Mapping[str, int], growth: tuple[int, int], now: float, ttl_s: float
    ) -> Extension | None:
        """See `Ledger.extend`; `growth` is least and wanted."""
        if any(account not in self.spent for account in caps):
            return None
        known, _ = self.leases.get(lease.lease_id, (None, 0.0))
        if known is None and not lease.begins:
            return None
        if known is not None and known.stands_in:
            counted = min(lease.spent, max(0, known.run_landed - lease.run_landed))
            for account in caps:
                self.spent[account] = max(0, self.spent[account] - counted)
        others = [(other, at) for other, at in self.leases.values() if other.lease_id != lease.lease_id]
        lent = {name: sum(other.outstanding for other, _ in others if name in other.accounts) for name in caps}
        left = min(cap - self.spent[name] - lent[name] - lease.outstanding for name, cap in caps.items())
        least, wanted = growth
        granted = min(wanted, max(least, left // SHARE_OF_WHAT_IS_LEFT)) if left >= least else 0
        held = replace(lease, amount=lease.amount + granted, begins=False)
        self.leases[lease.lease_id] = (held, now + (lease.lasts_s or ttl_s))
        return Extension(
            granted=granted,
            room=min(cap - self.spent[name] - lease.spent for name, cap in caps.items()),
            lent=max(lent.values()),
            expired=tuple(other for other, expires_at in others if expires_at < now),
        )

    def settle(self, lease_id: str, spent: int) -> bool:
        """See `Ledger.settle`."""
        lease, _ = self.leases.pop(lease_id, (None, 0.0))
        if lease is None:
            return False
        for account in lease.accounts:
            if account in self.spent:
                self.spent[account] += spent
        return True


def nano(usd: Decimal) -> int:
    """The amount in billionths of a USD, the warehouse's own precision."""
    return int(usd * NANO)


def usd(billionths: int) -> Decimal:
    """The amount in USD."""
    return Decimal(billionths) / NANO


def lease_facts(lease: BudgetLease) -> dict[str, Any]:
    """What is known of a lease beside its amounts, as JSON can hold it."""
    lasts = {} if lease.lasts_s is None else {"lasts_s": lease.lasts_s}
    return {
        "lease_id": lease.lease_id,
        "run_id": lease.run_id,
        "task": lease.task,
        "data_date": lease.data_date.isoformat(),
        "accounts": list(lease.accounts),
        "run_landed": str(lease.run_landed),
        "stands_in": lease.stands_in,
        **lasts,
    }


def lease_of(facts: Mapping[str, Any], *, amount: int, spent: int, held: int) -> BudgetLease:
    """The lease with these facts and amounts."""
    return BudgetLease(
        lease_id=facts["lease_id"],
        run_id=facts["run_id"],
        task=facts["task"],
        data_date=date.fromisoformat(facts["data_date"]),
        accounts=tuple(facts["accounts"]),
        run_landed=int(facts["run_landed"]),
        stands_in=facts["stands_in"],
        lasts_s=facts.get("lasts_s"),
        amount=amount,
        spent=spent,
        held=held,
    )
