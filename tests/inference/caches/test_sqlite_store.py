"""Entries in a file of this machine: shared by processes, erased for good, and never a reason to stop a run."""

from __future__ import annotations

import asyncio
import os
import random
import shutil
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Callable, Coroutine, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from assay.errors import UsageError
from assay.inference.caches.key_value import CacheItem, CacheNote
from assay.inference.caches.sqlite_store import FORMAT, PURGE_SECONDS, SqliteStore
from tests.inference.caches.asked import START, SetClock

FILE = "cache/answers.sqlite"
WRITER = """
import asyncio, hashlib, sys
from pathlib import Path
from assay.inference.caches.key_value import CacheItem
from assay.inference.caches.sqlite_store import SqliteStore

async def write(path, name):
    store = SqliteStore(Path(path), warn=sys.exit)
    for number in range(2000):
        store.put(CacheItem(hashlib.sha1(f"{name} {number}".encode()).digest(), name.encode(), 4e9))
        if number % 50 == 0:
            await store.flush()
    await store.close()

asyncio.run(write(*sys.argv[1:]))
"""


class Place:
    """A folder with a cache file, a clock, and what its stores warned of."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / FILE
        self.clock = SetClock()
        self.told: list[str] = []

    def store(self, **options: Any) -> SqliteStore:
        return SqliteStore(self.path, warn=self.told.append, now=self.clock, **options)

    def keep(self, *items: CacheItem) -> None:
        """The items are in the file, written by a process of its own as it were."""
        self.use(lambda store: kept(store, *items))

    def use(self, work: Callable[[SqliteStore], Coroutine[Any, Any, Any]], **options: Any) -> Any:
        """What the work gave, with a store that is closed after it."""

        async def run() -> Any:
            store = self.store(**options)
            try:
                return await work(store)
            finally:
                await store.close()

        return asyncio.run(run())

    def find(self, *names: str) -> list[bytes | None]:
        return self.use(lambda store: found(store, *names))  # type: ignore[no-any-return]

    def on_disk(self) -> bytes:
        """Every byte of the file and what lies beside it."""
        return b"".join(path.read_bytes() for path in sorted(self.path.parent.iterdir()) if path.suffix != ".lock")


@pytest.fixture
def spot(tmp_path: Path) -> Place:
    return Place(tmp_path)


def item(name: str, *, lives_s: float = 1000.0, tag: str | None = None, value: bytes | None = None) -> CacheItem:
    return CacheItem(key(name), value or f"value of {name}".encode(), START + lives_s, tag)


def noted(name: str, *, place: str, lives_s: float = 1000.0, note_lives_s: float = 4000.0) -> CacheItem:
    note = CacheNote(key(place), f"note of {name}".encode(), START + note_lives_s)
    return replace(item(name, lives_s=lives_s), note=note)


def key(name: str) -> bytes:
    return random.Random(name).randbytes(20)


async def kept(store: SqliteStore, *items: CacheItem) -> None:
    for one in items:
        store.put(one)
    await store.flush()


async def found(store: SqliteStore, *names: str) -> list[bytes | None]:
    return [await store.get(key(name)) for name in names]


@contextmanager
def locked(path: Path, mode: str = "exclusive") -> Iterator[sqlite3.Connection]:
    """Another process has the file to itself."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute(f"begin {mode}")
        yield connection
        connection.execute("rollback")


def test_what_one_process_wrote_another_finds(spot: Place) -> None:
    spot.keep(item("a"), item("b"))
    assert spot.find("a", "b", "c") == [b"value of a", b"value of b", None]


def test_closing_writes_what_waits(spot: Place) -> None:
    async def put(store: SqliteStore) -> None:
        store.put(item("a"))

    spot.use(put)
    assert spot.find("a") == [b"value of a"]


def test_an_expired_entry_is_not_found_and_leaves_the_file(spot: Place) -> None:
    spot.keep(item("a", lives_s=10), item("b"))
    spot.clock.at += 10
    assert spot.find("a", "b") == [None, b"value of b"]
    assert b"value of a" not in spot.on_disk()


def test_the_latest_notes_of_a_place_are_found_whether_they_wait_or_are_written(spot: Place) -> None:
    async def work(store: SqliteStore) -> list[list[bytes]]:
        await kept(store, noted("a", place="p"), noted("b", place="p"), noted("x", place="q"))
        written = await store.notes(key("p"))
        store.put(noted("c", place="p"))
        return [written, await store.notes(key("p")), await store.notes(key("nowhere"))]

    assert spot.use(work) == [[b"note of b", b"note of a"], [b"note of c", b"note of b"], []]


def test_a_note_outlives_its_value_whose_bytes_leave_the_file(spot: Place) -> None:
    spot.keep(noted("a", place="p", lives_s=10, note_lives_s=40))
    spot.clock.at += 20
    spot.keep(item("z"))  # whoever opens the file lets go what has expired
    assert (spot.find("a"), spot.use(lambda store: store.notes(key("p")))) == ([None], [b"note of a"])
    assert b"value of a" not in spot.on_disk()
    spot.clock.at += 20
    spot.keep(item("z"))
    assert spot.use(lambda store: store.notes(key("p"))) == []
    assert b"note of a" not in spot.on_disk()


def test_keys_that_share_their_beginning_lose_one_entry_of_two_and_break_nothing(spot: Place) -> None:
    one, other = b"12345678" + b"a" * 12, b"12345678" + b"b" * 12
    spot.keep(CacheItem(one, b"one", START + 9), CacheItem(other, b"other", START + 9))
    assert spot.use(lambda store: store.get(one)) == b"other"  # the cache's seal is over the whole key: a miss there


def test_erasing_leaves_no_byte_of_the_persons_entries(spot: Place) -> None:
    long = b"the secret of subject-1 " * 500
    spot.keep(item("a", tag="subject-1"), item("long", tag="subject-1", value=long), item("b", tag="subject-2"))

    async def erase(store: SqliteStore) -> tuple[int, bytes, list[bytes | None]]:
        store.put(item("waiting", tag="subject-1"))
        return await store.remove("subject-1"), spot.on_disk(), await found(store, "a", "waiting", "b")

    count, on_disk, left = spot.use(erase)
    assert (count, left) == (3, [None, None, b"value of b"])
    assert [word for word in (b"value of a", b"value of waiting", b"secret of subject-1") if word in on_disk] == []


def test_a_later_value_leaves_no_byte_of_the_one_before(spot: Place) -> None:
    spot.keep(item("a", value=b"first value"))
    spot.keep(item("a", value=b"other value"))
    assert b"first value" not in spot.on_disk()


def test_erasing_says_so_when_another_process_holds_on_to_what_was_erased(spot: Place) -> None:
    spot.keep(item("a", tag="subject-1"))

    async def erase(store: SqliteStore) -> None:
        await kept(store, item("b", tag="subject-1"))
        with closing(sqlite3.connect(spot.path, isolation_level=None)) as reader:
            reader.execute("begin")
            reader.execute("select count(*) from entries").fetchone()
            with pytest.raises(sqlite3.OperationalError, match="another process is reading"):
                await store.remove("subject-1")
        assert await found(store, "a", "b") == [None, None]

    spot.use(erase, busy_s=0.05)


def test_only_the_owner_can_read_the_file(spot: Place) -> None:
    spot.keep(item("a"))
    assert stat.S_IMODE(spot.path.stat().st_mode) == 0o600
    assert stat.S_IMODE(spot.path.parent.stat().st_mode) == 0o700


def test_a_file_that_is_no_database_is_set_aside_once_and_begun_anew(spot: Place) -> None:
    spot.path.parent.mkdir()
    spot.path.write_bytes(b"this is no database\n" * 500)
    spot.keep(item("a"))
    assert spot.find("a") == [b"value of a"]
    [told] = spot.told
    assert "was damaged" in told and "answers.sqlite.damaged" in told
    assert spot.path.with_name("answers.sqlite.damaged").read_bytes().startswith(b"this is no database")


def test_a_file_that_is_damaged_while_it_is_used_is_replaced_and_told_of_once(spot: Place) -> None:
    spot.keep(*(item(f"old-{number}") for number in range(3000)))

    async def damaged(store: SqliteStore) -> list[bytes | None]:
        size = spot.path.stat().st_size
        with spot.path.open("r+b") as file:
            file.seek(100)
            file.write(os.urandom(size - 100))
        old = await found(store, *(f"old-{number}" for number in range(3000)))
        await kept(store, item("new"))
        return [*{*old}, *await found(store, "new")]

    *old, new = spot.use(damaged)
    assert (old, new) == ([None], b"value of new")
    assert len(spot.told) == 1 and "was damaged" in spot.told[0]
    assert spot.find("new", "old-1") == [b"value of new", None]


def test_a_second_process_does_not_set_aside_what_the_first_has_begun_anew(spot: Place) -> None:
    spot.keep(item("a"))

    async def both(first: SqliteStore) -> list[bytes | None]:
        second = spot.store()
        for store in (first, second):
            store._recover(sqlite3.DatabaseError("database disk image is malformed"))
            await kept(store, item("b"))
        await second.close()
        return await found(first, "a", "b")

    assert spot.use(both) == [b"value of a", b"value of b"]
    assert spot.told == []


@pytest.mark.parametrize(
    ("code", "said"),
    [
        (sqlite3.SQLITE_IOERR_READ, "was damaged"),
        (sqlite3.SQLITE_BUSY, "lost entries"),
        (None, "lost entries"),
    ],
)
def test_only_a_disk_that_fails_makes_the_file_suspect(spot: Place, code: int | None, said: str) -> None:
    spot.keep(*(item(f"old-{number}") for number in range(500)))

    async def fails(store: SqliteStore) -> None:
        size = spot.path.stat().st_size
        with spot.path.open("r+b") as file:
            file.seek(100)
            file.write(os.urandom(size - 100))
        error = sqlite3.OperationalError("in whatever words")
        if code is not None:
            error.sqlite_errorcode = code
        store._recover(error)

    spot.use(fails)
    assert len(spot.told) == 1 and said in spot.told[0]


def test_entries_of_another_format_are_let_go(spot: Place) -> None:
    spot.keep(item("a"))
    with closing(sqlite3.connect(spot.path)) as connection:
        connection.execute(f"pragma user_version = {FORMAT + 1}")
    assert spot.find("a") == [None]


def test_a_file_that_is_full_makes_room_by_what_expires_soonest(spot: Place) -> None:
    most, kilobyte = 400_000, b"x" * 1000

    async def fill(store: SqliteStore) -> list[bytes | None]:
        await kept(store, *(item(f"k{number}", lives_s=1000 + number, value=kilobyte) for number in range(2000)))
        spot.clock.at += PURGE_SECONDS
        await kept(store, item("last", lives_s=9999))
        assert store._used_bytes() <= most
        return await found(store, "k0", "k1999", "last")

    first, later, last = spot.use(fill, most_bytes=most)
    assert (first, later, last) == (None, kilobyte, b"value of last")
    assert spot.told == []


def test_a_disk_without_room_costs_entries_and_is_told_of_once(spot: Place) -> None:
    spot.keep(item("a"))

    async def fill(store: SqliteStore) -> list[bytes | None]:
        (pages,) = store._writer.execute("pragma page_count").fetchone()
        store._writer.execute(
            f"pragma max_page_count = {pages}"
        )  # what SQLite makes of it is what a full disk is to it
        for number in range(2):
            await kept(store, item(f"big-{number}", value=b"x" * 200_000))
        return await found(store, "a", "big-0", "big-1")

    assert spot.use(fill) == [b"value of a", None, None]
    assert len(spot.told) == 1 and "is full" in spot.told[0]


def test_a_file_that_another_process_keeps_locked_costs_entries_and_is_told_of_once(spot: Place) -> None:
    spot.keep(item("a"))

    async def write(store: SqliteStore) -> list[bytes | None]:
        with locked(spot.path, "immediate"):
            for name in ("b", "c"):
                await kept(store, item(name))
        await kept(store, item("d"))
        return await found(store, "a", "b", "c", "d")

    assert spot.use(write, busy_s=0.05) == [b"value of a", None, None, b"value of d"]
    assert len(spot.told) == 1 and "locked" in spot.told[0]


def test_a_file_that_is_locked_from_the_beginning_is_an_error_in_use(spot: Place) -> None:
    spot.keep(item("a"))
    with locked(spot.path), pytest.raises(UsageError, match=r"answers\.sqlite cannot be opened: database is locked"):
        spot.store(busy_s=0.05)


def test_a_place_that_cannot_be_written_is_an_error_in_use(tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file where the folder should be")
    with pytest.raises(UsageError, match=r"cannot be opened: .*; fix its permissions, or remove `cache\.exact`"):
        Place(tmp_path).store()


def test_a_folder_in_the_files_place_is_an_error_in_use(spot: Place) -> None:
    spot.path.mkdir(parents=True)
    with pytest.raises(UsageError, match="cannot be opened"):
        spot.store()


def test_a_folder_that_is_taken_away_costs_entries_and_not_the_run(spot: Place) -> None:
    spot.keep(item("a"))

    async def go_on(store: SqliteStore) -> None:
        shutil.rmtree(spot.path.parent)
        await kept(store, item("b"))
        assert None in await found(store, "a", "c")
        store._recover(sqlite3.DatabaseError("database disk image is malformed"))
        assert await found(store, "c") == [None]

    spot.use(go_on)


def test_a_damaged_file_that_cannot_be_replaced_costs_entries_and_not_the_run(spot: Place) -> None:
    spot.keep(item("a"))

    async def go_on(store: SqliteStore) -> list[bytes | None]:
        shutil.rmtree(spot.path.parent)
        spot.path.parent.write_text("a file where the folder was")
        for _ in range(2):
            store._recover(sqlite3.DatabaseError("database disk image is malformed"))
        await kept(store, item("b"))
        return await found(store, "a", "b")

    assert spot.use(go_on) == [None, None]
    assert len(spot.told) == 1 and "continues without" in spot.told[0]


@pytest.mark.processes
def test_two_processes_write_at_once_and_neither_loses_an_entry(spot: Place) -> None:
    spot.store()
    command = [sys.executable, "-c", WRITER, str(spot.path)]
    both = [subprocess.Popen([*command, name], stderr=subprocess.PIPE) for name in ("left", "right")]
    for process in both:
        _, said = process.communicate(timeout=60)
        assert (process.returncode, said) == (0, b"")
    with closing(sqlite3.connect(spot.path)) as connection:
        counts = connection.execute("select value, count(*) from entries group by value order by value").fetchall()
    assert counts == [(b"left", 2000), (b"right", 2000)]
