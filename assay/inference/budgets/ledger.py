"""Protocol of the budget ledger: accounts with caps, and leases of money that workers hold on them.

An account is a name, e.g. `task:triage:2026-11`; its spending is settled spending. A lease is money that one worker may
spend without another request to the ledger; it is held on all its accounts until it is settled. After its time it has
expired: its worker is dead or disconnected, and the next worker that notices settles it by the landed rows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from decimal import Decimal
from typing import Any, Protocol

NANO = Decimal(1_000_000_000)
SHARE_OF_WHAT_IS_LEFT = 4
"""A lease grows by at most a fourth of the remaining money, so that one worker does not hold the rest."""
ACCOUNT_DAYS = 40
"""Seconds that an unused account is kept: longer than a month, for a month's cap."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetLease:
    """Money lent to one worker; amounts in billionths of a USD, as the worker last reported them.

    `amount` is the total; `spent` of it is spent and `held` is reserved for calls in progress. `run_landed` is the
    run's landed cost when the lease began, to determine the cost landed since then. A lease that `begins` may be new to
    the ledger. A lease that `stands_in` is known from the warehouse only: `run_landed` is then the cost already on its
    accounts, until its worker reports it again. `lasts_s` is the number of seconds it is held without renewal, None for
    the ledger's default.
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
        """The amount that others must not spend."""
        return max(self.amount, self.spent)

    def due(self, run_landed: int) -> int:
        """Settlement of a lease whose worker is gone: the cost landed since it began, and the calls in progress."""
        return min(self.outstanding, max(run_landed - self.run_landed, self.spent) + self.held)


@dataclass(frozen=True, slots=True)
class Extension:
    """Amounts granted to a lease, remaining under the caps if no other worker spends, and lent; expired leases."""

    granted: int
    remaining: int
    lent: int
    expired: tuple[BudgetLease, ...] = ()


class Ledger(Protocol):
    """Accounts shared by all runs and workers; every operation is atomic."""

    async def open(self, landed: Mapping[str, int], leases: Sequence[BudgetLease]) -> None:
        """Creates missing accounts with at least the spending in `landed`, and restores their `leases`.

        Raises:
            ServiceUnreachable: the ledger does not respond; the other operations raise it too.
        """
        ...

    async def extend(self, lease: BudgetLease, *, caps: Mapping[str, int], least: int, wanted: int) -> Extension | None:
        """Renews the lease with its reported amounts and extends it by `least` to `wanted`, or by nothing.

        None if the ledger does not know an account, or a lease that does not begin: it has lost its data, or the lease
        expired and was settled. The accounts must then be opened again, and a new lease begins.
        """
        ...

    async def settle(self, lease_id: str, spent: int) -> bool:
        """Removes the lease and adds `spent` to its accounts; False if it was already removed."""
        ...

    async def close(self) -> None:
        """Releases connections."""
        ...


@dataclass
class Books:
    """Accounts and leases in memory, for ledgers that read and write them whole; `expires_at` by their clock."""

    spent: dict[str, int] = field(default_factory=dict)
    leases: dict[str, tuple[BudgetLease, float]] = field(default_factory=dict)

    def open(self, landed: Mapping[str, int], leases: Sequence[BudgetLease], *, now: float, ttl_s: float) -> None:
        """See `Ledger.open`."""
        if any(account not in self.spent for account in landed):
            for lease in leases:
                self.leases.setdefault(lease.lease_id, (lease, now + (lease.lasts_s or ttl_s)))
        for account, usd in landed.items():
            # A lease covers the rows that its worker lands before its next report.
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
            remaining=min(cap - self.spent[name] - lease.spent for name, cap in caps.items()),
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
    """The amount in billionths of a USD, the precision of the warehouse."""
    return int(usd * NANO)


def usd(billionths: int) -> Decimal:
    """The amount in USD."""
    return Decimal(billionths) / NANO


def lease_facts(lease: BudgetLease) -> dict[str, Any]:
    """The fields of a lease other than its amounts, as JSON values."""
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
    """The lease with these fields and amounts."""
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
