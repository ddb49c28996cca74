"""Stores the turns of one worker's run in a file, so that memory use does not grow with the number of conversations.

The file is used by one worker during one run; the warehouse, and Redis if configured, store turns beyond the run.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from pathlib import Path

from assay.inference.conversations.protocol import ConversationId, PastTurn

SETTINGS = ("pragma journal_mode = off", "pragma synchronous = off", "pragma locking_mode = exclusive")
TABLE = """
create table turns (
    key text not null,
    epoch integer not null,
    number integer not null,
    question text not null,
    answer text not null,
    answered_at real not null,
    primary key (key, epoch, number)
) without rowid
"""
PUT = "insert or replace into turns values (?, ?, ?, ?, ?, ?)"
FIND = "select number, question, answer, answered_at from turns where key = ? and epoch = ? order by number"
FORGET = "delete from turns where key = ? and epoch = ?"


class FileStore:
    """Turns in a new file at `path`; must be used by one thread at a time."""

    def __init__(self, path: Path) -> None:
        self._file = scratch_file(path, TABLE)

    async def load(self, talk: ConversationId) -> Sequence[PastTurn]:
        """See `ConversationStore.load`."""
        rows = self._file.execute(FIND, (talk.key, talk.epoch))
        return [
            PastTurn(number=number, question=question, answer=answer, answered_at=answered_at)
            for number, question, answer, answered_at in rows
        ]

    async def append(self, talk: ConversationId, turn: PastTurn) -> None:
        """See `ConversationStore.append`."""
        self._file.execute(PUT, _row(talk, turn))

    def add(self, turns: Iterable[tuple[ConversationId, PastTurn]]) -> None:
        """Stores the turns in one transaction."""
        self._file.execute("begin")
        self._file.executemany(PUT, (_row(talk, turn) for talk, turn in turns))
        self._file.execute("commit")

    def forget(self, talk: ConversationId) -> None:
        """Deletes all turns of the conversation."""
        self._file.execute(FORGET, (talk.key, talk.epoch))

    async def close(self) -> None:
        """See `ConversationStore.close`."""
        self._file.close()


def scratch_file(path: Path, *tables: str) -> sqlite3.Connection:
    """A new database readable only by its owner; not durable, because it is not needed after a crash."""
    path.unlink(missing_ok=True)
    path.touch(mode=0o600)
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    for statement in (*SETTINGS, *tables):
        connection.execute(statement)
    return connection


def _row(talk: ConversationId, turn: PastTurn) -> tuple[str | int | float, ...]:
    return talk.key, talk.epoch, turn.number, turn.question, turn.answer, turn.answered_at
