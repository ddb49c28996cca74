"""Combines the rejection candidates of all checks into one rejection per row.

Also finds duplicate record ids and turns. Data that does not fit in memory spills to disk.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Self

from assay.errors import UsageError
from assay.inputs.manifest import REJECTED, private_file
from assay.inputs.rules import InputRules
from assay.inputs.tables import CANDIDATE_COLUMNS, REJECTED_COLUMNS, TableWriter, arrow_schema
from assay.inputs.turns import BadPlace
from assay.records.statuses import RejectionReason

if TYPE_CHECKING:
    import duckdb

IDS = "ids.parquet"
CANDIDATES = "candidates.parquet"
DUPLICATES = "duplicates.parquet"
DUPLICATE_TURNS = "duplicate_turns.parquet"
SPILL = "spill"
MEMORY_LIMIT = "128MB"
BATCH_ROWS = 10_000
SOURCE_CHECK, ID_CHECK, DUPLICATE_CHECK, TURN_CHECK, VALUE_CHECK = range(5)

# Hashes are compared first: they take a fraction of the memory of ids and are usually enough. Aggregates,
# windows and sorts spill to disk when the limit is reached; joins of ids would run out of memory.
DUPLICATES_SQL = """
with suspects as (
    select position, record_id, raw_hash
    from read_parquet($ids)
    where hash(record_id) in (select hash(record_id) from read_parquet($ids) group by 1 having count(*) > 1)
),

counted as (
    select
        position,
        record_id,
        raw_hash,
        count(*) over (partition by record_id) as times,
        min(position) over (partition by record_id) as first_position
    from suspects
)

select
    position,
    record_id,
    'duplicate_id' as reason,
    $id_column as column_name,
    'expected one row per record id, found ' || times || ', first at position ' || first_position as explanation,
    raw_hash,
    $check_order as check_order
from counted
where times > 1 and not ($keep_first and position = first_position)
"""

# The same for turns, among the rows with unique record ids.
DUPLICATE_TURNS_SQL = """
with suspects as (
    select position, record_id, raw_hash, place
    from read_parquet($ids)
    where
        hash(place) in (
            select hash(place) from read_parquet($ids) where place is not null group by 1 having count(*) > 1
        )
        and place is not null
        and position not in (select position from read_parquet($duplicates))
),

counted as (
    select
        position,
        record_id,
        raw_hash,
        count(*) over (partition by place) as times,
        min(position) over (partition by place) as first_position
    from suspects
)

select
    position,
    record_id,
    'duplicate_turn' as reason,
    $turn_column as column_name,
    'expected one row per turn of a conversation, found ' || times || ', first at position ' || first_position as explanation,
    raw_hash,
    $check_order as check_order
from counted
where times > 1 and not ($keep_first and position = first_position)
"""

CANDIDATES_SQL = """
select position, record_id, reason, column_name, explanation, raw_hash
from read_parquet([$duplicates, $duplicate_turns, $candidates])
order by position, check_order
"""


@dataclass(frozen=True, slots=True)
class RowRejection:
    """Why a row is rejected; if several checks reject it, the one with the lowest `check_order` counts."""

    reason: RejectionReason
    column: str | None
    explanation: str
    check_order: int

    @classmethod
    def of_source(cls, reason: RejectionReason, column: str | None, explanation: str) -> Self:
        """A row that could not be read."""
        return cls(reason, column, explanation, SOURCE_CHECK)

    @classmethod
    def of_id(cls, reason: RejectionReason, column: str, explanation: str) -> Self:
        """A row without a valid id."""
        return cls(reason, column, explanation, ID_CHECK)

    @classmethod
    def of_place(cls, place_error: BadPlace) -> Self:
        """A row without a valid conversation or turn."""
        return cls(place_error.reason, place_error.column, str(place_error), ID_CHECK)

    @classmethod
    def of_value(cls, column: str, explanation: str) -> Self:
        """A row that violates an expectation."""
        return cls(RejectionReason.VALUE_NOT_ALLOWED, column, explanation, VALUE_CHECK)

    def candidate(self, position: int, record_id: str | None, raw_hash: str) -> tuple[object, ...]:
        """The rejection as a row of the candidates file."""
        return position, record_id, self.reason, self.column, self.explanation, raw_hash, self.check_order


def write_rejected(partial: Path, rules: InputRules) -> dict[str, int]:
    """Writes the rejected rows in order of position, deletes the intermediate files, and returns counts by reason.

    Raises:
        UsageError: the data does not fit in memory, and the disk has no space for it.
    """
    import duckdb

    try:
        with spilling_database(partial / SPILL) as database:
            _write_duplicates(database, partial, rules)
            _write_duplicate_turns(database, partial, rules)
            counts = _write_in_order(database, partial)
    except duckdb.Error as error:
        raise UsageError(
            f"Record ids in {partial.parent} cannot be compared ({type(error).__name__}): this needs {MEMORY_LIMIT} of "
            "memory, and disk space of about the size of the ids",
            next_step="free space, or make record ids unique.",
        ) from error
    for name in (IDS, CANDIDATES, DUPLICATES, DUPLICATE_TURNS):
        (partial / name).unlink()
    return dict(sorted(counts.items()))


def _write_duplicates(database: duckdb.DuckDBPyConnection, partial: Path, rules: InputRules) -> None:
    """Writes every row whose id occurs in another row to the file of duplicates, except a first copy that is kept."""
    parameters = {
        "ids": str(partial / IDS),
        "id_column": rules.record_id,
        "keep_first": rules.on_duplicate == "first",
        "check_order": DUPLICATE_CHECK,
    }
    with TableWriter(partial / DUPLICATES, CANDIDATE_COLUMNS) as writer:
        for batch in database.execute(DUPLICATES_SQL, parameters).to_arrow_reader(BATCH_ROWS):
            writer.write_batch(batch.cast(arrow_schema(CANDIDATE_COLUMNS)))


def _write_duplicate_turns(database: duckdb.DuckDBPyConnection, partial: Path, rules: InputRules) -> None:
    """Writes every row whose turn occurs in another row to its file, except a first copy that is kept."""
    with TableWriter(partial / DUPLICATE_TURNS, CANDIDATE_COLUMNS) as writer:
        if rules.conversation is None:
            return
        parameters = {
            "ids": str(partial / IDS),
            "duplicates": str(partial / DUPLICATES),
            "turn_column": rules.conversation.turn,
            "keep_first": rules.on_duplicate == "first",
            "check_order": TURN_CHECK,
        }
        for batch in database.execute(DUPLICATE_TURNS_SQL, parameters).to_arrow_reader(BATCH_ROWS):
            writer.write_batch(batch.cast(arrow_schema(CANDIDATE_COLUMNS)))


def _write_in_order(database: duckdb.DuckDBPyConnection, partial: Path) -> Counter[str]:
    """Writes each rejected row once, with its first reason, in order of position; returns the counts by reason."""
    counts: Counter[str] = Counter()
    names = {"duplicates": DUPLICATES, "duplicate_turns": DUPLICATE_TURNS, "candidates": CANDIDATES}
    files = {name: str(partial / file) for name, file in names.items()}
    previous = -1
    with private_file(partial / REJECTED) as path, TableWriter(path, REJECTED_COLUMNS) as writer:
        for batch in database.execute(CANDIDATES_SQL, files).to_arrow_reader(BATCH_ROWS):
            positions = [previous, *batch.column("position").to_pylist()]
            first = batch.filter([later != earlier for earlier, later in pairwise(positions)])
            writer.write_batch(first.cast(arrow_schema(REJECTED_COLUMNS)))
            counts.update(first.column("reason").to_pylist())
            previous = positions[-1]
    return counts


@contextmanager
def spilling_database(spill: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """A DuckDB database with bounded memory that spills to `spill`; the folder is deleted after the block."""
    import duckdb

    spill.mkdir(mode=0o700)
    config: dict[str, str | bool | int | float | list[str]] = {
        "memory_limit": MEMORY_LIMIT,
        "threads": 1,
        "preserve_insertion_order": False,
        "temp_directory": str(spill),
        "autoinstall_known_extensions": False,
    }
    with duckdb.connect(":memory:", config=config) as database:
        yield database
    if spill.exists():  # DuckDB may have removed it when it closed
        spill.rmdir()
