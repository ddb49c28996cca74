"""Some incorrect predictions: the masked input, what was expected, the output, and why it is incorrect."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from assay.formatting import NOTHING, record_name
from assay.records.statuses import ANSWERED, PredictionStatus
from assay.report.block import Scorecard, ScorecardBlock, Section
from assay.report.queries.predictions import WRONG_PREDICTIONS
from assay.report.source import Rows, RunSource

TITLE = "Wrong answers"
COLUMNS = ("record", "input", "expected", "got", "reason")
LONGEST_TEXT = 300
"""Characters of a cell; longer text is cut. JSON has all of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WrongBlock:
    """`wrong` has one row per record; `n_wrong_records` counts all records with an incorrect prediction.

    The content is as stored: masked. The choice is the same each time and does not depend on the content.
    """

    wrong: Rows = ()
    n_wrong_records: int | None = None


def read(source: RunSource) -> WrongBlock:
    """Returns the chosen number of records; nothing if it is 0."""
    if not source.wrong:
        return WrongBlock()
    rows = source.rows(WRONG_PREDICTIONS)
    return WrongBlock(
        wrong=tuple(_parsed(row) for row in rows), n_wrong_records=rows[0]["n_wrong_records"] if rows else 0
    )


def sections(card: Scorecard) -> Iterator[Section]:
    """Yields a row per record."""
    block = card.of(WrongBlock)
    rows = [_row(row) for row in block.wrong]
    title = f"{TITLE}: {len(rows)} of {block.n_wrong_records:,} records" if rows else TITLE
    yield Section(title, COLUMNS, rows)


def _parsed(row: Mapping[str, Any]) -> dict[str, Any]:
    parsed = {name: json.loads(row[name] or "null") for name in ("input", "expected", "output")}
    kept = {name: value for name, value in row.items() if name != "n_wrong_records"}
    return {**kept, "slices": list(row["slices"] or ()), **parsed}


def _row(row: Mapping[str, Any]) -> tuple[str, ...]:
    return (
        record_name(row["record_id"]),
        _cut(_text(row["input"])),
        _cut(_text(row["expected"])),
        _got(row),
        _reason(row),
    )


def _got(row: Mapping[str, Any]) -> str:
    """Returns the model's own output at the first try; what was delivered instead is no answer of the model."""
    if row["first_status"] in ANSWERED:
        return _cut(_text(row["output"]))
    if row["first_status"] == PredictionStatus.FALLBACK:
        return f"{NOTHING} (fallback: {_cut(_text(row['output']))})"
    return f"{NOTHING} ({row['first_status']})"


def _reason(row: Mapping[str, Any]) -> str:
    if row["first_status"] in ANSWERED:
        return _cut(row["failed_checks"] or NOTHING)
    if row["status"] != row["first_status"]:
        return f"no valid output at the first try; requested again, then {row['status']}"
    error = ": ".join(part for part in (row["error_type"], row["error_message"]) if part)
    return _cut(error or "no valid output")


def _text(value: Any) -> str:
    """Formats a JSON value: one field by itself, several as `name: value`."""
    if value is None:
        return NOTHING
    if isinstance(value, Mapping) and len(value) == 1:
        return _text(next(iter(value.values())))
    if isinstance(value, Mapping):
        return " · ".join(f"{name}: {_text(part)}" for name, part in value.items())
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST_TEXT else f"{text[: LONGEST_TEXT - 1]}…"


BLOCK = ScorecardBlock(kind=WrongBlock, read=read, sections=sections)
