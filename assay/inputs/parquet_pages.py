"""Sizes of the pages of a Parquet file, from the headers of the pages; nothing is decompressed.

The file's footer may state any size for a column. Only the headers state what a reader will allocate: a page that
decompresses to another size is an error there. Format: https://github.com/apache/parquet-format, in Thrift's compact protocol.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from io import BufferedReader
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pyarrow.parquet as pq

MOST_PAGE_BYTES = 134_217_728
"""Decompressed. Writers make pages of 1 MB, some of up to 100 MB."""
MOST_NESTED_BYTES = 268_435_456
"""Decompressed, of one nested column in one row group, because a single row may fill it."""
LEVELS_PER_ROW, LEVELS_PER_BYTE, FEW_LEVELS = 8, 64, 1_000_000
"""A nested column may have more values than these allow only by run lengths, which expand without bound."""
MOST_HEADER_BYTES = 16_000_000
"""As Arrow's own limit."""
HEADER_BYTES = 512
BOOLS, BYTE, INTEGERS, DOUBLE, TEXT, LISTS, STRUCT = (1, 2), 3, (4, 5, 6), 7, 8, (9, 10), 12
LONG_LIST = 15
"""In the place of a length: the length follows."""
MOST_DEPTH = 64
SIZE, SENT_SIZE, DATA_PAGE, DATA_PAGE_V2, N_VALUES = 2, 3, 5, 8, 1


class TooLarge(Exception):
    """Raised if a part of the file is larger than a limit; the message names the part, its size and the limit."""


class BrokenHeader(Exception):
    """Raised if the header of a page cannot be read."""


@dataclass(frozen=True, slots=True)
class PageSize:
    """A page; `values` counts nulls and is 0 for a dictionary."""

    header_bytes: int
    sent_bytes: int
    plain_bytes: int
    values: int


@dataclass(frozen=True, slots=True)
class ColumnPages:
    """One column of one row group, with its pages; `name` is for messages."""

    name: str
    group: int
    column: int
    pages: tuple[PageSize, ...]

    @property
    def values(self) -> int:
        """Number of values, nulls included."""
        return sum(page.values for page in self.pages)

    @property
    def largest_page(self) -> int:
        """Decompressed size of the largest page in bytes."""
        return max((page.plain_bytes for page in self.pages), default=0)


def checked_chunks(file: BufferedReader, metadata: pq.FileMetaData) -> Iterator[ColumnPages]:
    """Yields every column of every row group after the size of its pages was checked; none is decompressed.

    Raises:
        TooLarge: a page, or a nested column in a row group, exceeds its limit.
        BrokenHeader: the file is damaged.
    """
    for index in range(metadata.num_row_groups):
        group = metadata.row_group(index)
        for position in range(group.num_columns):
            found = group.column(position)
            name = f"column {found.path_in_schema!r} in row group {index + 1:,}"
            chunk = ColumnPages(name, index, position, tuple(_pages(file, found, name)))
            if metadata.schema.column(position).max_repetition_level:
                _check_nested(chunk, group.num_rows)
            yield chunk


def _pages(file: BufferedReader, chunk: pq.ColumnChunkMetaData, name: str) -> Iterator[PageSize]:
    starts = [chunk.data_page_offset, *([chunk.dictionary_page_offset] if chunk.has_dictionary_page else [])]
    at = min(start for start in starts if start)
    end = at + chunk.total_compressed_size
    while at < end:
        page = _page_at(file, at)
        if page.plain_bytes > MOST_PAGE_BYTES:
            raise TooLarge(f"{name} has a page of {page.plain_bytes:,} bytes: expected at most {MOST_PAGE_BYTES:,}")
        yield page
        at += page.header_bytes + page.sent_bytes


def _check_nested(chunk: ColumnPages, rows: int) -> None:
    size, values = sum(page.plain_bytes for page in chunk.pages), chunk.values
    if size > MOST_NESTED_BYTES:
        raise TooLarge(f"{chunk.name} is nested and has {size:,} bytes: expected at most {MOST_NESTED_BYTES:,}")
    if values > max(FEW_LEVELS, LEVELS_PER_ROW * rows, LEVELS_PER_BYTE * size):
        raise TooLarge(f"{chunk.name} is nested and has {values:,} values in {size:,} bytes: expected fewer")


def _page_at(file: BufferedReader, at: int) -> PageSize:
    length = HEADER_BYTES
    while True:
        file.seek(at)
        window = file.read(length)
        header = _Header(window)
        try:
            fields = header.struct()
            break
        except IndexError:  # the header is longer than the window
            if len(window) < length or length > MOST_HEADER_BYTES:
                raise BrokenHeader from None
            length *= 8
    plain, sent = _count(fields, SIZE), _count(fields, SENT_SIZE)
    data = fields.get(DATA_PAGE) or fields.get(DATA_PAGE_V2)
    return PageSize(header.at, sent, plain, _count(data, N_VALUES) if isinstance(data, dict) else 0)


def _count(fields: dict[int, object], number: int) -> int:
    value = fields.get(number)
    if not isinstance(value, int) or value < 0:
        raise BrokenHeader
    return value


@dataclass(slots=True)
class _Header:
    """Reads one struct of Thrift's compact protocol; integers and structs are kept, all else is skipped."""

    data: bytes
    at: int = field(default=0)

    def struct(self, depth: int = 0) -> dict[int, object]:
        if depth > MOST_DEPTH:
            raise BrokenHeader
        fields: dict[int, object] = {}
        number = 0
        while (byte := self._byte()) != 0:
            number = number + (byte >> 4) if byte >> 4 else self._integer()
            fields[number] = self._value(byte & 0x0F, depth)
        return fields

    def _value(self, kind: int, depth: int) -> object:
        if kind in BOOLS:
            return None
        if kind == BYTE:
            return self._byte()
        if kind in INTEGERS:
            return self._integer()
        if kind == STRUCT:
            return self.struct(depth + 1)
        if kind in (DOUBLE, TEXT):
            self._skip(8 if kind == DOUBLE else self._unsigned())
            return None
        if kind not in LISTS:
            raise BrokenHeader
        byte = self._byte()
        of = BYTE if byte & 0x0F in BOOLS else byte & 0x0F
        for _ in range(byte >> 4 if byte >> 4 < LONG_LIST else self._unsigned()):
            self._value(of, depth + 1)
        return None

    def _byte(self) -> int:
        self.at += 1
        return self.data[self.at - 1]

    def _skip(self, count: int) -> None:
        self.at += count
        if self.at > len(self.data):
            raise IndexError

    def _unsigned(self) -> int:
        value = shift = 0
        while (byte := self._byte()) & 0x80 and shift < MOST_DEPTH:
            value, shift = value | (byte & 0x7F) << shift, shift + 7
        return value | byte << shift

    def _integer(self) -> int:
        value = self._unsigned()
        return (value >> 1) ^ -(value & 1)
