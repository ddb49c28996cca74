"""Collects the rows of a run and flushes them while the run is going.

When to flush and in which order belongs here: contents, responses, predictions; the prediction is the commit marker,
so a run that is killed between two appends has lost nothing that a prediction speaks of.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import Protocol

from assay.inference.request import Answered
from assay.records import Content, Prediction, Response, Row

FLUSH_ROWS = 500
FLUSH_SECONDS = 2.0
FULL_ROWS = 4 * FLUSH_ROWS


class RowSink(Protocol):
    """Where rows go; at least once."""

    def append(self, rows: Sequence[Row]) -> int:
        """The rows, all of one table, are kept."""
        ...


class AnswerBuffer:
    """Answers waiting to be landed; one flush at a time, in a thread, while others go on being answered."""

    def __init__(self, sink: RowSink, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._sink = sink
        self._clock = clock
        self._waiting: list[Answered] = []
        self._oldest: float | None = None
        self._flushing = asyncio.Lock()
        self.landed = 0

    async def add(self, answered: Answered) -> None:
        """The answer will be landed at the next flush; waits while the warehouse is behind."""
        self._waiting.append(answered)
        if self._oldest is None:
            self._oldest = self._clock()
        if len(self._waiting) >= FULL_ROWS or (len(self._waiting) >= FLUSH_ROWS and not self._flushing.locked()):
            await self.flush()

    def is_due(self) -> bool:
        """True when the oldest waiting answer has waited long enough."""
        return self._oldest is not None and self._clock() - self._oldest >= FLUSH_SECONDS

    async def flush(self) -> None:
        """Everything added so far is in the warehouse.

        An append that has begun is ended also when the caller is cancelled, so that no row lands twice for it.

        Raises:
            Unreachable: it is not; the rows stay in the buffer.
        """
        landing = asyncio.create_task(self._flush())
        try:
            await asyncio.shield(landing)
        except asyncio.CancelledError:
            await asyncio.wait((landing,))
            if not landing.cancelled():
                landing.exception()  # its rows are back in the buffer, and the next flush meets the same fault
            raise

    async def _flush(self) -> None:
        async with self._flushing:
            batch, oldest = self._waiting, self._oldest
            if not batch:
                return
            self._waiting, self._oldest = [], None
            try:
                await asyncio.to_thread(land_answers, self._sink, batch)
            except BaseException:
                self._waiting, self._oldest = [*batch, *self._waiting], oldest
                raise
            self.landed += len(batch)

    async def flush_when_due(self, *, tick_s: float = 0.25) -> None:
        """Flushes by time until it is cancelled."""
        while True:
            await asyncio.sleep(tick_s)
            if self.is_due():
                await self.flush()


def land_answers(sink: RowSink, answers: Sequence[Answered]) -> None:
    """The rows of the answers are in the warehouse, in the order that makes the prediction the commit marker."""
    contents: list[Content] = [row for answered in answers for row in answered.contents]
    responses: list[Response] = [row for answered in answers for row in answered.responses]
    predictions: list[Prediction] = [answered.prediction for answered in answers if answered.prediction is not None]
    for rows in (contents, responses, predictions):
        sink.append(rows)
