"""Collects the rows of a run and flushes them during the run.

Tables are flushed in this order: contents, responses, predictions, scores. The prediction, or a judge's score, is the
commit marker: a run that is killed between two appends has landed every row that a prediction refers to.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Protocol

from assay.errors import AssayError
from assay.inference.request import RequestResult
from assay.inference.telemetry.protocol import Events, NoEvents
from assay.ports import RowSink
from assay.records import Content, Prediction, Response, SemanticCacheEntry
from assay.records.evaluation import Score
from assay.records.row import Row

FLUSH_ROWS = 500
FLUSH_SECONDS = 1.0
FULL_ROWS = 2 * FLUSH_ROWS


class AnswerJournal(Protocol):
    """Keeps results until they are landed; see `journal.py`."""

    def answered(self, answered: RequestResult) -> None:
        """Stores the result."""
        ...

    def turn_page(self) -> int:
        """Closes the current page and starts a new one; returns the number of the closed page."""
        ...

    def forget(self, page: int) -> None:
        """Drops the pages up to this one, which are landed."""
        ...


class AnswerBuffer:
    """Results waiting to be landed; one flush at a time, in a thread, while requests continue."""

    def __init__(
        self,
        sink: RowSink,
        *,
        journal: AnswerJournal | None = None,
        events: Events | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._sink = sink
        self._journal = journal
        self._events = events or NoEvents()
        self._clock = clock
        self._waiting: list[RequestResult] = []
        self._entries: list[SemanticCacheEntry] = []
        self._oldest: float | None = None
        self._flushing = asyncio.Lock()
        self._enough = asyncio.Event()
        self.landed = 0

    async def add(self, answered: RequestResult) -> None:
        """Adds the result to the next flush; waits if the warehouse falls behind."""
        self._keep(answered)
        if len(self._waiting) >= FLUSH_ROWS:
            self._enough.set()
            if len(self._waiting) >= FULL_ROWS:
                await self.flush()

    def note(self, row: SemanticCacheEntry | Response) -> None:
        """Adds a row that belongs to no `RequestResult` to the next flush."""
        if isinstance(
            row, SemanticCacheEntry
        ):  # losing it in a crash does no harm: the prediction it repeats is stored
            self._entries.append(row)
        else:
            self._keep(RequestResult(None, (row,)))

    def _keep(self, answered: RequestResult) -> None:
        self._waiting.append(answered)
        if self._oldest is None:
            self._oldest = self._clock()
        if self._journal is not None and answered.responses:
            self._journal.answered(answered)  # last: if the disk fails, the result is landed all the same

    @property
    def is_empty(self) -> bool:
        """True if everything added is in the warehouse."""
        return not self._waiting

    def is_due(self) -> bool:
        """True if enough results are waiting, or the oldest has waited long enough."""
        waited = self._oldest is not None and self._clock() - self._oldest >= FLUSH_SECONDS
        return waited or len(self._waiting) >= FLUSH_ROWS

    async def flush(self) -> None:
        """Lands everything added so far.

        An append in progress is completed even if the caller is cancelled, so that no row is landed twice.

        Raises:
            ServiceUnreachable: the warehouse does not accept the rows; they stay in the buffer.
            UsageError: the journal has no space for another page; the rows have landed.
        """
        landing = asyncio.create_task(self._flush())
        try:
            await asyncio.shield(landing)
        except asyncio.CancelledError:
            while not landing.done():
                with suppress(asyncio.CancelledError):  # cancellation waits until the append has ended
                    await asyncio.wait((landing,))
            if not landing.cancelled():
                landing.exception()  # its rows are back in the buffer, and the next flush reports the error
            raise

    async def _flush(self) -> None:
        async with self._flushing:
            if not self._waiting and not self._entries:
                return
            page, failure = self._turned_page()
            batch, oldest, entries = self._waiting, self._oldest, self._entries
            self._waiting, self._oldest, self._entries = [], None, []
            began = self._clock()
            try:
                # Encoding runs in the thread too: results that arrive meanwhile are read and journaled at once.
                await asyncio.to_thread(self._append, (entries, *rows_of(batch)))
            except BaseException as error:
                self._waiting, self._oldest = [*batch, *self._waiting], oldest
                self._entries[:0] = entries
                self._report(len(batch), began, type(error).__name__)
                raise
            self.landed += len(batch)
            self._report(len(batch), began)
            if failure is not None:
                raise failure
            if self._journal is not None:
                self._journal.forget(page)

    def _turned_page(self) -> tuple[int, AssayError | None]:
        """Returns the number of the closed page; if the disk has no space for another, the error, to be raised later."""
        try:
            return self._journal.turn_page() if self._journal is not None else 0, None
        except AssayError as failure:
            return 0, failure

    def _append(self, tables: Sequence[Sequence[Row]]) -> None:
        for rows in tables:
            if rows:
                self._sink.append(rows)

    def _report(self, rows: int, began: float, error_type: str | None = None) -> None:
        lasted_ms = round((self._clock() - began) * 1000)
        self._events.emit("flush", rows=rows, ms=lasted_ms, waiting=len(self._waiting), error_type=error_type)

    async def flush_when_due(self, *, tick_s: float = 0.25) -> None:
        """Flushes whenever enough results wait or the oldest has waited long enough, until it is cancelled."""
        while True:
            self._enough.clear()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._enough.wait(), tick_s)
            if self.is_due():
                await self.flush()


def land_answers(sink: RowSink, answers: Sequence[RequestResult]) -> None:
    """Lands the rows of the results table by table, so that the commit markers come last."""
    for rows in rows_of(answers):
        sink.append(rows)


def rows_of(answers: Sequence[RequestResult]) -> tuple[list[Content], list[Response], list[Prediction], list[Score]]:
    """Returns the rows of the results, table by table, in the order in which they are landed."""
    contents = [row for answered in answers for row in answered.contents]
    responses = [row for answered in answers for row in answered.responses]
    predictions = [answered.prediction for answered in answers if answered.prediction is not None]
    scores = [row for answered in answers for row in answered.scores]
    return contents, responses, predictions, scores
