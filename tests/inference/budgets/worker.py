"""A process of its own that spends from a shared ledger: one line for each call it paid for.

    python -m tests.inference.budgets.worker LEDGER RUN CAP ESTIMATE ACTUAL CALLS TTL

LEDGER is a file, or a Redis URL. At the cap it ends; after so many calls it keeps its lease until it is killed.
"""

from __future__ import annotations

import asyncio
import sys
from decimal import Decimal
from pathlib import Path

from assay.inference.budgets.ledger import Ledger
from assay.inference.budgets.redis_ledger import RedisLedger
from assay.inference.budgets.shared import LeaseTimes, open_shared_budget
from assay.inference.budgets.sqlite_ledger import SqliteLedger
from assay.inference.budgets.worker_lease import Caps, LeaseDeps
from tests.fakes.spending import Spendings
from tests.inference.budgets.bank import facts, in_november


async def work(place: str, run_id: str, *numbers: str) -> None:
    """Calls are paid for, as far as the cap allows."""
    cap, estimate, actual = (Decimal(number) for number in numbers[:3])
    calls, ttl_s = int(numbers[3]), float(numbers[4])
    ledger: Ledger = (
        RedisLedger(place, namespace="test", ttl_s=ttl_s)
        if place.startswith("redis://")
        else SqliteLedger(Path(place), ttl_s=ttl_s)
    )
    spendings = Spendings()
    parts = LeaseDeps(
        facts=facts(run_id),
        caps=Caps(month_usd=cap),
        ledger=ledger,
        ttl_s=ttl_s,
        spending=spendings,
        land=spendings.land,
        now=in_november,
    )
    budget = await open_shared_budget(parts, times=LeaseTimes(renew_s=ttl_s / 6, poll_s=0.02, patience_s=1.0))
    for _ in range(calls):
        if not await budget.reserve(estimate):
            break
        await asyncio.sleep(0.001)
        sys.stdout.write("paid\n")
        sys.stdout.flush()
        budget.settle(estimate, actual)
    else:
        await asyncio.Event().wait()  # until somebody kills it
    await budget.close()


if __name__ == "__main__":
    asyncio.run(work(*sys.argv[1:]))
