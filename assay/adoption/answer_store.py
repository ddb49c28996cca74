"""Answers from files of other tools, by variant, record id and epoch, in a temporary SQLite file."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from assay.adoption.locks import working_folder
from assay.errors import UsageError
from assay.inputs.canonical import canonical_json

TABLES = """
create table answers (
    variant text not null, record_id text not null, epoch integer not null, place text not null, item blob not null,
    primary key (variant, record_id, epoch)
) without rowid;
create table samples (number integer primary key, record_id text not null unique, cells blob not null)
"""
FILE_NAME = "answers.sqlite3"


@dataclass(frozen=True, slots=True)
class FoundAnswer:
    """One answer of a file; `place` says where, for messages; `cells` is the record itself, if the file contains it."""

    record_id: str
    epoch: int
    place: str
    item: Mapping[str, Any]
    cells: Mapping[str, Any] | None = None


class AnswerStore:
    """Answers on disk, so that memory use is independent of their number; deleted with the store."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def add(self, answers: Iterable[tuple[str, FoundAnswer]], *, label: str) -> None:
        """Adds the answers of one file or table, each with its variant.

        Raises:
            UsageError: there is no answer, or there are two answers for one record and epoch.
        """
        is_empty = True
        for variant, answer in answers:
            self._add(variant, answer, label=label)
            is_empty = False
        if is_empty:
            raise UsageError(f"{label} contains no answer: expected at least one", next_step="check the file.")
        self._connection.commit()

    def items(self, variant: str, record_id: str) -> list[Mapping[str, Any] | None]:
        """Returns the answers for the record, one per epoch up to the last one in the file; None where one is absent."""
        found = self._connection.execute(
            "select epoch, item from answers where variant = ? and record_id = ? order by epoch", (variant, record_id)
        ).fetchall()
        by_epoch = {epoch: orjson.loads(item) for epoch, item in found}
        return [by_epoch.get(epoch) for epoch in range(max(by_epoch, default=-1) + 1)]

    def epochs(self, variant: str) -> int:
        """Number of epochs of the variant's answers."""
        rows = self._connection.execute("select coalesce(max(epoch), 0) from answers where variant = ?", (variant,))
        return 1 + int(rows.fetchone()[0])

    def record_count(self, variant: str) -> int:
        """Number of records for which the variant has an answer."""
        rows = self._connection.execute("select count(distinct record_id) from answers where variant = ?", (variant,))
        return int(rows.fetchone()[0])

    def records(self) -> Iterator[Mapping[str, Any]]:
        """Yields the records that the files contain, in the order of the first file."""
        for (cells,) in self._connection.execute("select cells from samples order by number"):
            yield orjson.loads(cells)

    def _add(self, variant: str, answer: FoundAnswer, *, label: str) -> None:
        try:
            self._connection.execute(
                "insert into answers values (?, ?, ?, ?, ?)",
                (variant, answer.record_id, answer.epoch, answer.place, canonical_json(answer.item)),
            )
        except sqlite3.IntegrityError as error:
            raise UsageError(
                f"{label}: {answer.place} and {self._place(variant, answer)} answer the same record and epoch",
                next_step="remove one of them.",
            ) from error
        if answer.cells is not None:
            cells = canonical_json(answer.cells)
            self._connection.execute(
                "insert or ignore into samples (record_id, cells) values (?, ?)", (answer.record_id, cells)
            )

    def _place(self, variant: str, answer: FoundAnswer) -> str:
        key = (variant, answer.record_id, answer.epoch)
        sql = "select place from answers where variant = ? and record_id = ? and epoch = ?"
        return str(self._connection.execute(sql, key).fetchone()[0])


@contextmanager
def answer_store(parent: Path) -> Iterator[AnswerStore]:
    """An empty store in a new private folder below `parent`, which is deleted at the end."""
    with working_folder(parent) as folder:
        folder.mkdir(mode=0o700)
        with closing(sqlite3.connect(folder / FILE_NAME, check_same_thread=False)) as connection:
            connection.execute("pragma journal_mode = off")
            connection.execute("pragma synchronous = off")
            connection.executescript(TABLES)
            yield AnswerStore(connection)
