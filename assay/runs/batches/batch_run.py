"""A run through a Batch API: sends open requests, collects finished batches, reports open ones.

Only `wait_for_batches` waits for a provider's batch to end. Requests that got no response from their batch are sent
online by the request stage, or in another batch.
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
from assay.stop_signals import raise_if_stopped

POLL_SECONDS = 60.0
POLL_FIRST_SECONDS = 5.0


def submit_batches(context: StageContext, run: Run, *, again: bool = False, tools: BatchDeps = TOOLS) -> BatchStatus:
    """Sends every open request of the run that can be batched, within the budget and the provider's limits.

    Requests that got no response from a batch are left to the online pass; with `again`, they are batched once more. A
    request is also left to the online pass if its routes are a cascade, its provider has no Batch API, or it does not
    fit into a file.

    Raises:
        StopRequested: a stop signal was received.
        ServiceUnreachable: the warehouse or a provider does not respond; resume later, nothing is sent twice.
        UsageError: a provider rejects a batch, or another process is working on the run's batches.
    """
    raise_if_stopped()
    with open_batch_session(context, run, tools) as session:
        settle_intents(session)
        Sender(session, again=again).send_all()
        return session.ledger.status()


def collect_batches(context: StageContext, run: Run, *, tools: BatchDeps = TOOLS) -> BatchStatus:
    """Lands the results of finished batches; the status of each open batch is requested once, without waiting.

    Raises:
        ServiceUnreachable, UsageError: as for `submit_batches`.
    """
    with open_batch_session(context, run, tools) as session:
        adopt(session)
        for batch in session.ledger.open():
            _collect(session, batch)
        return session.ledger.status()


def advance_batches(context: StageContext, run: Run, *, again: bool = False, tools: BatchDeps = TOOLS) -> BatchStatus:
    """Lands finished batches and sends unsent ones; once none is open, the other requests are left to the online pass.

    Raises:
        ServiceUnreachable, UsageError: as for `submit_batches`.
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
    """Waits until no batch of the run is open; `report` is called with the status before each poll.

    Raises:
        ServiceUnreachable, UsageError: as for `submit_batches`.
    """
    wait_s, status = POLL_FIRST_SECONDS, advance_batches(context, run, again=again, tools=tools)
    while status.open:
        report(status)
        sleep(wait_s)
        wait_s = min(2 * wait_s, POLL_SECONDS)
        before, status = status, collect_batches(context, run, tools=tools)
        if status.open < before.open:  # the provider now has capacity for a batch that it could not accept
            status = submit_batches(context, run, tools=tools)
    return status


def batches_running(
    context: StageContext, run_id: str, *, data_date: date, connect: Connect = connect_batches
) -> tuple[int, int]:
    """Returns the number of open batches that providers are still processing, and the number of all open batches.

    Raises:
        ServiceUnreachable, UsageError: as for `submit_batches`.
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
    """True if the provider is still processing the batch; False if it has ended or may never have been sent."""
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
