"""Parquet files of a snapshot: their columns, and a writer that appends chunks."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    import pyarrow as pa

Columns = tuple[tuple[str, str], ...]

ROW_COLUMNS: Columns = (("position", "int64"), ("record_id", "string"), ("row", "string"), ("fault", "string"))
TURN_COLUMNS: Columns = (("conversation", "string"), ("turn", "int64"))
"""Additional columns of rows that are turns of conversations."""
ID_COLUMNS: Columns = (("position", "int64"), ("record_id", "string"), ("raw_hash", "string"), ("place", "string"))
REJECTED_COLUMNS: Columns = (
    ("position", "int64"),
    ("record_id", "string"),
    ("reason", "string"),
    ("column_name", "string"),
    ("explanation", "string"),
    ("raw_hash", "string"),
)
CANDIDATE_COLUMNS: Columns = (*REJECTED_COLUMNS, ("check_order", "int64"))


class TableWriter:
    """Appends rows to one Parquet file and keeps none in memory. The file is created even if there are no rows."""

    def __init__(self, path: Path, columns: Columns) -> None:
        self._path = path
        self._schema = arrow_schema(columns)

    def __enter__(self) -> Self:
        import pyarrow.parquet as pq

        self._writer = pq.ParquetWriter(self._path, self._schema, compression="zstd")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._writer.close()

    def write(self, rows: Sequence[tuple[object, ...]]) -> None:
        """Writes `rows`, tuples in the order of the columns."""
        import pyarrow as pa

        if rows:
            arrays = [
                pa.array(values, field.type)
                for values, field in zip(zip(*rows, strict=True), self._schema, strict=True)
            ]
            self._writer.write_batch(pa.RecordBatch.from_arrays(arrays, schema=self._schema))

    def write_batch(self, batch: pa.RecordBatch) -> None:
        """Writes `batch`, whose columns are those of the file, in the same order."""
        self._writer.write_batch(batch)


def arrow_schema(columns: Columns) -> pa.Schema:
    """The columns as an Arrow schema."""
    import pyarrow as pa

    return pa.schema([(name, pa.type_for_alias(kind)) for name, kind in columns])
