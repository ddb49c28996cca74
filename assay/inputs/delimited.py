"""Rows of a CSV or TSV file; quoting as in RFC 4180."""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from io import BufferedReader
from pathlib import Path

from assay.errors import UsageError
from assay.inputs.canonical import oversize_column, undecodable_column
from assay.inputs.raw_rows import CHUNK_BYTES, LocalFile, RawRow
from assay.records.statuses import RejectionReason

HEADER_CELL_BYTES = 32_768
CELL_START, IN_CELL, IN_QUOTES, AFTER_QUOTE = range(4)


@dataclass(slots=True)
class _QuoteScan:
    """Tracks quotes and delimiters of one row across chunks, to find the row's end without keeping the row in memory."""

    delimiter: bytes
    max_cell_bytes: int
    state: int = CELL_START
    column: int = 0
    oversize: int | None = None
    _cell_bytes: int = 0

    def advance(self, chunk: bytes) -> None:
        """Advances by `chunk`; afterwards `state`, `column` and `oversize` describe the row so far."""
        at = 0
        while at < len(chunk):
            at = self._step(chunk, at)

    def _step(self, chunk: bytes, at: int) -> int:
        byte = chunk[at : at + 1]
        if self.state in (CELL_START, AFTER_QUOTE) and byte == b'"':
            self.state = IN_QUOTES  # opens a cell, or is the second half of a doubled quote
            return self._grow(1, at + 1)
        if self.state == IN_QUOTES:
            end = chunk.find(b'"', at)
            if end < 0:
                return self._grow(len(chunk) - at, len(chunk))
            self.state = AFTER_QUOTE
            return self._grow(end - at, end + 1)
        end = chunk.find(self.delimiter, at)
        if end < 0:
            self.state = IN_CELL
            return self._grow(len(chunk) - at, len(chunk))
        self._grow(end - at, end)
        self.state, self._cell_bytes = CELL_START, 0
        self.column += 1
        return end + 1

    def _grow(self, count: int, at: int) -> int:
        self._cell_bytes += count
        if self.oversize is None and self._cell_bytes > self.max_cell_bytes:
            self.oversize = self.column
        return at


@dataclass(frozen=True, slots=True)
class _Span:
    """Bytes of one row; for a row too large for memory, a hash of them and the facts gathered while skipping it."""

    line: int
    raw: bytes
    is_held: bool = True
    cells: int = 0
    oversize: int | None = None


@dataclass(slots=True)
class _RowSplitter:
    """Splits a file into rows, one in memory at a time, none larger than `columns` cells of the maximum size."""

    file: BufferedReader
    label: str
    delimiter: bytes
    columns: int
    max_cell_bytes: int
    line: int = field(default=0)

    def spans(self) -> Iterator[_Span]:
        while chunk := self.file.readline(CHUNK_BYTES):
            self.line += 1
            is_short = len(chunk) < CHUNK_BYTES and len(chunk) <= self.max_cell_bytes
            is_whole = is_short and (b'"' not in chunk or self._is_whole(chunk))
            span = _Span(self.line, chunk) if is_whole else self._span(chunk)
            if b"\0" in span.raw:
                raise UsageError(
                    f"{self.label} has a NUL byte in line {span.line}: expected UTF-8 text",
                    next_step="save it as UTF-8, or remove the NULs, e.g. `tr -d '\\000' < FILE > NEW`.",
                )
            if span.raw.strip(b"\r\n"):
                yield span

    def _is_whole(self, line: bytes) -> bool:
        """True if the line is certainly a complete row; for other lines, the slower scan decides."""
        try:
            next(csv.reader((line.decode("utf-8", "surrogateescape"),), delimiter=self.delimiter.decode(), strict=True))
        except csv.Error:
            return False
        return True

    def _span(self, chunk: bytes) -> _Span:
        # A quote in a cell is doubled, so a cell takes at most twice its size, plus two quotes and a line break.
        largest = 2 * self.max_cell_bytes + 4
        scan, digest, first_line = _QuoteScan(self.delimiter, largest), hashlib.sha256(), self.line
        held: list[bytes] = []
        held_bytes, is_held = 0, True
        while chunk:
            scan.advance(chunk)
            digest.update(chunk)
            held_bytes += len(chunk)
            is_held = is_held and scan.oversize is None and held_bytes <= largest * self.columns
            if is_held:
                held.append(chunk)
            else:
                held.clear()
            if chunk.endswith(b"\n") and scan.state != IN_QUOTES:
                break
            self.line += chunk.endswith(b"\n")
            chunk = self.file.readline(CHUNK_BYTES)
        if scan.state == IN_QUOTES:
            raise UsageError(
                f"{self.label} has a quote in the row at line {first_line} that is never closed",
                next_step='close it, or write a quote inside a cell as "".',
            )
        raw = b"".join(held) if is_held else f"sha256:{digest.hexdigest()}".encode()
        return _Span(first_line, raw, is_held, scan.column + 1, scan.oversize)


class DelimitedFile(LocalFile):
    """A CSV or TSV file: UTF-8, one header row; cells are text, an empty cell is ''. Blank lines are skipped."""

    def __init__(self, path: Path, *, label: str, delimiter: str) -> None:
        super().__init__(path, label=label)
        self._delimiter = delimiter
        self._header = self._read_header()

    def columns(self) -> tuple[str, ...]:
        """Names in the header."""
        return self._header

    def _read(self, max_cell_bytes: int) -> Iterator[RawRow]:
        # `csv` has one limit per process; the rows in memory are bounded already.
        csv.field_size_limit(max(csv.field_size_limit(), (2 * max_cell_bytes + 4) * len(self._header)))
        with self._open_text() as file:
            spans = _RowSplitter(file, self.label, self._delimiter.encode(), len(self._header), max_cell_bytes).spans()
            next(spans, None)
            for position, span in enumerate(spans):
                yield self._row(position, span, max_cell_bytes)

    def _row(self, position: int, span: _Span, max_cell_bytes: int) -> RawRow:
        if not span.is_held:
            return self._unheld_row(position, span, max_cell_bytes)
        text = span.raw.decode("utf-8", "surrogateescape")
        try:
            found = next(csv.reader((text,), delimiter=self._delimiter))
        except csv.Error:
            explanation = f"line {span.line}: expected one row, found a bare carriage return outside quotes"
            return RawRow(position, None, RejectionReason.UNREADABLE_ROW, explanation, span.raw)
        if len(found) != len(self._header):
            return self._ragged_row(position, span, len(found))
        cells: dict[str, object] = dict(zip(self._header, found, strict=True))
        return _validated(RawRow(position, cells, None, None, span.raw), span.line, max_cell_bytes)

    def _unheld_row(self, position: int, span: _Span, max_cell_bytes: int) -> RawRow:
        if span.oversize is None or span.oversize >= len(self._header):
            return self._ragged_row(position, span, span.cells)
        return RawRow(
            position,
            None,
            RejectionReason.OVERSIZE_CELL,
            f"line {span.line}: expected a cell of at most {max_cell_bytes:,} bytes, found a larger one",
            span.raw,
            self._header[span.oversize],
        )

    def _ragged_row(self, position: int, span: _Span, found: int) -> RawRow:
        explanation = f"line {span.line}: expected {len(self._header)} cells as in the header, found {found}"
        return RawRow(position, None, RejectionReason.RAGGED_ROW, explanation, span.raw)

    def _read_header(self) -> tuple[str, ...]:
        with self._open_text() as file:
            splitter = _RowSplitter(file, self.label, self._delimiter.encode(), 1, HEADER_CELL_BYTES)
            span = next(splitter.spans(), None)
        if span is None:
            raise UsageError(f"{self.label} contains only blank lines: expected a header row and rows of data.")
        if not span.is_held:
            raise UsageError(
                f"{self.label} has a first row of more than {2 * HEADER_CELL_BYTES:,} bytes: "
                "expected a header row of column names."
            )
        return _header_names(span.raw, label=self.label, delimiter=self._delimiter)


def _validated(row: RawRow, line: int, max_cell_bytes: int) -> RawRow:
    """The row itself if its cells are valid; otherwise the row with its rejection reason, without the invalid cell."""
    cells = row.cells or {}
    if len(row.raw) > max_cell_bytes and (column := oversize_column(cells, max_cell_bytes)) is not None:
        reason = RejectionReason.OVERSIZE_CELL
        explanation = f"line {line}: expected a cell of at most {max_cell_bytes:,} bytes, found a larger one"
    elif not row.raw.isascii() and (column := undecodable_column(cells)) is not None:
        reason = RejectionReason.UNDECODABLE_TEXT
        explanation = f"line {line}: expected UTF-8 text, found other bytes"
    else:
        return row
    readable = {
        name: value for name, value in cells.items() if name != column and undecodable_column({name: value}) is None
    }
    return RawRow(row.position, readable, reason, explanation, row.raw, column)


def _header_names(raw: bytes, *, label: str, delimiter: str) -> tuple[str, ...]:
    try:
        text = raw.decode()
    except UnicodeDecodeError as error:
        raise UsageError(
            f"{label} has a header that is not UTF-8: invalid byte at position {error.start}",
            next_step="save it as UTF-8, e.g. `iconv -f WINDOWS-1252 -t UTF-8 FILE > NEW`.",
        ) from error
    try:
        names = tuple(next(csv.reader((text,), delimiter=delimiter)))
    except csv.Error as error:
        raise UsageError(
            f"{label} has a bare carriage return in its header: expected lines that end in LF or CRLF",
            next_step="convert them, e.g. `tr '\\r' '\\n' < FILE > NEW`.",
        ) from error
    if repeated := sorted({name for name in names if names.count(name) > 1}):
        raise UsageError(
            f"{label} has duplicate column names: {', '.join(map(repr, repeated))}",
            next_step="rename them in the header.",
        )
    return names
