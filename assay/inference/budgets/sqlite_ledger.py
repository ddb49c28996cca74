"""Budget ledger of one machine: a SQLite file shared by all its processes."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TypeVar

import orjson

from assay.errors import ServiceUnreachable
from assay.inference.budgets.ledger import ACCOUNT_DAYS, Books, BudgetLease, Extension, lease_facts, lease_of

BUSY_SECONDS = 30.0
"""SQLite's lock is not fair: on a busy machine, one of many workers may wait for seconds."""
DAY_SECONDS = 86_400
TABLES = """
create table if not exists accounts (name text primary key, spent integer not null, touched_at real not null);
create table if not exists leases (
    lease_id text primary key,
    facts text not null,
    amount integer not null,
    spent integer not null,
    held integer not null,
    expires_at real not null
);
"""
T = TypeVar("T")


class SqliteLedger:
    """See `Ledger`; each operation is one transaction on its own connection, so that a killed process changes nothing."""

    def __init__(self, path: Path, *, ttl_s: float, clock: Callable[[], float] = time.time) -> None:
        self._path = path
        self._ttl_s = ttl_s
        self._clock = clock

    async def open(self, landed: Mapping[str, int], leases: Sequence[BudgetLease]) -> None:
        """See `Ledger.open`."""
        now = self._clock()
        await self._change(lambda books: books.open(landed, leases, now=now, ttl_s=self._ttl_s))

    async def extend(self, lease: BudgetLease, *, caps: Mapping[str, int], least: int, wanted: int) -> Extension | None:
        """See `Ledger.extend`."""
        now = self._clock()
        return await self._change(
            lambda books: books.extend(lease, caps=caps, growth=(least, wanted), now=now, ttl_s=self._ttl_s)
        )

    async def settle(self, lease_id: str, spent: int) -> bool:
        """See `Ledger.settle`."""
        return await self._change(lambda books: books.settle(lease_id, spent))

    async def close(self) -> None:
        """See `Ledger.close`."""

    async def _change(self, change: Callable[[Books], T]) -> T:
        return await asyncio.to_thread(self._changed, change)

    def _changed(self, change: Callable[[Books], T]) -> T:
        with self._transaction() as connection:
            before = _read(connection)
            books = Books(dict(before.spent), dict(before.leases))
            found = change(books)
            self._write(connection, before=before, after=books)
            return found

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with closing(sqlite3.connect(self._path, timeout=BUSY_SECONDS, isolation_level=None)) as connection:
                connection.execute("pragma journal_mode = wal")
                connection.execute("pragma synchronous = normal")
                connection.executescript(TABLES)
                connection.execute("begin immediate")
                yield connection
                connection.execute("commit")
        except (sqlite3.Error, OSError) as error:
            raise ServiceUnreachable(
                f"The budget ledger {self._path} cannot be used: {error}; it must be a file on a local disk that the "
                "current user may write to",
                next_step="fix its permissions, or delete the file: spending is then read from the warehouse.",
            ) from error

    def _write(self, connection: sqlite3.Connection, *, before: Books, after: Books) -> None:
        now = self._clock()
        connection.executemany(
            "insert or replace into accounts values (?, ?, ?)",
            [(name, spent, now) for name, spent in after.spent.items() if before.spent.get(name) != spent],
        )
        connection.execute("delete from accounts where touched_at < ?", (now - ACCOUNT_DAYS * DAY_SECONDS,))
        connection.executemany(
            "delete from leases where lease_id = ?", [(name,) for name in before.leases.keys() - after.leases.keys()]
        )
        connection.executemany(
            "insert or replace into leases values (?, ?, ?, ?, ?, ?)",
            [
                (name, orjson.dumps(lease_facts(lease)).decode(), lease.amount, lease.spent, lease.held, expires_at)
                for name, (lease, expires_at) in after.leases.items()
                if before.leases.get(name) != (lease, expires_at)
            ],
        )


def _read(connection: sqlite3.Connection) -> Books:
    spent = dict(connection.execute("select name, spent from accounts").fetchall())
    rows = connection.execute("select facts, amount, spent, held, expires_at from leases").fetchall()
    leases = [
        (lease_of(orjson.loads(facts), amount=amount, spent=used, held=held), expires_at)
        for facts, amount, used, held, expires_at in rows
    ]
    return Books(spent, {lease.lease_id: (lease, expires_at) for lease, expires_at in leases})
