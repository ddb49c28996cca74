"""Typed rows of a Parquet file, read in batches of bounded size."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from assay.errors import UsageError
from assay.inputs.canonical import cell_bytes
from assay.inputs.raw_rows import LocalFile, RawRow
from assay.inputs.values import raw_row
from assay.records.statuses import RejectionReason

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

BATCH_BYTES = 16_000_000
BATCH_ROWS = 4_096
BUFFER_BYTES = 1_000_000


class ParquetFile(LocalFile):
    """A Parquet file; lists, structs, decimals, dates and times keep their types."""

    def __init__(self, path: Path, *, label: str) -> None:
        super().__init__(path, label=label)
        with self._opened() as file:
            self._columns = tuple(file.schema_arrow.names)
            self._batch_rows = _batch_rows(file)
        if repeated := sorted({name for name in self._columns if self._columns.count(name) > 1}):
            raise UsageError(
                f"{label} has duplicate column names: {', '.join(map(repr, repeated))}",
                next_step="rename them in the file.",
            )

    def columns(self) -> tuple[str, ...]:
        """Names of the top-level columns of the schema."""
        return self._columns

    def _read(self, max_cell_bytes: int) -> Iterator[RawRow]:
        position = 0
        with self._opened() as file:
            for batch in self._batches(file):
                yield from _rows(batch, start=position, max_cell_bytes=max_cell_bytes)
                position += batch.num_rows

    def _opened(self) -> pq.ParquetFile:
        import pyarrow as pa
        import pyarrow.parquet as pq

        try:
            # Without a buffer, a whole row group, possibly the whole file, would be read at once.
            return pq.ParquetFile(self.path, buffer_size=BUFFER_BYTES, pre_buffer=False)
        except (pa.ArrowException, OSError) as error:
            raise self._unreadable(error) from error

    def _batches(self, file: pq.ParquetFile) -> Iterator[pa.RecordBatch]:
        import pyarrow as pa

        try:
            yield from file.iter_batches(batch_size=self._batch_rows)
        except (pa.ArrowException, OSError) as error:
            raise self._unreadable(error) from error

    def _unreadable(self, error: Exception) -> UsageError:
        return UsageError(
            f"{self.label} is not a readable Parquet file ({type(error).__name__})",
            next_step="check that the export finished, or write the file again.",
        )


def _batch_rows(file: pq.ParquetFile) -> int:
    """Rows per batch, so that a batch takes about 16 MB at the file's average row size."""
    groups = (file.metadata.row_group(index) for index in range(file.metadata.num_row_groups))
    row_bytes = sum(group.total_byte_size for group in groups) / max(1, file.metadata.num_rows)
    return max(1, min(BATCH_ROWS, int(BATCH_BYTES / max(1.0, row_bytes))))


def _rows(batch: pa.RecordBatch, *, start: int, max_cell_bytes: int) -> Iterator[RawRow]:
    try:
        found = (
            batch.to_pylist() if batch.nbytes <= max_cell_bytes or not _may_be_oversize(batch, max_cell_bytes) else None
        )
    except UnicodeDecodeError:
        found = None
    for index in range(batch.num_rows):
        if found is not None:
            yield raw_row(start + index, found[index], max_cell_bytes=max_cell_bytes)
        else:
            yield _row(batch.slice(index, 1), start + index, max_cell_bytes=max_cell_bytes)


def _may_be_oversize(batch: pa.RecordBatch, max_cell_bytes: int) -> bool:
    """True if a text or bytes cell exceeds the limit; nested values are measured after reading."""
    import pyarrow as pa
    import pyarrow.compute as pc

    kinds = (pa.types.is_string, pa.types.is_large_string, pa.types.is_binary, pa.types.is_large_binary)
    texts = (column for column in batch.columns if any(is_kind(column.type) for is_kind in kinds))
    return any((pc.max(pc.binary_length(column)).as_py() or 0) > max_cell_bytes for column in texts)


def _row(row: pa.RecordBatch, position: int, *, max_cell_bytes: int) -> RawRow:
    """One row, read cell by cell, so that an invalid cell does not affect the others."""
    cells: dict[str, object] = {}
    invalid: tuple[RejectionReason, str, str] | None = None
    for name, column in zip(row.schema.names, row.columns, strict=True):
        try:
            value = column[0].as_py()
        except UnicodeDecodeError:
            invalid = invalid or (RejectionReason.UNDECODABLE_TEXT, "expected UTF-8 text, found other bytes", name)
            continue
        if cell_bytes(value) > max_cell_bytes:
            invalid = invalid or (
                RejectionReason.OVERSIZE_CELL,
                f"expected a cell of at most {max_cell_bytes:,} bytes, found a larger one",
                name,
            )
            continue
        cells[name] = value
    if invalid is None:
        return raw_row(position, cells, max_cell_bytes=max_cell_bytes)
    return RawRow(position, cells, invalid[0], invalid[1], row.serialize().to_pybytes(), invalid[2])
