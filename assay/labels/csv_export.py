"""Exports labels to a CSV file that spreadsheets and `import_labels` can read."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from assay.errors import UsageError
from assay.formatting.spreadsheet import defused
from assay.labels.queries import HUMAN_LABELS
from assay.labels.questions import WITHDRAWN
from assay.warehouse.client import Warehouse

COLUMNS = (
    "record_id", "prediction_id", "epoch", "scorer", "label", "passed", "value", "annotator", "annotator_kind", "note",
    "scorer_version", "run_id", "labelled_at",
)  # fmt: skip


def export_labels(warehouse: Warehouse, task: str, path: Path, *, run_id: str | None) -> int:
    """Writes the current labels, except withdrawn ones, and returns their number.

    Raises:
        UsageError: the file cannot be written.
    """
    rows = warehouse.stream(HUMAN_LABELS.sql, {"task": task, "run_id": run_id or ""})
    lines = [_line(row) for row in rows if row["label"] != WITHDRAWN]
    partial = path.with_name(f"{path.name}.partial")
    try:
        with partial.open("w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows([COLUMNS, *lines])
        partial.replace(path)
    except OSError as error:
        raise UsageError(
            f"Labels cannot be written to {path}: {error.strerror}", next_step="choose a different file."
        ) from error
    return len(lines)


def _line(row: Mapping[str, Any]) -> list[str]:
    found = {**row, "note": row["explanation"], "labelled_at": row["occurred_at"].isoformat()}
    return [_cell(found[column]) for column in COLUMNS]


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return defused(value) if isinstance(value, str) else str(value)
