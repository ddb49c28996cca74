"""Input rules of a task."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Literal

from assay.errors import UsageError
from assay.inputs.raw_rows import MAX_CELL_BYTES
from assay.inputs.turns import TurnColumns

COLUMN_KEYS: Mapping[str, tuple[str, ...]] = {
    "expect_column_pair_values_a_to_be_greater_than_b": ("column_A", "column_B"),
    "expect_column_pair_values_to_be_equal": ("column_A", "column_B"),
    "expect_column_pair_values_to_be_in_set": ("column_A", "column_B"),
    "expect_column_value_lengths_to_be_between": ("column",),
    "expect_column_value_lengths_to_equal": ("column",),
    "expect_column_values_to_be_between": ("column",),
    "expect_column_values_to_be_dateutil_parseable": ("column",),
    "expect_column_values_to_be_in_set": ("column",),
    "expect_column_values_to_be_json_parseable": ("column",),
    "expect_column_values_to_be_null": ("column",),
    "expect_column_values_to_match_regex": ("column",),
    "expect_column_values_to_match_regex_list": ("column",),
    "expect_column_values_to_match_strftime_format": ("column",),
    "expect_column_values_to_not_be_in_set": ("column",),
    "expect_column_values_to_not_be_null": ("column",),
    "expect_column_values_to_not_match_regex": ("column",),
    "expect_column_values_to_not_match_regex_list": ("column",),
}
"""The supported expectations, which validate each row independently, and the keys that name their columns.

Other expectations need all rows at once (uniqueness, order, averages), but rows are read in chunks; or they do not
report which rows violate them.
"""


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


def expectation_columns(expectation: Mapping[str, object]) -> tuple[str, ...]:
    """The columns of a validated expectation."""
    kwargs = expectation["kwargs"]
    if not isinstance(kwargs, Mapping):
        return ()
    return tuple(str(kwargs[key]) for key in COLUMN_KEYS[str(expectation["type"])])


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
    kind, kwargs = expectation.get("type"), expectation.get("kwargs")
    if kind not in COLUMN_KEYS:
        raise UsageError(
            f"Input rules: expectation {kind!r} is not supported: expected one that validates each row independently: "
            f"{', '.join(sorted(COLUMN_KEYS))}."
        )
    if not isinstance(kwargs, Mapping):
        raise UsageError(f"Input rules: expectation {kind!r} has no kwargs: expected a mapping that names its column.")
    for key in COLUMN_KEYS[str(kind)]:
        if not isinstance(kwargs.get(key), str):
            raise UsageError(
                f"Input rules: expectation {kind!r} has no {key!r} in its kwargs: expected the name of a column."
            )
    for key in ("mostly", "row_condition", "condition_parser"):
        if key in kwargs and kwargs[key] not in (None, 1):
            raise UsageError(
                f"Input rules: expectation {kind!r} has {key!r}, but expectations apply to every row: each row that "
                "violates one is rejected",
                next_step=f"remove {key!r}, and set the maximum share of rejected rows as `max_rejected`.",
            )
