"""A run by batch: send what is open, collect what is finished, say what is still out.

No call here waits for a provider's day. What a batch did not answer is asked online by the ordinary pass, which asks
what has no prediction, or by another batch.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from datetime import date

from assay.project import StageContext
from assay.records import Batch
from assay.runs.batches.collection import land_batch
from assay.runs.batches.ledger import OPEN, BatchState, BatchStatus, latest
from assay.runs.batches.session import (
    TOOLS,
    BatchApi,
    BatchDeps,
    BatchSession,
    Connect,
    connect_batches,
    open_batch_session,
)
from assay.runs.batches.submission import Sender, adopt, settle_intents
from assay.runs.run import Run

POLL_SECONDS = 60.0
POLL_FIRST_SECONDS = 5.0


def submit_batches(context: StageContext, run: Run, *, again: bool = False, tools: BatchDeps = TOOLS) -> BatchStatus:
    """Every open request of the run that may go by batch is in one, as far as budget and provider allow.

    Requests that a batch had and did not answer are left to the online pass; with `again` they are sent once more.
    A request whose routes are a cascade, whose provider has no Batch API or which does not fit into a file is left too.

    Raises:
        Unreachable: the warehouse or a provider does not answer; resume later, nothing is sent twice.
        UsageError: a provider refuses a batch, or another process has the run's batches.
    """
    with open_batch_session(context, run, tools) as desk:
        settle_intents(desk)
        Sender(desk, again=again).send_all()
        return desk.ledger.stand()


def collect_batches(context: StageContext, run: Run, *, tools: BatchDeps = TOOLS) -> BatchStatus:
    """What providers have finished is landed; each open batch was asked about once, and none is waited for.

    Raises:
        Unreachable, UsageError: as for `submit_batches`.
    """
    with open_batch_session(context, run, tools) as desk:
        adopt(desk)
        for batch in desk.ledger.open():
            _collect(desk, batch)
        return desk.ledger.stand()


def advance_batches(context: StageContext, run: Run, *, again: bool = False, tools: BatchDeps = TOOLS) -> BatchStatus:
    """What is finished is landed and what never went out is sent; with none open, the rest of the run is for online.

    Raises:
        Unreachable, UsageError: as for `submit_batches`.
    """
    collect_batches(context, run, tools=tools)
    return submit_batches(context, run, again=again, tools=tools)


def wait_for_batches(
    context: StageContext,
    run: Run,
    *,
    report: Callable[[BatchStatus], None],
    again: bool = False,
    sleep: Callable[[float], None] = time.sleep,
    tools: BatchDeps = TOOLS,
) -> BatchStatus:
    """No batch of the run is open; `report` is told after each look.

    Raises:
        Unreachable, UsageError: as for `submit_batches`.
    """
    wait_s, stand = POLL_FIRST_SECONDS, advance_batches(context, run, again=again, tools=tools)
    while stand.open:
        report(stand)
        sleep(wait_s)
        wait_s = min(2 * wait_s, POLL_SECONDS)
        before, stand = stand, collect_batches(context, run, tools=tools)
        if stand.open < before.open:  # a place is free for what the provider had no room for
            stand = submit_batches(context, run, tools=tools)
    return stand


def batches_running(
    context: StageContext, run_id: str, *, data_date: date, connect: Connect = connect_batches
) -> tuple[int, int]:
    """How many open batches of the run the providers still work on, and how many are open in all; changes nothing.

    Raises:
        Unreachable, UsageError: as for `submit_batches`.
    """
    open_batches = [batch for batch in latest(context.warehouse, run_id, data_date).values() if batch.state in OPEN]
    return asyncio.run(_running(context, open_batches, connect)), len(open_batches)


async def _running(context: StageContext, batches: Sequence[Batch], connect: Connect) -> int:
    apis = {name: connect(context.settings, context.providers[name]) for name in {batch.provider for batch in batches}}
    try:
        return sum([await _runs(apis[batch.provider], batch) for batch in batches])
    finally:
        for api in apis.values():
            await api.close()


async def _runs(api: BatchApi, batch: Batch) -> bool:
    """False for what a resume can go on with: a batch that ended, and one that may never have been sent."""
    if batch.state != BatchState.SUBMITTED or batch.provider_batch_id is None:
        return False
    return not (await api.retrieve(batch.provider_batch_id)).has_ended


def _collect(desk: BatchSession, batch: Batch) -> None:
    if batch.state == BatchState.SUBMITTED and batch.provider_batch_id is not None:
        found = desk.ask(desk.api(batch.provider).retrieve(batch.provider_batch_id))
        if not found.has_ended:
            return
        batch = desk.ledger.finished(batch, found)
    if batch.state == BatchState.FINISHED:
        land_batch(desk, batch)
