"""Reads and validates the rows of a CSV file with labels; `csv_import` looks up their predictions."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from assay.errors import UsageError
from assay.formatting.spreadsheet import restored
from assay.labels.csv_export import COLUMNS
from assay.labels.label_rows import MAX_NOTE_CHARACTERS
from assay.labels.questions import CANNOT_TELL, LabelingQuestion, Level
from assay.labels.queue import annotator_name
from assay.records.statuses import AnnotatorKind

YES = frozenset({"true", "t", "yes", "y", "1", "pass", "passed"})
NO = frozenset({"false", "f", "no", "n", "0", "fail", "failed"})
LABEL_COLUMNS = ("label", "passed", "value")
MAX_CELL_CHARACTERS = 10_000_000


@dataclass(frozen=True, slots=True)
class FileRow:
    """A non-empty row: its number as in a spreadsheet, and its cells by column, without surrounding spaces."""

    number: int
    cells: Mapping[str, str]

    def get(self, column: str) -> str:
        """Returns the cell in the column, or an empty string if there is none."""
        return self.cells.get(column, "")


@dataclass(frozen=True, slots=True)
class LabelFile:
    """The non-empty rows of a file; `unread` lists the columns that are ignored."""

    rows: tuple[FileRow, ...]
    unread: tuple[str, ...]


class LabelRowError(Exception):
    """A row is invalid; the message is the reason."""


def read_file(path: Path) -> LabelFile:
    """Returns the rows of the file.

    Raises:
        UsageError: the file cannot be read, is not UTF-8 CSV, or lacks a required column.
    """
    csv.field_size_limit(MAX_CELL_CHARACTERS)
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            table = list(csv.reader(file, strict=True))
    except OSError as error:
        raise UsageError(
            f"{path} cannot be read: {error.strerror}", next_step="check the path and its permissions."
        ) from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{path} is not UTF-8 text: {error.reason}", next_step="save it as CSV UTF-8.") from error
    except csv.Error as error:
        raise UsageError(
            f"{path} is not valid CSV: {error}", next_step="export it again, with commas as separators."
        ) from error
    header = [" ".join(name.split()).casefold().replace(" ", "_") for name in table[0]] if table else []
    _refuse_header(path, header)
    return LabelFile(
        tuple(_rows(path, header, table[1:])),
        tuple(name for name in header if name and name not in COLUMNS),
    )


def _rows(path: Path, header: list[str], table: list[list[str]]) -> Iterator[FileRow]:
    for number, cells in enumerate(table, start=2):
        if len(cells) > len(header) and any(cell.strip() for cell in cells[len(header) :]):
            raise UsageError(
                f"{path}: row {number} has {len(cells)} cells, but the header has {len(header)}",
                next_step="quote cells that contain commas.",
            )
        found = {name: restored(cell.strip()) for name, cell in zip(header, cells, strict=False) if name}
        if any(found.values()):
            yield FileRow(number, found)


def _refuse_header(path: Path, header: list[str]) -> None:
    named = [name for name in header if name]
    twice = sorted({name for name in named if named.count(name) > 1})
    if twice:
        raise UsageError(
            f"{path}: duplicate column names in the header: {', '.join(twice)}", next_step="rename or remove one."
        )
    if not {"record_id", "prediction_id"} & set(named) or not set(LABEL_COLUMNS) & set(named):
        raise UsageError(
            f"{path}: required columns are missing; the header has {', '.join(named) or 'no columns'}",
            next_step="add record_id or prediction_id, and at least one of label, passed and value.",
        )


def row_question(row: FileRow, questions: Mapping[str, LabelingQuestion]) -> LabelingQuestion:
    """Returns the question that the row names, or the only question of the task.

    Raises:
        LabelRowError: there is no such question, or it has been reworded since the label was given.
    """
    name = row.get("scorer")
    if not name and len(questions) > 1:
        raise LabelRowError(f"scorer is empty; expected one of {', '.join(questions)}")
    question = questions.get(name) if name else next(iter(questions.values()))
    if question is None:
        raise LabelRowError(f"unknown scorer {name!r}; expected one of {', '.join(questions)}")
    version = row.get("scorer_version")
    if version and version != question.version:
        raise LabelRowError(
            f"scorer_version {version} is outdated, because the question has been reworded (now {question.version}); "
            "if the label is still valid, clear the cell"
        )
    return question


def row_annotator(row: FileRow, default: str | None) -> str:
    """Returns the annotator of the row.

    Raises:
        LabelRowError: the name is missing or invalid.
    """
    name = row.get("annotator") or default
    if not name:
        raise LabelRowError("annotator is empty; set a name, or pass --annotator NAME for all such rows")
    try:
        return annotator_name(name)
    except UsageError as error:
        raise LabelRowError(str(error)) from error


def row_kind(row: FileRow) -> AnnotatorKind:
    """Returns the kind of the annotator; an empty cell is an expert.

    Raises:
        LabelRowError: there is no such kind.
    """
    text = row.get("annotator_kind").casefold() or AnnotatorKind.EXPERT
    try:
        return AnnotatorKind(text)
    except ValueError as error:
        known = ", ".join(AnnotatorKind)
        raise LabelRowError(
            f"invalid annotator_kind {row.get('annotator_kind')!r}; expected {known}, or an empty cell"
        ) from error


def row_choice(row: FileRow, question: LabelingQuestion) -> str:
    """Returns the label that the columns label, passed and value specify, or `cannot_tell`.

    Raises:
        LabelRowError: the columns specify no level, several levels, or different ones.
    """
    label = row.get("label").casefold().replace(" ", "_")
    if label == CANNOT_TELL:
        return CANNOT_TELL
    levels = list(question.levels)
    stated = {name: row.get(name) for name in LABEL_COLUMNS if row.get(name)}
    if not stated:
        raise LabelRowError(f"label, passed and value are empty; expected one of {_label_list(question)}")
    for name, text in stated.items():
        cell = label if name == "label" else text
        matching = [level for level in levels if _matches(level, name, cell)]
        if not matching and not any(_matches(level, name, cell) for level in question.levels):
            raise LabelRowError(f"invalid {name} {text!r}; expected {_expected(question, name)}")
        if not matching:
            cells = " and ".join(f"{column} {content!r}" for column, content in stated.items())
            raise LabelRowError(f"{cells} contradict each other; expected one of {_label_list(question)}")
        levels = matching
    if len(levels) > 1:
        raise LabelRowError(
            f"{len(levels)} levels of {question.scorer} match; set label to one of {_label_list(question)}"
        )
    return levels[0].label


def row_note(row: FileRow) -> str | None:
    """Returns the note, or None.

    Raises:
        LabelRowError: the note is too long.
    """
    note = row.get("note")
    if len(note) > MAX_NOTE_CHARACTERS:
        raise LabelRowError(f"note has {len(note):,} characters; expected at most {MAX_NOTE_CHARACTERS:,}")
    return note or None


def row_epoch(row: FileRow) -> int | None:
    """Returns the epoch, or None.

    Raises:
        LabelRowError: the epoch is not a non-negative integer.
    """
    text = row.get("epoch")
    if not text:
        return None
    number = _number(text)
    if number is None or number != int(number) or number < 0:
        raise LabelRowError(f"invalid epoch {text!r}; expected a non-negative integer, or an empty cell")
    return int(number)


def _matches(level: Level, column: str, text: str) -> bool:
    if column == "label":
        return level.label.casefold() == text
    if column == "passed":
        return level.passed is not None and text.casefold() in (YES if level.passed else NO)
    number = _number(text)
    return number is not None and math.isclose(number, level.value, abs_tol=1e-9)


def _expected(question: LabelingQuestion, column: str) -> str:
    if column == "label":
        return f"one of {_label_list(question)}"
    if column == "passed":
        return "true or false (or yes, no, 1, 0, pass, fail)"
    return f"one of {', '.join(f'{level.value:g}' for level in question.levels)}"


def _label_list(question: LabelingQuestion) -> str:
    return ", ".join([*(level.label for level in question.levels), CANNOT_TELL])


def _number(text: str) -> float | None:
    """Returns the number, or None; accepts a decimal comma, which spreadsheets write in many locales."""
    try:
        number = float(text.replace(",", "."))
    except ValueError:
        return None
    return number if math.isfinite(number) else None
