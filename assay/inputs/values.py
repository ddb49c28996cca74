"""Raw rows from typed values (Parquet, warehouse), for which no raw bytes exist."""

from __future__ import annotations

from assay.inputs.canonical import Unwritable, canonical_json, oversize_column, undecodable_column
from assay.inputs.raw_rows import RawRow
from assay.records.statuses import RejectionReason


def raw_row(position: int, cells: dict[str, object], *, max_cell_bytes: int) -> RawRow:
    """The row with its canonical JSON as raw bytes, or with a rejection reason if a cell is invalid."""
    try:
        raw = canonical_json(cells)
    except Unwritable as error:
        return _unwritable(position, cells, str(error))
    if len(raw) > max_cell_bytes and (column := oversize_column(cells, max_cell_bytes)) is not None:
        explanation = f"expected a cell of at most {max_cell_bytes:,} bytes, found a larger one"
        return RawRow(position, _without(cells, column), RejectionReason.OVERSIZE_CELL, explanation, raw, column)
    return RawRow(position, cells, None, None, raw)


def _unwritable(position: int, cells: dict[str, object], explanation: str) -> RawRow:
    raw = repr(cells).encode("utf-8", "backslashreplace")
    column = undecodable_column(cells)
    if column is None:
        return RawRow(position, None, RejectionReason.UNREADABLE_ROW, explanation, raw)
    return RawRow(position, _without(cells, column), RejectionReason.UNDECODABLE_TEXT, explanation, raw, column)


def _without(cells: dict[str, object], column: str) -> dict[str, object]:
    return {name: value for name, value in cells.items() if name != column}
