"""Rows of a JSON Lines file: one JSON object per line."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from io import BufferedReader
from itertools import islice
from pathlib import Path

import orjson

from assay.bounds import MOST_JSON_VALUES, has_too_many_values
from assay.errors import UsageError
from assay.inputs.canonical import oversize_column
from assay.inputs.raw_rows import CHUNK_BYTES, LocalFile, RawRow
from assay.records.statuses import RejectionReason

ROWS_FOR_COLUMNS = 1_000
CELLS_PER_LINE = 32
LONG_NUMBER = re.compile(rb"\d{19}")
SMALLEST, LARGEST = -(2**63), 2**64 - 1


class JsonLinesFile(LocalFile):
    """A `.jsonl` file: UTF-8, one object per line. Blank lines are skipped; a missing key is null.

    A line longer than 32 cells of the maximum size is skipped without keeping it in memory.
    """

    def __init__(self, path: Path, *, label: str) -> None:
        super().__init__(path, label=label)
        with self._open_text() as file:
            start = file.read(CHUNK_BYTES).lstrip()
        first, _, rest = start.partition(b"\n")
        if first.startswith(b"[") and not (first.rstrip().endswith(b"]") and rest):
            raise UsageError(
                f"{label} is one JSON array: expected one JSON object per line",
                next_step="convert it, e.g. `jq -c '.[]' FILE > NEW.jsonl`.",
            )

    def columns(self) -> tuple[str, ...]:
        """Keys of the first 1,000 rows, in order of appearance; empty if none of those rows can be read."""
        names: dict[str, None] = {}
        with self._open_text() as file:
            for row in islice(self._rows_of(file, max_cell_bytes=1_000_000), ROWS_FOR_COLUMNS):
                names.update(dict.fromkeys(row.cells or ()))
        return tuple(names)

    def _read(self, max_cell_bytes: int) -> Iterator[RawRow]:
        with self._open_text() as file:
            yield from self._rows_of(file, max_cell_bytes=max_cell_bytes)

    def _rows_of(self, file: BufferedReader, *, max_cell_bytes: int) -> Iterator[RawRow]:
        limit = CELLS_PER_LINE * max_cell_bytes
        position, line_number = 0, 0
        while line := file.readline(limit):
            line_number += 1
            if len(line) == limit and not line.endswith(b"\n"):
                yield _skipped_line(file, line, position=position, line_number=line_number, limit=limit)
            elif line.isspace():
                continue
            else:
                yield _row(position, line, line_number=line_number, max_cell_bytes=max_cell_bytes)
            position += 1


def _row(position: int, line: bytes, *, line_number: int, max_cell_bytes: int) -> RawRow:
    where = f"line {line_number}"
    if has_too_many_values(line):
        explanation = f"{where}: expected at most {MOST_JSON_VALUES:,} JSON values, found more"
        return RawRow(position, None, RejectionReason.OVERSIZE_CELL, explanation, line)
    try:
        cells = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        return _undecoded(RawRow(position, None, RejectionReason.UNREADABLE_ROW, None, line), where, error.pos)
    if not isinstance(cells, dict):
        kind = type(cells).__name__
        return RawRow(
            position,
            None,
            RejectionReason.UNREADABLE_ROW,
            f"{where}: expected a JSON object, found a JSON {kind}",
            line,
        )
    if LONG_NUMBER.search(line) and _has_rounded_number(line):
        explanation = f"{where}: expected integers of at most 64 bits, found a longer one; write it as text in quotes"
        return RawRow(position, None, RejectionReason.UNREADABLE_ROW, explanation, line)
    if len(line) > max_cell_bytes and (column := oversize_column(cells, max_cell_bytes)) is not None:
        explanation = f"{where}: expected a cell of at most {max_cell_bytes:,} bytes, found a larger one"
        return RawRow(
            position,
            {k: v for k, v in cells.items() if k != column},
            RejectionReason.OVERSIZE_CELL,
            explanation,
            line,
            column,
        )
    return RawRow(position, cells, None, None, line)


def _undecoded(row: RawRow, where: str, character: int) -> RawRow:
    try:
        row.raw.decode()
    except UnicodeDecodeError as error:
        explanation = f"{where}: expected UTF-8 text, found other bytes from byte {error.start} on"
        return RawRow(row.position, None, RejectionReason.UNDECODABLE_TEXT, explanation, row.raw)
    explanation = f"{where}: expected a JSON object, found text that is not JSON at character {character}"
    return RawRow(row.position, None, RejectionReason.UNREADABLE_ROW, explanation, row.raw)


def _has_rounded_number(line: bytes) -> bool:
    """True if an integer in the line has more than 64 bits, which the fast parser would round."""
    rounded = False

    def note(digits: str) -> int:
        nonlocal rounded
        rounded = rounded or len(digits) > len(str(SMALLEST)) or not SMALLEST <= int(digits) <= LARGEST
        return 0

    try:
        json.loads(line, parse_int=note)
    except RecursionError:
        return False  # nested too deeply for a record; rejected when it is written
    return rounded


def _skipped_line(file: BufferedReader, start: bytes, *, position: int, line_number: int, limit: int) -> RawRow:
    digest, chunk = hashlib.sha256(start), start
    while chunk and not chunk.endswith(b"\n"):
        chunk = file.readline(CHUNK_BYTES)
        digest.update(chunk)
    explanation = f"line {line_number}: expected a line of at most {limit:,} bytes, found a longer one"
    return RawRow(position, None, RejectionReason.OVERSIZE_CELL, explanation, f"sha256:{digest.hexdigest()}".encode())
