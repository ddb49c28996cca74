"""Records of a snapshot by conversation, in the order of turns, out of core."""

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

# All first pieces come before any second one: a long conversation neither fills the memory nor keeps the others waiting.
# Only places are sorted: DuckDB runs out of memory over rows of some kilobytes, so those are looked up one by one.
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
    """At most `PIECE_TURNS` turns of one conversation in order; `is_last` if none follow."""

    rows: tuple[SnapshotRow, ...]
    is_last: bool


def turn_pieces(snapshot: InputSnapshot, *, scratch: Path, most: int = PIECE_TURNS) -> Iterator[TurnPiece]:
    """Every record of the snapshot by conversation; the new folder `scratch` holds a copy of its rows meanwhile.

    Raises:
        UsageError: a file of the snapshot is damaged, or the disk has no space for about its size.
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
            f"The turns of input snapshot {snapshot.directory} cannot be put in order ({type(error).__name__}): expected "
            f"{MEMORY_LIMIT} of memory and disk space for about the size of its rows",
            next_step="free space and resume.",
        ) from error
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _places(snapshot: InputSnapshot, scratch: Path, most: int) -> Iterator[dict[str, Any]]:
    files = {name: str(snapshot.directory / file) for name, file in (("rows", ROWS), ("rejected", REJECTED))}
    with spilling_database(scratch / SPILL) as database:
        for batch in database.execute(ORDER_SQL, {**files, "most": most}).to_arrow_reader(READ_ROWS):
            yield from batch.to_pylist()


def _copied(snapshot: InputSnapshot, path: Path) -> sqlite3.Connection:
    """The snapshot's rows in a database, each found by its position."""
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
