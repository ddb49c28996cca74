"""Protocol of the budget ledger: accounts with caps, and the leases that workers hold on them.

An account is a name, e.g. `task:triage:2026-11`, with its settled spending. A lease is an amount that one worker may
spend without another request to the ledger; it counts against all its accounts until it is settled. A lease that is not
renewed in time expires: its worker has stopped or is disconnected, and the next worker that notices settles the lease
from the landed rows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from decimal import Decimal
from typing import Any, Protocol

NANO = Decimal(1_000_000_000)
SHARE_OF_WHAT_IS_LEFT = 4
"""A lease grows by at most a quarter of the remaining amount, so that one worker does not hold all of it."""
ACCOUNT_DAYS = 40
"""Days that an unused account is kept: more than a month, because caps apply to calendar months."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetLease:
    """An amount lent to one worker; amounts are in billionths of a USD, as last reported by the worker.

    `amount` is the total, of which `spent` is spent and `held` is reserved for calls in progress. `run_landed` is the
    run's landed cost when the lease began, from which the cost landed since then is computed. `begins` is True if the
    ledger may not know the lease yet. `stands_in` is True for a lease restored from the warehouse: until its worker
    reports it again, `run_landed` is the cost already on its accounts. `lasts_s` is the number of seconds until the
    lease expires without renewal, or None for the ledger's default.
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
        """The amount that other workers must not spend."""
        return max(self.amount, self.spent)

    @property
    def kept(self) -> int:
        """The amount that this lease does not return soon: what it has spent, or all of it if it lasts on its own terms."""
        return self.spent if self.lasts_s is None else self.outstanding

    def due(self, run_landed: int) -> int:
        """Amount at which an expired lease is settled: the cost landed since it began, plus the calls in progress."""
        return min(self.outstanding, max(run_landed - self.run_landed, self.spent) + self.held)


@dataclass(frozen=True, slots=True)
class Extension:
    """Response to a request to extend a lease; amounts are in billionths of a USD.

    `granted` was added to the lease; `remaining` is left under the caps if no other worker spends; `attainable` is left
    once the other workers have returned all that they have not spent; `lent` is held by other leases; `expired` are the
    leases that now have to be settled.
    """

    granted: int
    remaining: int
    attainable: int
    lent: int
    expired: tuple[BudgetLease, ...] = ()


class Ledger(Protocol):
    """Accounts shared by all runs and workers; every operation is atomic."""

    async def open(self, landed: Mapping[str, int], leases: Sequence[BudgetLease]) -> None:
        """Creates missing accounts, with at least the spending in `landed`, and restores their `leases`.

        Raises:
            ServiceUnreachable: the ledger does not respond; this applies to the other operations too.
        """
        ...

    async def extend(self, lease: BudgetLease, *, caps: Mapping[str, int], least: int, wanted: int) -> Extension | None:
        """Renews the lease with its reported amounts and extends it: by `least` to `wanted`, or not at all.

        Returns None if the ledger does not know one of the accounts, or does not know the lease although it is not new:
        the ledger has lost its data, or the lease expired and was settled. The caller must then open the accounts again
        and begin a new lease.
        """
        ...

    async def settle(self, lease_id: str, spent: int) -> bool:
        """Removes the lease and adds `spent` to its accounts; False if the lease was already removed."""
        ...

    async def close(self) -> None:
        """Closes connections."""
        ...


@dataclass
class Books:
    """Accounts and leases in memory, for ledgers that read and write all of them at once.

    `leases` maps a lease id to the lease and the time at which it expires, by the ledger's clock.
    """

    spent: dict[str, int] = field(default_factory=dict)
    leases: dict[str, tuple[BudgetLease, float]] = field(default_factory=dict)

    def open(self, landed: Mapping[str, int], leases: Sequence[BudgetLease], *, now: float, ttl_s: float) -> None:
        """See `Ledger.open`."""
        if any(account not in self.spent for account in landed):
            for lease in leases:
                self.leases.setdefault(lease.lease_id, (lease, now + (lease.lasts_s or ttl_s)))
        for account, usd in landed.items():
            # The cost of rows that a worker landed since its last report is already counted in its lease.
            under_way = sum(
                lease.outstanding
                for lease, _ in self.leases.values()
                if account in lease.accounts and not lease.stands_in
            )
            self.spent[account] = max(self.spent.get(account, 0), usd - under_way)

    def extend(
        self, lease: BudgetLease, *, caps: Mapping[str, int], growth: tuple[int, int], now: float, ttl_s: float
    ) -> Extension | None:
        """See `Ledger.extend`; `growth` is the pair of `least` and `wanted`."""
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
        kept = {name: sum(other.kept for other, _ in others if name in other.accounts) for name in caps}
        left = min(cap - self.spent[name] - lent[name] - lease.outstanding for name, cap in caps.items())
        least, wanted = growth
        granted = min(wanted, max(least, left // SHARE_OF_WHAT_IS_LEFT)) if left >= least else 0
        held = replace(lease, amount=lease.amount + granted, begins=False)
        self.leases[lease.lease_id] = (held, now + (lease.lasts_s or ttl_s))
        return Extension(
            granted=granted,
            remaining=min(cap - self.spent[name] - lease.spent for name, cap in caps.items()),
            attainable=min(cap - self.spent[name] - kept[name] - lease.spent for name, cap in caps.items()),
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
    """The fields of a lease except its amounts, as JSON values."""
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
    """The lease with the fields from `lease_facts` and these amounts."""
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
