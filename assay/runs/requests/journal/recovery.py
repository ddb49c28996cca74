"""A buffer of results with its journal: rows left by a killed process are landed before new ones."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from assay.inference.call_rows import CallRows
from assay.inference.cancelling import cancel_and_wait
from assay.inference.endpoint.failures import CallFailure, FailureKind
from assay.inference.request import RequestResult
from assay.inference.telemetry.protocol import Events
from assay.ports import RowSink
from assay.runs.requests.answer_buffer import AnswerBuffer, land_answers
from assay.runs.requests.journal.journal import Journal

KILLED = CallFailure(FailureKind.CONNECT, "the process ended while the call was in progress", broke_off=True)


@asynccontextmanager
async def open_journaled_buffer(
    journal: Journal, rows: CallRows, sink: RowSink, *, events: Events
) -> AsyncIterator[AnswerBuffer]:
    """Opens the journal for this process; after the block it is deleted if everything is landed.

    Raises:
        UsageError: another process has it open.
        ServiceUnreachable: rows left by an earlier process cannot be landed.
    """
    journal.open()
    buffer, recovered = AnswerBuffer(sink, journal=journal, events=events), False
    try:
        await asyncio.to_thread(_land_recovered, journal, rows, sink)
        recovered = True
        yield buffer
    finally:
        journal.close(everything_landed=recovered and buffer.is_empty)


@asynccontextmanager
async def flushed(buffer: AnswerBuffer, halt: asyncio.Event) -> AsyncIterator[None]:
    """Flushes the buffer when due, and completely at the end of the block; an error sets `halt` and is raised."""
    flusher = asyncio.create_task(buffer.flush_when_due())
    flusher.add_done_callback(lambda _: halt.set())
    try:
        yield
        if flusher.done():
            await flusher
    finally:
        await cancel_and_wait(flusher)
        await buffer.flush()


def _land_recovered(journal: Journal, rows: CallRows, sink: RowSink) -> None:
    """Lands the results that a killed process had received, and a row for each call whose outcome is unknown."""
    recovered = journal.recover()
    lost = [rows.response(call, KILLED, latency_ms=None) for call in recovered.broken_off]
    land_answers(sink, [*recovered.answers, RequestResult(None, tuple(lost))])
    journal.forget_earlier()
