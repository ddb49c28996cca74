"""A run by batch: sends open requests, collects finished batches, reports open ones.

No call here waits for a provider's batch to end. Requests without a response from their batch are sent online by the
ordinary pass over requests without a prediction, or by another batch.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from datetime import date

from assay.project import StageContext
from assay.records import Batch
from assay.records.statuses import BatchState
from assay.runs.batches.collection import land_batch
from assay.runs.batches.ledger import OPEN, BatchStatus, latest
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
    """Puts every open request of the run that may go by batch into one, as far as budget and provider allow.

    Requests that a batch included and returned no response for are left to the online pass; `again` sends them once
    more. A request is also left to it when its routes are a cascade, its provider has no Batch API, or it does not fit
    a file.

    Raises:
        ServiceUnreachable: the warehouse or a provider does not respond; resume later, nothing is sent twice.
        UsageError: a provider refuses a batch, or another process has the run's batches.
    """
    with open_batch_session(context, run, tools) as session:
        settle_intents(session)
        Sender(session, again=again).send_all()
        return session.ledger.stand()


def collect_batches(context: StageContext, run: Run, *, tools: BatchDeps = TOOLS) -> BatchStatus:
    """Lands the results of finished batches; the status of each open batch is requested once, without waiting.

    Raises:
        Unreachable, UsageError: as for `submit_batches`.
    """
    with open_batch_session(context, run, tools) as session:
        adopt(session)
        for batch in session.ledger.open():
            _collect(session, batch)
        return session.ledger.stand()


def advance_batches(context: StageContext, run: Run, *, again: bool = False, tools: BatchDeps = TOOLS) -> BatchStatus:
    """Lands finished batches and sends unsent ones; once none is open, the rest of the run goes online.

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
    """Waits until no batch of the run is open; `report` gets the status after each poll.

    Raises:
        Unreachable, UsageError: as for `submit_batches`.
    """
    wait_s, stand = POLL_FIRST_SECONDS, advance_batches(context, run, again=again, tools=tools)
    while stand.open:
        report(stand)
        sleep(wait_s)
        wait_s = min(2 * wait_s, POLL_SECONDS)
        before, stand = stand, collect_batches(context, run, tools=tools)
        if stand.open < before.open:  # the provider has capacity again for a batch that it could not take
            stand = submit_batches(context, run, tools=tools)
    return stand


def batches_running(
    context: StageContext, run_id: str, *, data_date: date, connect: Connect = connect_batches
) -> tuple[int, int]:
    """Returns the number of open batches that providers still process, and of all open ones; changes nothing.

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
    """False for a batch that a resume can continue with: an ended one, and one that may never have been sent."""
    if batch.state != BatchState.SUBMITTED or batch.provider_batch_id is None:
        return False
    return not (await api.retrieve(batch.provider_batch_id)).has_ended


def _collect(session: BatchSession, batch: Batch) -> None:
    if batch.state == BatchState.SUBMITTED and batch.provider_batch_id is not None:
        found = session.wait_for(session.api(batch.provider).retrieve(batch.provider_batch_id))
        if not found.has_ended:
            return
        batch = session.ledger.finished(batch, found)
    if batch.state == BatchState.FINISHED:
        land_batch(session, batch)
