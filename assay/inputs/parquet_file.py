"""Typed rows of a Parquet file, read in batches of bounded size."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from assay.errors import UsageError
from assay.inputs.canonical import cell_bytes
from assay.inputs.parquet_pages import MOST_NESTED_BYTES, BrokenHeader, ColumnPages, TooLarge, checked_chunks
from assay.inputs.raw_rows import LocalFile, RawRow
from assay.inputs.values import raw_row
from assay.records.statuses import RejectionReason

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

BATCH_BYTES = 16_000_000
BATCH_ROWS = 4_096
BUFFER_BYTES = 1_000_000
MOST_BATCH_BYTES = 64_000_000
TEXTS, PREFIXES = "BYTE_ARRAY", "DELTA_BYTE_ARRAY"
"""The physical type of texts, and the encoding that shares beginnings between them."""


class ParquetFile(LocalFile):
    """A Parquet file; lists, structs, decimals, dates and times keep their types."""

    def __init__(self, path: Path, *, label: str) -> None:
        super().__init__(path, label=label)
        with self._opened() as file:
            self._columns = tuple(file.schema_arrow.names)
            self._batch_rows = self._bounded_rows(file)
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

    def _bounded_rows(self, file: pq.ParquetFile) -> int:
        """Rows per batch; checks the size of all pages before any is decompressed.

        Raises:
            UsageError: a page would take too much memory, or the file is damaged.
        """
        import pyarrow as pa

        texts = [column.path for column in map(file.schema.column, range(len(file.schema))) if "." not in column.path]
        try:
            with self._open() as raw, self._opened(texts) as dictionaries:
                return _batch_rows(file, _longest_texts(file, dictionaries, checked_chunks(raw, file.metadata)))
        except TooLarge as error:
            raise UsageError(
                f"{self.label}: {error}",
                next_step="shorten its texts, or write the file with smaller row groups and pages.",
            ) from error
        except (BrokenHeader, pa.ArrowException, OSError) as error:
            raise self._unreadable(error) from error

    def _opened(self, texts: Sequence[str] = ()) -> pq.ParquetFile:
        """The file; `texts` are columns whose texts are read as indices of a dictionary."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        try:
            # Without a buffer, a whole row group, possibly the whole file, would be read at once.
            return pq.ParquetFile(
                self.path, buffer_size=BUFFER_BYTES, pre_buffer=False, read_dictionary=list(texts) or None
            )
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


def _batch_rows(file: pq.ParquetFile, longest: Mapping[int, int]) -> int:
    """Rows per batch: about 16 MB at the average row size, at most 64 MB if each text were the longest of its column.

    `longest` has the length in bytes of the longest text of columns whose pages may state it once for many rows.
    """
    groups = (file.metadata.row_group(index) for index in range(file.metadata.num_row_groups))
    row_bytes = sum(group.total_byte_size for group in groups) / max(1, file.metadata.num_rows)
    by_average, by_longest = BATCH_BYTES / max(1.0, row_bytes), MOST_BATCH_BYTES / max(1, sum(longest.values()))
    return max(1, min(BATCH_ROWS, int(by_average), int(by_longest)))


def _longest_texts(file: pq.ParquetFile, dictionaries: pq.ParquetFile, chunks: Iterable[ColumnPages]) -> dict[int, int]:
    """The length of the longest text of each column that repeats texts by reference, by the column's position.

    `dictionaries` is the same file, whose texts are read as indices.

    Raises:
        TooLarge: a nested column would exceed its limit with the longest text in each value.
    """
    longest: dict[int, int] = {}
    for chunk in chunks:
        found = file.metadata.row_group(chunk.group).column(chunk.column)
        if found.physical_type != TEXTS or not chunk.values:
            continue
        length = chunk.largest_page if PREFIXES in found.encodings else 0
        if found.has_dictionary_page:
            length = max(length, _longest_in_dictionary(dictionaries, chunk))
        is_nested = file.schema.column(chunk.column).max_repetition_level > 0
        if is_nested and length * chunk.values > MOST_NESTED_BYTES:
            raise TooLarge(
                f"{chunk.name} is nested and may have {length * chunk.values:,} bytes: expected at most {MOST_NESTED_BYTES:,}"
            )
        longest[chunk.column] = max(longest.get(chunk.column, 0), length)
    return longest


def _longest_in_dictionary(file: pq.ParquetFile, chunk: ColumnPages) -> int:
    """The length of the longest text in the dictionary of the column; its page's size if the column is nested."""
    import pyarrow as pa
    import pyarrow.compute as pc

    path = file.schema.column(chunk.column).path
    if file.schema.column(chunk.column).max_repetition_level or "." in path:
        return chunk.largest_page
    first = next(file.iter_batches(batch_size=1, row_groups=[chunk.group], columns=[path]), None)
    column = first.column(0) if first is not None else None
    if not isinstance(column, pa.DictionaryArray) or not len(column.dictionary):
        return chunk.largest_page
    return pc.max(pc.binary_length(column.dictionary.cast(pa.large_binary()))).as_py() or 0


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
