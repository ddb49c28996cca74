"""Rows of a CSV file of labels: read as a spreadsheet writes them, each fault with its row.

Pure but for reading the file. Whether predictions exist is looked up by `label_import`.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from assay.errors import UsageError
from assay.labels.csv_export import COLUMNS, unquoted
from assay.labels.label_rows import LONGEST_NOTE
from assay.labels.questions import CANNOT_TELL, LabelingQuestion, Level
from assay.labels.queue import annotator_name

YES = frozenset({"true", "t", "yes", "y", "1", "pass", "passed"})
NO = frozenset({"false", "f", "no", "n", "0", "fail", "failed"})
ANSWERS = ("label", "passed", "value")
LARGEST_CELL = 10_000_000


@dataclass(frozen=True, slots=True)
class FileRow:
    """One row that is not empty, as numbered in a spreadsheet; cells by column, stripped."""

    number: int
    cells: Mapping[str, str]

    def get(self, column: str) -> str:
        """The cell, empty where there is none."""
        return self.cells.get(column, "")


@dataclass(frozen=True, slots=True)
class LabelFile:
    """What a file holds; `unread` are columns that say nothing to Assay."""

    rows: tuple[FileRow, ...]
    unread: tuple[str, ...]


class LabelRowError(Exception):
    """What is wrong with one row, in words."""


def read_file(path: Path) -> LabelFile:
    """The rows of the file.

    Raises:
        UsageError: it cannot be read, or is no CSV in UTF-8 with the columns that are needed.
    """
    csv.field_size_limit(LARGEST_CELL)
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            table = list(csv.reader(file, strict=True))
    except OSError as error:
        raise UsageError(f"{path}: expected a file that can be read ({error.strerror}); correct the path.") from error
    except UnicodeDecodeError as error:
        raise UsageError(
            f"{path}: expected UTF-8, found a byte that is none ({error.reason}); save it as CSV UTF-8."
        ) from error
    except csv.Error as error:
        raise UsageError(f"{path}: expected CSV with commas, found a fault ({error}); export it again.") from error
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
                f"{path}: row {number} has {len(cells)} cells: expected {len(header)} as in the header; quote cells that hold commas."
            )
        found = {name: unquoted(cell.strip()) for name, cell in zip(header, cells, strict=False) if name}
        if any(found.values()):
            yield FileRow(number, found)


def _refuse_header(path: Path, header: list[str]) -> None:
    named = [name for name in header if name]
    twice = sorted({name for name in named if named.count(name) > 1})
    if twice:
        raise UsageError(f"{path}: the header has {', '.join(twice)} twice: expected each column once.")
    if not {"record_id", "prediction_id"} & set(named) or not set(ANSWERS) & set(named):
        raise UsageError(
            f"{path}: expected a header with record_id or prediction_id, and with label, passed or value; "
            f"found {', '.join(named) or 'nothing'}."
        )


def row_question(row: FileRow, questions: Mapping[str, LabelingQuestion]) -> LabelingQuestion:
    """The question that the row answers: the one named, or the only one.

    Raises:
        Fault: there is no such question, or its wording has changed since the label was given.
    """
    name = row.get("scorer")
    if not name and len(questions) > 1:
        raise LabelRowError(f"scorer is empty: expected one of {', '.join(questions)}")
    asked = questions.get(name) if name else next(iter(questions.values()))
    if asked is None:
        raise LabelRowError(f"scorer {name!r}: expected {' or '.join(questions)}")
    version = row.get("scorer_version")
    if version and version != asked.version:
        raise LabelRowError(
            f"scorer_version {version}: expected {asked.version}, for the question was reworded since; "
            "leave the cell empty if the label still holds"
        )
    return asked


def row_annotator(row: FileRow, default: str | None) -> str:
    """Who gave the label.

    Raises:
        Fault: nobody is named, or it is no name.
    """
    name = row.get("annotator") or default
    if not name:
        raise LabelRowError("annotator is empty: expected a name, or --annotator NAME for all such rows")
    try:
        return annotator_name(name)
    except UsageError as error:
        raise LabelRowError(str(error)) from error


def row_choice(row: FileRow, asked: LabelingQuestion) -> str:
    """The level that label, passed and value name together; `cannot_tell` where that is the label.

    Raises:
        Fault: they name none, several, or different ones.
    """
    label = row.get("label").casefold().replace(" ", "_")
    if label == CANNOT_TELL:
        return CANNOT_TELL
    levels = list(asked.levels)
    stated = {name: row.get(name) for name in ANSWERS if row.get(name)}
    if not stated:
        raise LabelRowError(f"label, passed and value are empty: expected one of {_named(asked)}")
    for name, text in stated.items():
        left = [level for level in levels if _fits(level, name, label if name == "label" else text)]
        if not left and not any(_fits(level, name, label if name == "label" else text) for level in asked.levels):
            raise LabelRowError(f"{name} {text!r}: expected {_expected(asked, name)}")
        if not left:
            raise LabelRowError(
                f"{' and '.join(f'{n} {t!r}' for n, t in stated.items())} do not name the same level: expected one of {_named(asked)}"
            )
        levels = left
    if len(levels) > 1:
        raise LabelRowError(
            f"{asked.scorer} has {len(levels)} levels that fit: expected a label, one of {_named(asked)}"
        )
    return levels[0].label


def row_note(row: FileRow) -> str | None:
    """The note, if there is one.

    Raises:
        Fault: it is longer than notes may be.
    """
    note = row.get("note")
    if len(note) > LONGEST_NOTE:
        raise LabelRowError(f"note has {len(note):,} characters: expected at most {LONGEST_NOTE:,}")
    return note or None


def row_epoch(row: FileRow) -> int | None:
    """The epoch, if one is named.

    Raises:
        Fault: it is no whole number.
    """
    text = row.get("epoch")
    if not text:
        return None
    number = _number(text)
    if number is None or number != int(number) or number < 0:
        raise LabelRowError(f"epoch {text!r}: expected a whole number from 0, or nothing")
    return int(number)


def _fits(level: Level, column: str, text: str) -> bool:
    if column == "label":
        return level.label.casefold() == text
    if column == "passed":
        return level.passed is not None and text.casefold() in (YES if level.passed else NO)
    number = _number(text)
    return number is not None and math.isclose(number, level.value, abs_tol=1e-9)


def _expected(asked: LabelingQuestion, column: str) -> str:
    if column == "label":
        return f"one of {_named(asked)}"
    if column == "passed":
        return "true or false (or yes, no, 1, 0, pass, fail)"
    return f"one of {', '.join(f'{level.value:g}' for level in asked.levels)}"


def _named(asked: LabelingQuestion) -> str:
    return ", ".join([*(level.label for level in asked.levels), CANNOT_TELL])


def _number(text: str) -> float | None:
    """The number; a comma may stand for the point, as spreadsheets of many countries write it."""
    try:
        number = float(text.replace(",", "."))
    except ValueError:
        return None
    return number if math.isfinite(number) else None
