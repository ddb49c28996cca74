"""The budget of a run: its caps, its ledger, and the spending recorded in the warehouse."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import ROUND_DOWN, Decimal
from typing import Any

from assay.errors import UsageError
from assay.inference.budgets.ledger import ACCOUNT_DAYS, BudgetLease, Ledger, nano
from assay.inference.budgets.protocol import Budget
from assay.inference.budgets.run_budget import RunBudget
from assay.inference.budgets.shared import LeaseTimes, open_shared_budget
from assay.inference.budgets.worker_lease import Caps, LeaseDeps, WarehouseSpend, account_names
from assay.inference.prices import ADD_PRICE, PLACES
from assay.inference.request import RunFacts
from assay.inference.usage import TokenUsage
from assay.project import StageContext
from assay.records import BudgetEntry
from assay.runs.requests.queries import MONTH_SPENT, OPEN_BATCHES, OPEN_LEASES, RUN_SPENT
from assay.runs.run import Run
from assay.settings import Settings
from assay.tasks.task import Task
from assay.warehouse.client import Warehouse
from assay.warehouse.landing import LandingWriter

LEDGERS = "budgets"
LEASE_SECONDS = 30.0
"""Time in seconds after which a worker's lease expires unless it is renewed."""
BATCH_LEASE_SECONDS = float(ACCOUNT_DAYS * 86_400)
"""Time in seconds that an uncollected batch reserves its budget: as long as an account is kept."""
TIMES = LeaseTimes(renew_s=LEASE_SECONDS / 3)


@dataclass(frozen=True, slots=True)
class WarehouseSpending:
    """See `Spending`; amounts come from the landing tables, with only the queries that `caps` needs."""

    warehouse: Warehouse
    caps: Caps

    def landed(self, facts: RunFacts, *, month: date) -> WarehouseSpend:
        """See `Spending.landed`.

        Raises:
            ServiceUnreachable: the warehouse does not respond; also raised by `of_run`.
        """
        task_usd = month_usd = Decimal(0)
        if self.caps.task_usd is not None or self.caps.month_usd is not None:
            begins = datetime.combine(month, time(), UTC)
            parameters = {"task": facts.task, "month_begins": begins, "month_ends": _month_after(begins)}
            row = next(self.warehouse.stream(MONTH_SPENT.sql, parameters))
            task_usd, month_usd = Decimal(row["task_usd"]), Decimal(row["month_usd"])
        return WarehouseSpend(
            run_usd=self.of_run(facts.run_id, data_date=facts.data_date),
            task_usd=task_usd,
            month_usd=month_usd,
            leases=tuple(self._leases(month)),
        )

    def of_run(self, run_id: str, *, data_date: date) -> Decimal:
        """See `Spending.of_run`."""
        row = next(self.warehouse.stream(RUN_SPENT.sql, {"run_id": run_id, "data_date": data_date}))
        return Decimal(row["spent_usd"])

    def _leases(self, month: date) -> Iterator[BudgetLease]:
        """Yields the leases that are not settled, and one lease for each open batch."""
        for row in self.warehouse.stream(OPEN_LEASES.sql, {"month": month}):
            yield _stand_in(
                row, month, run_landed=nano(Decimal(row["landed_usd"])), amount=nano(Decimal(row["lent_usd"]))
            )
        for row in self.warehouse.stream(OPEN_BATCHES.sql, {"month": month}):
            estimate = nano(Decimal(row["estimate_usd"]))
            yield _stand_in(row, month, amount=estimate, held=estimate, lasts_s=BATCH_LEASE_SECONDS)


def caps_of(settings: Settings, task: Task, *, budget_usd: float | None) -> Caps:
    """Returns the caps of a run of the task; `budget_usd` is the run's own cap and overrides the task's."""
    spec = task.spec.budget
    run_usd = budget_usd if budget_usd is not None else spec.run_usd
    return Caps(run_usd=_exact(run_usd), task_usd=_exact(spec.task_usd), month_usd=settings.month_budget_usd)


async def open_budget(context: StageContext, run: Run) -> Budget:
    """Opens the run's budget, including what its earlier workers spent. Without a cap, every call is allowed.

    Raises:
        UsageError: a cap is set, but a model has no price.
        ServiceUnreachable: the ledger or the warehouse does not respond.
    """
    caps = caps_of(context.settings, run.task, budget_usd=run.options.budget_usd)
    if not caps.any:
        return RunBudget(None)
    refuse_unpriced(context, run.task)
    return await open_shared_budget(lease_parts(context, run, caps, ttl_s=LEASE_SECONDS), times=TIMES)


def lease_parts(context: StageContext, run: Run, caps: Caps, *, ttl_s: float) -> LeaseDeps:
    """Returns the dependencies of a worker's lease for the run; its entries are landed in a thread."""
    sink = LandingWriter(context.warehouse)

    async def land(rows: Sequence[BudgetEntry]) -> None:
        await asyncio.to_thread(sink.append, rows)

    return LeaseDeps(
        facts=run.facts,
        caps=caps,
        ledger=_ledger(context.settings, ttl_s=ttl_s),
        ttl_s=ttl_s,
        spending=WarehouseSpending(context.warehouse, caps),
        land=land,
    )


def refuse_unpriced(context: StageContext, task: Task) -> None:
    """Checks that every model of the task has a price.

    Raises:
        UsageError: a model has no price, so that the cost of a call is unknown.
    """
    one = TokenUsage(uncached_input=1, cached_input=0, cache_write=0, answer=1, reasoning=0)
    models = [(route.name, route.provider, route.model) for route in task.spec.routes]
    models += [(juror.name, juror.provider, juror.model) for judge in task.spec.judges for juror in judge.routes]
    for name, provider, model in models:
        price = context.prices.price(one, provider=provider, model=model, on=datetime.now(UTC).date())
        if price.usd is None:
            raise UsageError(
                f"A budget is set, but {provider}:{model} (route '{name}') has no price in "
                "genai-prices or assay/inference/prices.yml",
                next_step=f"{ADD_PRICE}, or run without a budget.",
            )


def this_month() -> date:
    """Returns the first day of the calendar month (UTC) whose caps apply now."""
    return datetime.now(UTC).date().replace(day=1)


def _ledger(settings: Settings, *, ttl_s: float) -> Ledger:
    """Opens the ledger of the warehouse and environment: in Redis if several machines share it, or in a local file."""
    if settings.redis_url is not None:
        from assay.inference.budgets.redis_ledger import RedisLedger

        return RedisLedger(settings.redis_url, namespace=f"assay:{settings.project}:{settings.env}", ttl_s=ttl_s)
    from assay.inference.budgets.sqlite_ledger import SqliteLedger

    path = settings.state_dir / LEDGERS / f"{settings.project}_{settings.env}.sqlite3"
    return SqliteLedger(path, ttl_s=ttl_s)


def _stand_in(row: dict[str, Any], month: date, **amounts: Any) -> BudgetLease:
    return BudgetLease(
        lease_id=row["lease_id"],
        run_id=row["run_id"],
        task=row["task"],
        data_date=row["data_date"],
        accounts=account_names(row["run_id"], row["task"], month=month),
        stands_in=True,
        **amounts,
    )


def _month_after(begins: datetime) -> datetime:
    return (begins + timedelta(days=31)).replace(day=1)


def _exact(usd: float | None) -> Decimal | None:
    """Returns the decimal amount as written, rounded down to the 9 decimal places of the warehouse."""
    return None if usd is None else Decimal(str(usd)).quantize(PLACES, ROUND_DOWN)
