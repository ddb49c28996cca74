"""Cache entries of one machine in a SQLite file that several processes may use at the same time.

A damaged file is renamed and replaced by a new one; a lost entry costs another call, but never returns a wrong response.
Most requests are new: a filter in memory recognizes them without reading the file. Once a second, the filter adds the
entries that other processes wrote.
"""

from __future__ import annotations

import asyncio
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

from assay.errors import UsageError
from assay.inference.caches.id_filter import IdFilter
from assay.inference.caches.key_value import NOTES, CacheItem, WriteBehind

FORMAT = 3
BUSY_SECONDS = 5.0
MOST_BYTES = 2 * 1024**3
"""Maximum size of the file; beyond it, the entries that expire soonest are evicted."""
PURGE_SECONDS = 60.0
LOOK_SECONDS = 1.0
EVICTED_SHARE = 10
"""When the file is full, one of this number of entries is evicted in addition to the surplus."""

SETTINGS = (
    "pragma journal_mode = wal",
    "pragma synchronous = normal",
    "pragma secure_delete = on",  # the bytes of erased, replaced and expired entries are overwritten
)
TABLE = """
create table if not exists entries (
    number integer primary key,
    id integer not null unique,
    value blob,
    expires_at real not null,
    tag text,
    place integer,
    note blob,
    note_expires_at real
)
"""
INDEXES = (
    "create index if not exists entries_by_expiry on entries (expires_at)",
    "create index if not exists entries_by_tag on entries (tag) where tag is not null",
    "create index if not exists entries_by_place on entries (place) where place is not null",
)
IDS_SINCE = "select number, id from entries where number > ? order by number"
FIND = "select value from entries where id = ? and expires_at > ?"
FIND_NOTES = "select note from entries where place = ? and note_expires_at > ? order by number desc limit ?"
PUT = """
insert or replace into entries (id, value, expires_at, tag, place, note, note_expires_at) values (?, ?, ?, ?, ?, ?, ?)
"""
LEAVE_NOTES = """
update entries set value = null, expires_at = note_expires_at
where expires_at <= ? and value is not null and note is not null
"""
PURGE = "delete from entries where expires_at <= ?"
FORGET = "delete from entries where tag = ?"
PRIMARY_CODE = 0xFF
"""Bits of a SQLite extended error code that contain the primary code."""
EVICT = """
delete from entries where id in (select id from entries order by value is not null, expires_at limit ?)
"""
COUNT = "select count(*) from entries"


class SqliteStore(WriteBehind):
    """Entries in the file at `path`, which is created if necessary and readable only by its owner.

    `warn` is called once per kind of problem through which entries are lost.

    Raises:
        UsageError: the file cannot be opened or created, e.g. because of its permissions.
    """

    def __init__(
        self,
        path: Path,
        *,
        warn: Callable[[str], None],
        now: Callable[[], float] = time.time,
        most_bytes: int = MOST_BYTES,
        busy_s: float = BUSY_SECONDS,
        look_s: float = LOOK_SECONDS,
    ) -> None:
        super().__init__(now=now)
        self._path = path
        self._warn = warn
        self._reported: set[str] = set()
        self._most_bytes = most_bytes
        self._busy_s = busy_s
        self._look_s = look_s
        self._is_lost = False
        self._purged_at = 0.0
        self._writing = threading.Lock()
        self._open()

    async def get(self, key: bytes) -> bytes | None:
        """See `KeyValue.get`."""
        item = self.unwritten(key)
        if item is not None:
            return item.value
        if self._is_lost:
            return None
        number = _row_id(key)
        try:
            if time.monotonic() >= self._look_at:
                self._look()
            if number not in self._ids:
                return None
            row = self._finder.execute(FIND, (number, self._now())).fetchone()
        except sqlite3.DatabaseError as error:
            self._recover(error)
            return None
        return row[0] if row is not None else None

    async def notes(self, place: bytes) -> list[bytes]:
        """See `KeyValue.notes`."""
        notes = self.unwritten_notes(place)
        if not self._is_lost:
            try:
                rows = self._finder.execute(FIND_NOTES, (_row_id(place), self._now(), NOTES))
                notes += [note for (note,) in rows]
            except sqlite3.DatabaseError as error:
                self._recover(error)
        return notes[:NOTES]

    def put(self, item: CacheItem) -> None:
        """See `KeyValue.put`."""
        self._ids.add(_row_id(item.key))
        super().put(item)

    async def remove(self, tag: str) -> int:
        """See `KeyValue.remove`.

        Raises:
            sqlite3.Error: the file cannot be written, or another process is still reading the erased entries.
        """
        await self.flush()
        return await asyncio.to_thread(self._forget, tag)

    async def close(self) -> None:
        """See `KeyValue.close`."""
        await self.flush()
        self._reader.close()
        self._writer.close()

    def _forget(self, tag: str) -> int:
        with self._writing:
            with self._writer as writer:
                count: int = writer.execute(FORGET, (tag,)).rowcount
            # Erased entries must also be removed from the write-ahead log.
            (is_busy, *_) = self._writer.execute("pragma wal_checkpoint(truncate)").fetchone()
        if is_busy:
            raise sqlite3.OperationalError(
                f"{self._path}: the erased entries are still in the write-ahead log, because another process is reading "
                "the file; erase again after that process has ended"
            )
        return count

    async def _write(self, items: Sequence[CacheItem]) -> None:
        if self._is_lost:
            return
        try:
            await asyncio.to_thread(self._write_rows, [_row(item) for item in items])
        except sqlite3.DatabaseError as error:
            self._recover(error)

    def _write_rows(self, rows: Sequence[tuple[Any, ...]]) -> None:
        with self._writing:
            with self._writer:
                self._writer.executemany(PUT, rows)
            if self._now() - self._purged_at >= PURGE_SECONDS:
                self._purge()

    def _purge(self) -> None:
        self._purged_at = self._now()
        with self._writer:
            self._writer.execute(LEAVE_NOTES, (self._purged_at,))
            self._writer.execute(PURGE, (self._purged_at,))
            while (used := self._used_bytes()) > self._most_bytes:
                (count,) = self._writer.execute(COUNT).fetchone()
                if not count:
                    break
                surplus = int(count * (1 - self._most_bytes / used))
                self._writer.execute(EVICT, (surplus + count // EVICTED_SHARE + 1,))

    def _used_bytes(self) -> int:
        pages, free, size = (
            self._writer.execute(f"pragma {name}").fetchone()[0]
            for name in ("page_count", "freelist_count", "page_size")
        )
        return int((pages - free) * size)

    def _open(self) -> None:
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            with self._alone():
                self._writer = self._ready()
            self._reader = _connected(self._path, self._busy_s)
            self._finder = self._reader.cursor()
            self._purge()
            self._ids, self._seen = IdFilter(), 0
            self._look()
        except OSError as error:
            raise self._unusable(error.strerror or str(error)) from error
        except sqlite3.DatabaseError as error:
            raise self._unusable(str(error)) from error

    def _look(self) -> None:
        """Adds the ids that any process has written since the last call to the filter."""
        for seen, number in self._finder.execute(IDS_SINCE, (self._seen,)):
            self._ids.add(number)
            self._seen = seen
        self._look_at = time.monotonic() + self._look_s

    def _ready(self) -> sqlite3.Connection:
        """A connection to an intact file; a damaged file is replaced first."""
        connection = _connected(self._path, self._busy_s)
        try:
            _prepare(connection)
        except sqlite3.OperationalError:  # locked, read-only, disk full: not damaged
            connection.close()
            raise
        except sqlite3.DatabaseError as error:
            connection.close()
            self._set_aside(str(error))
            connection = _connected(self._path, self._busy_s)
            _prepare(connection)
        return connection

    def _recover(self, error: sqlite3.DatabaseError) -> None:
        """Replaces a damaged file; after any other problem, entries or the cache are lost, which is reported once."""
        damaged = not isinstance(error, sqlite3.OperationalError) or _is_disk_error(error)
        if not damaged:
            self._report(f"The response cache {self._path} lost entries ({error}); the run continues without them.")
            return
        with self._writing, suppress(sqlite3.Error):
            self._reader.close()
            self._writer.close()
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            with self._alone():
                if not _is_sound(self._path, self._busy_s):  # another process may have replaced it
                    self._set_aside(str(error))
            self._open()
        except (OSError, UsageError) as second:
            self._is_lost = True
            self._report(
                f"The response cache {self._path} can no longer be used ({error}; {second}); the run continues without it."
            )

    def _set_aside(self, reason: str) -> None:
        aside = self._path.with_name(f"{self._path.name}.damaged")
        self._path.replace(aside)
        for suffix in ("-wal", "-shm"):
            self._path.with_name(self._path.name + suffix).unlink(missing_ok=True)
        self._report(
            f"The response cache {self._path} was damaged ({reason}): it was renamed to {aside.name} and replaced by an "
            "empty one, so its responses have to be paid for again."
        )

    def _report(self, message: str) -> None:
        if message not in self._reported:
            self._reported.add(message)
            self._warn(message)

    def _unusable(self, reason: str) -> UsageError:
        return UsageError(
            f"The response cache {self._path} cannot be opened: {reason}",
            next_step="fix its permissions, or remove `cache.exact` from task.yml.",
        )

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Prevents other processes from opening or replacing the file inside the block."""
        import fcntl

        with self._path.with_name(f"{self._path.name}.lock").open("a", encoding="ascii") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


def _row_id(key: bytes) -> int:
    """The key's first 8 bytes as an integer, the type of key with which SQLite finds a row fastest.

    If two keys share these bytes, one entry is lost. The wrong entry is never returned, because the MAC of an entry
    covers the whole key.
    """
    return int.from_bytes(key[:8], "big", signed=True)


def _row(item: CacheItem) -> tuple[Any, ...]:
    """The values for `PUT`."""
    entry, note = (_row_id(item.key), item.value, item.expires_at, item.tag), item.note
    return (*entry, None, None, None) if note is None else (*entry, _row_id(note.place), note.text, note.expires_at)


def _connected(path: Path, busy_s: float) -> sqlite3.Connection:
    if not path.exists():
        path.touch(mode=0o600)
    # Batches are written in a separate thread; the store's lock permits one writer at a time.
    return sqlite3.connect(path, timeout=busy_s, check_same_thread=False)


def _prepare(connection: sqlite3.Connection) -> None:
    """Creates the table and indexes of the current format; entries in another format are dropped."""
    for statement in SETTINGS:
        connection.execute(statement)
    (found,) = connection.execute("pragma user_version").fetchone()
    with connection:
        if found != FORMAT:
            connection.execute("drop table if exists entries")
        for statement in (TABLE, *INDEXES, f"pragma user_version = {FORMAT}"):
            connection.execute(statement)
    connection.execute(FIND, (0, 0.0)).fetchone()


def _is_disk_error(error: sqlite3.Error) -> bool:
    """True if the disk failed; errors raised by the Python module `sqlite3` have no SQLite error code."""
    code: int = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_OK)
    return code & PRIMARY_CODE == sqlite3.SQLITE_IOERR


def _is_sound(path: Path, busy_s: float) -> bool:
    try:
        with closing(_connected(path, busy_s)) as connection:
            return bool(connection.execute("pragma quick_check(1)").fetchone() == ("ok",))
    except sqlite3.DatabaseError:
        return False
