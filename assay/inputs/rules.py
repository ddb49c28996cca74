"""Input rules of a task."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Literal

from assay.errors import UsageError
from assay.inputs.raw_rows import MAX_CELL_BYTES
from assay.inputs.supported_expectations import expectation_columns, expectation_findings
from assay.inputs.turns import TurnColumns


@dataclass(frozen=True, slots=True, kw_only=True)
class InputRules:
    """Conditions for a row to become a record.

    `required_columns` are all columns that the task reads; `expectations` are Great Expectations configurations;
    `max_rejected_share` is from 0 to 1; with `conversation`, each row is one turn of a conversation. Raises UsageError
    if a rule cannot be applied.
    """

    record_id: str
    required_columns: tuple[str, ...] = ()
    expectations: tuple[Mapping[str, object], ...] = ()
    on_duplicate: Literal["reject", "first"] = "reject"
    max_rejected_share: float = 0.0
    max_cell_bytes: int = field(default=MAX_CELL_BYTES)
    conversation: TurnColumns | None = None

    def __post_init__(self) -> None:
        if not self.record_id:
            raise UsageError(
                "Input rules: record_id is empty: expected the name of the column that identifies a record."
            )
        if self.on_duplicate not in ("reject", "first"):
            raise UsageError(f"Input rules: on_duplicate is {self.on_duplicate!r}: expected 'reject' or 'first'.")
        if not 0 <= self.max_rejected_share <= 1:
            raise UsageError(
                f"Input rules: max_rejected_share is {self.max_rejected_share}: expected a share from 0 to 1."
            )
        if self.max_cell_bytes < 1:
            raise UsageError(f"Input rules: max_cell_bytes is {self.max_cell_bytes}: expected at least 1.")
        for expectation in self.expectations:
            _check_expectation(expectation)

    def columns(self) -> tuple[str, ...]:
        """Every column the input must have: record id, columns of the task, columns of the expectations."""
        validated = (column for expectation in self.expectations for column in expectation_columns(expectation))
        return tuple(dict.fromkeys((self.record_id, *self.required_columns, *validated)))


def require_columns(found: tuple[str, ...], rules: InputRules, *, label: str) -> None:
    """Checks that `found` contains every column that `rules` needs; passes if no column is known.

    Raises:
        UsageError: a column is missing; the message lists the columns found and the closest matches.
    """
    missing = [column for column in rules.columns() if column not in found]
    if not found or not missing:
        return
    nearest = [_nearest(column, found) for column in missing]
    hints = "".join(
        f"; the closest match for {column!r} is {near!r}" for column, near in zip(missing, nearest, strict=True) if near
    )
    if len(found) == 1 and (delimiter := next((mark for mark in (";", "\t", "|") if mark in found[0]), None)):
        hints += f"; the header contains {delimiter!r}, so save the file with the delimiter of its extension"
    raise UsageError(
        f"{label} has no column {', '.join(map(repr, missing))}: found {', '.join(map(repr, found[:50]))}{hints}",
        next_step="rename the column in the input, or change the column name in task.yml.",
    )


def _nearest(column: str, found: tuple[str, ...]) -> str | None:
    folded = {name.strip().casefold(): name for name in found}
    match = get_close_matches(column.strip().casefold(), folded, n=1)
    return folded[match[0]] if match else None


def _check_expectation(expectation: Mapping[str, object]) -> None:
    for found in expectation_findings(expectation):
        raise UsageError(
            f"Input rules: {found.problem or f'expected {found.expected}'}"
            + (f", found {found.found}" * bool(found.found)),
            next_step=found.next_step and f"{found.next_step.rstrip('.')}.",
        )
