"""Groups the records of a snapshot by conversation, in the order of turns, without loading them into memory."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Any

import orjson

from assay.errors import UsageError
from assay.inputs.manifest import REJECTED, ROWS
from assay.inputs.rejections import MEMORY_LIMIT, SPILL, spilling_database
from assay.inputs.stored import READ_ROWS, InputSnapshot, SnapshotRow

PIECE_TURNS = 50
COPY = "rows.sqlite"

# All first pieces come before any second piece, so a long conversation neither fills the memory nor delays the others.
# Only places are sorted, because DuckDB runs out of memory with rows of several kilobytes; rows are looked up singly.
ORDER_SQL = """
with placed as (
    select
        position,
        conversation,
        row_number() over (partition by conversation order by turn, position) - 1 as place,
        count(*) over (partition by conversation) as turns
    from read_parquet($rows)
    where conversation is not null and position not in (select position from read_parquet($rejected))
)

select position, conversation, place // $most as piece, place, turns
from placed
order by piece, conversation, place
"""
SETTINGS = ("pragma journal_mode = off", "pragma synchronous = off")
TABLE = "create table rows (position integer primary key, record_id text, cells blob)"
PUT = "insert into rows values (?, ?, ?)"
FIND = "select record_id, cells from rows where position = ?"


@dataclass(frozen=True, slots=True)
class TurnPiece:
    """At most `PIECE_TURNS` consecutive turns of one conversation; `is_last` if no turns follow."""

    rows: tuple[SnapshotRow, ...]
    is_last: bool


def turn_pieces(snapshot: InputSnapshot, *, scratch: Path, most: int = PIECE_TURNS) -> Iterator[TurnPiece]:
    """Yields every record of the snapshot by conversation; `scratch` is a new folder for a temporary copy of the rows.

    Raises:
        UsageError: a file of the snapshot is damaged, or the disk has no space for the copy.
    """
    import duckdb
    import pyarrow as pa

    try:
        scratch.mkdir(mode=0o700)
        with closing(_copied(snapshot, scratch / COPY)) as rows:
            for _, piece in groupby(_places(snapshot, scratch, most), key=itemgetter("piece", "conversation")):
                turns = list(piece)
                found = tuple(_row(rows, turn["position"]) for turn in turns)
                yield TurnPiece(found, is_last=turns[-1]["place"] + 1 == turns[-1]["turns"])
    except (duckdb.Error, pa.ArrowException, sqlite3.Error, OSError) as error:
        raise UsageError(
            f"The turns of input snapshot {snapshot.directory} cannot be sorted ({type(error).__name__}): this needs "
            f"{MEMORY_LIMIT} of memory, and disk space of about the size of its rows",
            next_step="free space, then resume.",
        ) from error
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _places(snapshot: InputSnapshot, scratch: Path, most: int) -> Iterator[dict[str, Any]]:
    files = {name: str(snapshot.directory / file) for name, file in (("rows", ROWS), ("rejected", REJECTED))}
    with spilling_database(scratch / SPILL) as database:
        for batch in database.execute(ORDER_SQL, {**files, "most": most}).to_arrow_reader(READ_ROWS):
            yield from batch.to_pylist()


def _copied(snapshot: InputSnapshot, path: Path) -> sqlite3.Connection:
    """Copies the snapshot's rows to a database with their positions as keys."""
    rows = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    for statement in (*SETTINGS, TABLE, "begin"):
        rows.execute(statement)
    records = snapshot.records()
    rows.executemany(PUT, ((record.position, record.record_id, orjson.dumps(record.cells)) for record in records))
    rows.execute("commit")
    return rows


def _row(rows: sqlite3.Connection, position: int) -> SnapshotRow:
    record_id, cells = rows.execute(FIND, (position,)).fetchone()
    return SnapshotRow(position, record_id, orjson.loads(cells))
