"""Answers land in the order that makes the prediction the last word, once, and stay when the warehouse is away."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, cast

import pytest

from assay.errors import ServiceUnreachable
from assay.inference.request import RequestResult
from assay.inference.telemetry.protocol import Field
from assay.records import Content, Prediction, Response, SemanticCacheEntry
from assay.records.row import Row
from assay.runs.requests.answer_buffer import FLUSH_ROWS, FULL_ROWS, AnswerBuffer
from tests.warehouse.examples import full


class ListSink:
    """Keeps what it is given; refuses while `away`, waits while `gate` is closed."""

    def __init__(self, *, away: bool = False) -> None:
        self.away = away
        self.gate = threading.Event()
        self.gate.set()
        self.begun = threading.Event()
        self.rows: list[Row] = []

    def append(self, rows: Sequence[Row]) -> int:
        if self.away:
            raise ServiceUnreachable("away")
        self.begun.set()
        assert self.gate.wait(10)
        self.rows += rows
        return len(rows)


class Heard:
    """Keeps what is told."""

    def __init__(self) -> None:
        self.events: list[tuple[str, dict[str, Any]]] = []

    def emit(self, name: str, **fields: Field) -> None:
        self.events.append((name, fields))


def answer(number: int) -> RequestResult:
    prediction = cast(Prediction, full("predictions"))
    return RequestResult(
        replace(prediction, prediction_id=f"p{number}"),
        (cast(Response, full("responses")),),
        (cast(Content, full("contents")),),
    )


def test_contents_land_before_responses_and_predictions_last() -> None:
    sink = ListSink()

    async def scenario() -> None:
        buffer = AnswerBuffer(sink)
        for number in range(2):
            await buffer.add(answer(number))
        await buffer.flush()

    asyncio.run(scenario())
    assert [row.table for row in sink.rows] == ["contents"] * 2 + ["responses"] * 2 + ["predictions"] * 2


def test_a_full_buffer_is_flushed_by_itself() -> None:
    sink = ListSink()

    async def scenario() -> None:
        buffer = AnswerBuffer(sink)
        for number in range(FULL_ROWS):
            await buffer.add(answer(number))

    asyncio.run(scenario())
    assert len(sink.rows) == 3 * FULL_ROWS


def test_enough_answers_are_flushed_without_waiting_for_the_clock() -> None:
    sink = ListSink()

    async def scenario() -> None:
        buffer = AnswerBuffer(sink, clock=lambda: 0.0)
        ticking = asyncio.create_task(buffer.flush_when_due(tick_s=60))
        await asyncio.sleep(0)
        for number in range(FLUSH_ROWS):
            await buffer.add(answer(number))
        while buffer.landed == 0:
            await asyncio.sleep(0.001)
        ticking.cancel()

    asyncio.run(scenario())
    assert len(sink.rows) == 3 * FLUSH_ROWS


def test_an_old_answer_is_flushed_by_the_clock() -> None:
    sink, times = ListSink(), iter([0.0, *[100.0] * 50])

    async def scenario() -> None:
        buffer = AnswerBuffer(sink, clock=lambda: next(times))
        await buffer.add(answer(1))
        ticking = asyncio.create_task(buffer.flush_when_due(tick_s=0.001))
        while buffer.landed == 0:
            await asyncio.sleep(0.001)
        ticking.cancel()

    asyncio.run(scenario())
    assert len(sink.rows) == 3


def test_an_answer_is_due_a_second_after_it_was_added_and_the_buffer_empty_once_it_landed() -> None:
    sink, now = ListSink(), 100.0

    async def scenario() -> None:
        nonlocal now
        buffer = AnswerBuffer(sink, clock=lambda: now)
        assert (buffer.is_empty, buffer.is_due()) == (True, False)
        await buffer.add(answer(1))
        now += 0.5
        await buffer.add(answer(2))
        assert (buffer.is_empty, buffer.is_due()) == (False, False)
        now += 0.5
        assert buffer.is_due()
        await buffer.flush()
        assert (buffer.is_empty, buffer.is_due()) == (True, False)

    asyncio.run(scenario())


def test_rows_that_could_not_land_are_kept_for_the_next_flush() -> None:
    sink = ListSink(away=True)

    async def scenario() -> None:
        buffer = AnswerBuffer(sink)
        await buffer.add(answer(1))
        with pytest.raises(ServiceUnreachable):
            await buffer.flush()
        sink.away = False
        await buffer.flush()
        await buffer.flush()

    asyncio.run(scenario())
    assert len(sink.rows) == 3


@pytest.mark.parametrize("times", [1, 3])
def test_a_flush_that_is_cancelled_lands_its_rows_once(times: int) -> None:
    sink = ListSink()
    sink.gate.clear()

    async def scenario() -> None:
        buffer = AnswerBuffer(sink)
        await buffer.add(answer(1))
        flushing = asyncio.create_task(buffer.flush())
        await asyncio.to_thread(sink.begun.wait, 10)
        for _ in range(times):
            flushing.cancel()
            await asyncio.sleep(0.01)
        assert not flushing.done()
        sink.gate.set()
        with pytest.raises(asyncio.CancelledError):
            await flushing
        await buffer.flush()

    asyncio.run(scenario())
    assert len(sink.rows) == 3


def test_rows_that_belong_to_no_answer_land_before_the_predictions() -> None:
    sink = ListSink()
    entry, embedding = cast(SemanticCacheEntry, full("semantic_cache")), cast(Response, full("responses"))

    async def scenario() -> None:
        buffer = AnswerBuffer(sink)
        buffer.note(entry)
        buffer.note(embedding)
        await buffer.add(answer(1))
        await buffer.flush()

    asyncio.run(scenario())
    tables = [row.table for row in sink.rows]
    assert tables == ["semantic_cache", "contents", "responses", "responses", "predictions"]


def test_a_noted_entry_lands_also_when_no_answer_waits() -> None:
    sink = ListSink()

    async def scenario() -> None:
        buffer = AnswerBuffer(sink)
        buffer.note(cast(SemanticCacheEntry, full("semantic_cache")))
        await buffer.flush()

    asyncio.run(scenario())
    assert [row.table for row in sink.rows] == ["semantic_cache"]


def test_noted_rows_stay_when_the_warehouse_is_away() -> None:
    sink = ListSink(away=True)

    async def scenario() -> None:
        buffer = AnswerBuffer(sink)
        buffer.note(cast(SemanticCacheEntry, full("semantic_cache")))
        await buffer.add(answer(1))
        with pytest.raises(ServiceUnreachable):
            await buffer.flush()
        sink.away = False
        await buffer.flush()

    asyncio.run(scenario())
    assert [row.table for row in sink.rows] == ["semantic_cache", "contents", "responses", "predictions"]


def test_a_flush_is_told_with_how_long_it_took() -> None:
    told, times = Heard(), iter([100.0, 100.0, 102.5])

    async def scenario() -> None:
        buffer = AnswerBuffer(ListSink(), events=told, clock=lambda: next(times))
        await buffer.add(answer(1))
        await buffer.flush()

    asyncio.run(scenario())
    assert [(fields["ms"], fields["waiting"]) for _, fields in told.events] == [(2500, 0)]


def test_a_flush_is_told_with_its_rows_and_what_went_wrong() -> None:
    sink, told = ListSink(away=True), Heard()

    async def scenario() -> None:
        buffer = AnswerBuffer(sink, events=told)
        await buffer.add(answer(1))
        with pytest.raises(ServiceUnreachable):
            await buffer.flush()
        sink.away = False
        await buffer.flush()

    asyncio.run(scenario())
    assert [(name, fields["rows"], fields["error_type"]) for name, fields in told.events] == [
        ("flush", 1, "ServiceUnreachable"),
        ("flush", 1, None),
    ]
