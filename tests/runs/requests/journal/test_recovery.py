"""What a killed process had received is landed first, and the journal is deleted only when nothing is left to land."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import cast

import pytest

from assay.errors import ServiceUnreachable
from assay.inference.call_rows import CallRows
from assay.inference.telemetry.protocol import NoEvents
from assay.records import Row
from assay.runs.requests.answer_buffer import AnswerBuffer
from assay.runs.requests.journal.journal import Journal
from assay.runs.requests.journal.recovery import open_journaled_buffer
from tests.runs.requests.journal.test_journal import answer, killed, left_by, names

NO_CALLS = cast(CallRows, None)
"""Only calls without a response need it."""


class Sink:
    """Keeps the rows; refuses them while `away`."""

    def __init__(self, *, away: bool = False) -> None:
        self.away, self.rows = away, list[Row]()

    def append(self, rows: Sequence[Row]) -> int:
        if self.away:
            raise ServiceUnreachable("away")
        self.rows += rows
        return len(rows)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "run-1" / "0-of-1"


def resumed(folder: Path, sink: Sink, *, adds: Sequence[str] = (), flushes: bool = True) -> list[Path]:
    """The journal's files while the resumed process runs, which receives these results."""

    async def scenario() -> list[Path]:
        async with open_journaled_buffer(Journal(folder), NO_CALLS, sink, events=NoEvents()) as buffer:
            found = list(folder.glob("*.journal"))
            await _receive(buffer, adds, flushes=flushes)
            return found

    return asyncio.run(scenario())


async def _receive(buffer: AnswerBuffer, adds: Sequence[str], *, flushes: bool) -> None:
    for name in adds:
        await buffer.add(answer(name))
    if flushes:
        await buffer.flush()


def test_recovered_results_are_landed_and_deleted_before_a_new_one_comes(folder: Path) -> None:
    killed(folder, lambda journal: journal.answered(answer("a")))
    sink = Sink()

    assert resumed(folder, sink) == []
    assert [row.table for row in sink.rows] == ["contents", "responses", "predictions"]
    assert not folder.exists()


def test_recovered_results_that_could_not_be_landed_are_kept(folder: Path) -> None:
    killed(folder, lambda journal: journal.answered(answer("a")))

    with pytest.raises(ServiceUnreachable):
        resumed(folder, Sink(away=True))

    assert names(left_by(folder, lambda journal: None)) == (["a"], [])


def test_results_that_are_not_flushed_are_kept(folder: Path) -> None:
    resumed(folder, Sink(), adds="b", flushes=False)

    assert names(left_by(folder, lambda journal: None)) == (["b"], [])


def test_nothing_is_left_once_all_results_are_flushed(folder: Path) -> None:
    resumed(folder, Sink(), adds="b")

    assert not folder.exists()
