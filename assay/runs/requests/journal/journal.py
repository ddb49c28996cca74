"""Journal of a run on this machine since the last flush: dispatched calls and paid responses.

After a crash, a resume lands the content of the journal, so that no response is paid for twice and every call has a
row. The journal drops rows as soon as they are landed.
"""

from __future__ import annotations

import fcntl
import logging
import os
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from assay.errors import RunInUse, disk_errors
from assay.inference.call_rows import CallFacts
from assay.inference.request import RequestResult
from assay.records import Content, Prediction, Response
from assay.records.evaluation import Score
from assay.runs.requests.journal.pages import (
    PAGE_BYTES,
    SPARE_BYTES,
    Page,
    forget_pages,
    last_numbers,
    read_pages,
)
from assay.runs.requests.journal.rows import LAYOUT, LAYOUTS, call_from, call_line, record_from, values_of

LOCK = "lock"
OWNER_ONLY = 0o600
LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Recovered:
    """Content left by an earlier process: its results, and its calls with an unknown outcome."""

    answers: tuple[RequestResult, ...]
    broken_off: tuple[CallFacts, ...]


class Journal:
    """The journal of one run, or one shard of it; one process at a time may write it.

    Lines are written to shared memory-mapped files, which needs no system call. A written line survives a crash of the
    process, but not of the machine.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock: int | None = None
        self._pages: list[Page] = []
        self._free: list[Page] = []
        self._last = self._files = 0
        self._under_way: dict[str, bytes] = {}

    def open(self) -> None:
        """Locks the journal for this process.

        Raises:
            RunInUse: another process on this machine is working on this run.
            UsageError: the folder cannot be written.
        """
        with disk_errors("The journal", self._folder):
            self._folder.mkdir(parents=True, exist_ok=True)
            self._lock = os.open(self._folder / LOCK, os.O_CREAT | os.O_RDWR, OWNER_ONLY)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            os.close(self._lock)
            self._lock = None
            raise RunInUse(
                f"Another process on this machine is working on run {self._folder.parent.name}",
                next_step="wait until it exits, or stop it and resume the run.",
            ) from error
        self._last, self._files = last_numbers(self._folder)

    def recover(self) -> Recovered:
        """Returns the content left by earlier processes; damaged lines are copied next to the journal and reported."""
        answers: list[RequestResult] = []
        sent: dict[str, CallFacts] = {}
        damaged: list[bytes] = []
        for line in self._lines():
            try:
                found = _read(line)
            except (ValueError, TypeError, LookupError, ArithmeticError):
                damaged.append(line)
                continue
            if isinstance(found, CallFacts):
                sent[found.call_id] = found
                continue
            answers.append(found)
            for response in found.responses:
                sent.pop(response.call_id, None)
        if damaged:
            self._keep_damaged(damaged)
        known = {response.call_id for answered in answers for response in answered.responses}
        lost = [call for call_id, call in sent.items() if call_id not in known]
        return Recovered(tuple(answers), tuple(lost))

    def forget_earlier(self) -> None:
        """Deletes the content left by earlier processes; it must be landed."""
        with disk_errors("The journal", self._folder):
            forget_pages(self._folder, but=(page.path for page in (*self._pages, *self._free)))

    def dispatched(self, call: CallFacts) -> None:
        """See `CallJournal.dispatched`.

        Raises:
            UsageError: the disk has no space for the call or its response, so that it must not be sent.
        """
        if not self._free:
            self._free.append(self._new_page(0, size=SPARE_BYTES))
        line = orjson.dumps(call_line(call), default=str, option=orjson.OPT_APPEND_NEWLINE)
        self._write(line)  # first: a call that cannot be journaled is not sent
        self._under_way[call.call_id] = line

    def answered(self, answered: RequestResult) -> None:
        """Stores the result with its rows until it is landed."""
        rows = (answered.prediction, *answered.responses, *answered.contents, *answered.scores)
        line = [(row.table, values_of(row)) for row in rows if row is not None]
        self._write(orjson.dumps(line, default=str, option=orjson.OPT_APPEND_NEWLINE))
        for response in answered.responses:
            self._under_way.pop(response.call_id, None)

    def turn_page(self) -> int:
        """Closes the current page and starts a new one; returns the number of the closed page."""
        full = self._pages[-1].number if self._pages else self._last
        self._begin_page(b"".join(self._under_way.values()))
        return full

    def forget(self, page: int) -> None:
        """Frees the pages up to this one for reuse; their rows must be landed."""
        done = [kept for kept in self._pages if kept.number <= page]
        self._pages = [kept for kept in self._pages if kept.number > page]
        for kept in done:
            kept.clear()
        self._free += done

    def close(self, *, everything_landed: bool) -> None:
        """Unlocks the journal for other processes, and deletes it if everything is landed."""
        for page in (*self._pages, *self._free):
            page.close()
        self._pages, self._free = [], []
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None
        if everything_landed:
            shutil.rmtree(self._folder, ignore_errors=True)

    def _write(self, line: bytes) -> None:
        if not self._pages or not self._pages[-1].write(line):
            self._begin_page(line)

    def _begin_page(self, first: bytes) -> None:
        fitting = next((page for page in self._free if page.capacity >= len(first)), None)
        if fitting is not None:
            self._free.remove(fitting)
        else:
            fitting = self._new_page(len(first))
        self._last += 1
        fitting.begin(self._last)
        fitting.write(first)
        self._pages.append(fitting)

    def _new_page(self, at_least: int, *, size: int = PAGE_BYTES) -> Page:
        self._files += 1
        return Page(self._folder / f"{self._files}.journal", at_least, layout=LAYOUT, size=size)

    def _keep_damaged(self, lines: Sequence[bytes]) -> None:
        copy = self._folder.with_name(f"{self._folder.name}.damaged")
        with disk_errors("The copy of damaged lines", copy):
            file = os.open(copy, os.O_CREAT | os.O_WRONLY | os.O_APPEND, OWNER_ONLY)
            with os.fdopen(file, "ab") as kept:
                kept.write(b"".join(line + b"\n" for line in lines))
        LOG.warning(
            "The journal %s has %d damaged lines, copied to %s: their calls may have been paid for and are not recorded; "
            "requests without a prediction are sent again.",
            self._folder,
            len(lines),
            copy,
        )

    def _lines(self) -> Iterator[bytes]:
        for content in read_pages(self._folder, layouts=LAYOUTS):
            yield from content.splitlines()


def _read(line: bytes) -> CallFacts | RequestResult:
    """The call or the result in a line.

    Raises:
        ValueError, TypeError, LookupError, ArithmeticError: the line is damaged.
    """
    content = orjson.loads(line)
    return call_from(content) if isinstance(content, dict) else _answered(content)


def _answered(line: list[tuple[str, list[Any]]]) -> RequestResult:
    rows = [record_from(table, values) for table, values in line]
    predictions = [row for row in rows if isinstance(row, Prediction)]
    return RequestResult(
        predictions[0] if predictions else None,
        tuple(row for row in rows if isinstance(row, Response)),
        tuple(row for row in rows if isinstance(row, Content)),
        tuple(row for row in rows if isinstance(row, Score)),
    )
