"""One rejection per row: candidates of all checks are brought together out of core.

Belongs here: uniqueness of ids and which reason wins. How a check finds its candidates belongs to the check.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from assay.errors import UsageError
from assay.inputs.manifest import REJECTED, private_file
from assay.inputs.rules import InputRules
from assay.inputs.tables import REJECTED_COLUMNS, TableWriter, arrow_schema

IDS = "ids.parquet"
CANDIDATES = "candidates.parquet"
SPILL = "spill"
MEMORY_LIMIT = "128MB"
BATCH_ROWS = 10_000
SOURCE_CHECK, ID_CHECK, DUPLICATE_CHECK, VALUE_CHECK = range(4)

# Hashes are grouped first: numbers take a fraction of the memory of ids, and few ids are left to compare.
REJECTED_SQL = """
with suspects as (
    select hash(record_id) as id_hash from read_parquet($ids) group by all having count(*) > 1
),

copies as (
    select position, record_id, raw_hash
    from read_parquet($ids)
    where hash(record_id) in (select id_hash from suspects)
),

repeated as (
    select record_id, count(*) as times, min(position) as first_position
    from copies
    group by record_id
    having count(*) > 1
),

duplicates as (
    select
        copies.position,
        copies.record_id,
        'duplicate_id' as reason,
        $id_column as column_name,
        'expected one row per record id, found ' || repeated.times || ', first at position '
        || repeated.first_position as explanation,
        copies.raw_hash,
        $duplicate_check as check_order
    from copies
    inner join repeated on copies.record_id = repeated.record_id
    where not ($keep_first and copies.position = repeated.first_position)
),

candidates as (
    select * from duplicates
    union all
    select * from read_parquet($candidates)
)

select position, record_id, reason, column_name, explanation, raw_hash
from candidates
qualify row_number() over (partition by position order by check_order) = 1
order by position
"""


@dataclass(frozen=True, slots=True)
class Fault:
    """Why a row may not become a record; the check with the lowest order wins."""

    reason: str
    column: str | None
    explanation: str
    check_order: int

    @classmethod
    def of_source(cls, reason: str, column: str | None, explanation: str) -> Self:
        """A row that could not be read."""
        return cls(reason, column, explanation, SOURCE_CHECK)

    @classmethod
    def of_id(cls, reason: str, column: str, explanation: str) -> Self:
        """A row without a usable id."""
        return cls(reason, column, explanation, ID_CHECK)

    @classmethod
    def of_value(cls, column: str, explanation: str) -> Self:
        """A row that breaks an expectation."""
        return cls("value_not_allowed", column, explanation, VALUE_CHECK)

    def candidate(self, position: int, record_id: str | None, raw_hash: str) -> tuple[object, ...]:
        """The fault as a row of the candidates."""
        return position, record_id, self.reason, self.column, self.explanation, raw_hash, self.check_order


def write_rejected(partial: Path, rules: InputRules) -> dict[str, int]:
    """Rejected rows by reason; they are on disk in order of position, and what was needed to find them is gone.

    Raises:
        UsageError: the disk has no room for what does not fit in memory.
    """
    import duckdb

    counts: Counter[str] = Counter()
    try:
        with private_file(partial / REJECTED) as path, TableWriter(path, REJECTED_COLUMNS) as writer:
            _stream_rejected(partial, rules, writer, counts)
    except duckdb.Error as error:
        raise UsageError(
            f"Record ids in {partial.parent} cannot be compared ({type(error).__name__}): "
            "expected room on disk for about the size of the ids; free space."
        ) from error
    for name in (IDS, CANDIDATES):
        (partial / name).unlink()
    return dict(sorted(counts.items()))


def _stream_rejected(partial: Path, rules: InputRules, writer: TableWriter, counts: Counter[str]) -> None:
    import duckdb

    spill = partial / SPILL
    spill.mkdir(mode=0o700)
    config: dict[str, str | bool | int | float | list[str]] = {
        "memory_limit": MEMORY_LIMIT,
        "threads": 1,
        "temp_directory": str(spill),
        "autoinstall_known_extensions": False,
    }
    parameters = {
        "ids": str(partial / IDS),
        "candidates": str(partial / CANDIDATES),
        "id_column": rules.record_id,
        "keep_first": rules.on_duplicate == "first",
        "duplicate_check": DUPLICATE_CHECK,
    }
    with duckdb.connect(":memory:", config=config) as connection:
        reader = connection.execute(REJECTED_SQL, parameters).to_arrow_reader(BATCH_ROWS)
        for batch in reader:
            writer.write_batch(batch.cast(arrow_schema(REJECTED_COLUMNS)))
            counts.update(batch.column("reason").to_pylist())
    if spill.exists():  # DuckDB may have removed it when it closed
        spill.rmdir()
