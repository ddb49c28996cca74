"""Sources of adopted rows: each row is a record of the task with its answers in the cell `assay_adopted`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from assay.adoption.answer_store import AnswerStore, FoundAnswer
from assay.adoption.options import AnswerSpec
from assay.errors import UsageError, did_you_mean
from assay.inputs.canonical import BadId, oversize_column, record_id_of
from assay.inputs.raw_rows import RawRow, Source
from assay.inputs.values import raw_row
from assay.records.statuses import RejectionReason
from assay.runs.adopted_answers import ADOPTED_CELL

OF_A_CELL = (RejectionReason.OVERSIZE_CELL, RejectionReason.UNDECODABLE_TEXT)
FAILURES: Mapping[RejectionReason, str] = {
    RejectionReason.OVERSIZE_CELL: "it is larger than `input.max_cell_bytes`",
    RejectionReason.UNDECODABLE_TEXT: "it is not UTF-8 text",
}
"""Why an answer is invalid whose cell could not be read; its record is not rejected."""


class _RowsOf(Source):
    """The rows of another source, with its label, columns and fingerprint."""

    def __init__(self, rows: Source) -> None:
        super().__init__(rows.label)
        self._rows = rows

    def columns(self) -> tuple[str, ...]:
        """See `Source.columns`."""
        return self._rows.columns()

    def fingerprint(self) -> str | None:
        """See `Source.fingerprint`."""
        return self._rows.fingerprint()


class AnswersInColumns(_RowsOf):
    """Rows of a table whose columns contain both the records and the answers."""

    def __init__(self, rows: Source, answers: Sequence[AnswerSpec], *, kept: Sequence[str]) -> None:
        """`kept` are the columns that the task reads; the other columns of answers move into the adopted cell.

        Raises:
            UsageError: a column of the answers does not exist.
        """
        super().__init__(rows)
        self._answers = tuple(answers)
        self._moved = frozenset(answer_columns(answers)) - frozenset(kept)
        require_answer_columns(rows, answers)

    def _read(self, max_cell_bytes: int) -> Iterator[RawRow]:
        for row in self._rows.rows(max_cell_bytes=max_cell_bytes):
            yield self._with_answers(row, max_cell_bytes)

    def _with_answers(self, row: RawRow, max_cell_bytes: int) -> RawRow:
        row, failures = _readable(row, self._moved, max_cell_bytes)
        if row.cells is None or row.reason is not None:
            return row
        adopted = {answer.variant: [item_in(row.cells, answer, failures)] for answer in self._answers}
        cells = {name: value for name, value in row.cells.items() if name not in self._moved}
        return replace(row, cells={**cells, ADOPTED_CELL: adopted})


class AnswersById(_RowsOf):
    """Rows of a source of records, with the answers of a store for their ids; counts the records that have answers."""

    def __init__(self, rows: Source, store: AnswerStore, variants: Sequence[str], *, id_column: str) -> None:
        super().__init__(rows)
        self._store = store
        self._id_column = id_column
        self.matched = dict.fromkeys(variants, 0)

    def _read(self, max_cell_bytes: int) -> Iterator[RawRow]:
        for row in self._rows.rows(max_cell_bytes=max_cell_bytes):
            if row.cells is None or row.reason is not None:
                yield row
                continue
            yield replace(row, cells={**row.cells, ADOPTED_CELL: self._items(row.cells)})

    def _items(self, cells: Mapping[str, Any]) -> dict[str, list[Mapping[str, Any] | None]]:
        try:
            record_id = record_id_of(cells.get(self._id_column))
        except BadId:
            record_id = None  # the row is rejected later, for its id
        found = {name: self._store.items(name, record_id) if record_id else [] for name in self.matched}
        for name, items in found.items():
            self.matched[name] += bool(items)
        return found


class SamplesInFile(Source):
    """The records that a file of another tool contains beside its answers."""

    def __init__(self, store: AnswerStore, *, label: str) -> None:
        super().__init__(label)
        self._store = store

    def columns(self) -> tuple[str, ...]:
        """Names of the cells of the first record."""
        return tuple(next(self._store.records(), {}))

    def fingerprint(self) -> str | None:
        """None: the file has been read into the store."""
        return None

    def _read(self, max_cell_bytes: int) -> Iterator[RawRow]:
        for position, cells in enumerate(self._store.records()):
            yield raw_row(position, dict(cells), max_cell_bytes=max_cell_bytes)


def answers_of_rows(
    rows: Source, answers: Sequence[AnswerSpec], *, id_column: str, max_cell_bytes: int
) -> Iterator[tuple[str, FoundAnswer]]:
    """Yields the answers in a table whose column `id_column` names their record, each with its variant.

    Raises:
        UsageError: a row cannot be read or has no id.
    """
    columns = frozenset(answer_columns(answers))
    for found in rows.rows(max_cell_bytes=max_cell_bytes):
        row, failures = _readable(found, columns, max_cell_bytes)
        place = f"row {row.position + 1:,}"
        if row.cells is None or row.reason is not None:
            raise UsageError(f"{rows.label}: {place} cannot be read: {row.explanation}", next_step="fix the row.")
        try:
            record_id = record_id_of(row.cells.get(id_column))
        except BadId as error:
            raise UsageError(
                f"{rows.label}: {place}, column {id_column!r}: {error}", next_step="fix the id."
            ) from error
        if record_id is None:
            raise UsageError(
                f"{rows.label}: {place} has no id: expected one in column {id_column!r}", next_step="fix the row."
            )
        for answer in answers:
            yield answer.variant, FoundAnswer(record_id, 0, place, item_in(row.cells, answer, failures))


def require_answer_columns(rows: Source, answers: Sequence[AnswerSpec], *more: str) -> None:
    """Checks that the source has every column of the answers; passes if its columns are not known.

    Raises:
        UsageError: a column does not exist.
    """
    known = rows.columns()
    missing = next((column for column in (*answer_columns(answers), *more) if known and column not in known), None)
    if missing is None:
        return
    raise UsageError(
        f"{rows.label} has no column {missing!r}: found {', '.join(map(repr, known[:50]))}",
        next_step=did_you_mean(missing, known) or "check the name of the column.",
    )


def answer_columns(answers: Sequence[AnswerSpec]) -> list[str]:
    """Returns the columns that the answers are read from."""
    return [column for answer in answers for column in (answer.answer, *answer.columns.values())]


def item_in(cells: Mapping[str, Any], answer: AnswerSpec, failures: Mapping[str, str]) -> dict[str, Any]:
    """Returns the answer in a row, with what its columns state about it; `failures` are cells that could not be read."""
    item: dict[str, Any] = {what: cells.get(column) for what, column in answer.columns.items()}
    if answer.answer in failures:
        return {**item, "failure": failures[answer.answer]}
    return {**item, "answer": cells.get(answer.answer)}


def _readable(row: RawRow, columns: frozenset[str], max_cell_bytes: int) -> tuple[RawRow, dict[str, str]]:
    """The row without its unreadable cells in these columns, and the reason of each; other defects stay."""
    failures: dict[str, str] = {}
    while row.reason in OF_A_CELL and row.cells is not None and row.column in columns:
        failures[row.column] = FAILURES[row.reason]
        cells = {name: value for name, value in row.cells.items() if name != row.column}
        column = oversize_column(cells, max_cell_bytes)
        reason = RejectionReason.OVERSIZE_CELL if column is not None else None
        row = replace(row, cells=cells, column=column, reason=reason, explanation=row.explanation if column else None)
    return row, failures
