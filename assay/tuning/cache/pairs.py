"""Reads labeled pairs of questions; the label states whether the same answer is correct for both."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from assay.errors import UsageError
from assay.inputs.sources import open_source
from assay.runs.record_mapping import as_text

LABEL, ANSWER = "same", "answer"
SIDES = ("a", "b")
YES = frozenset({"1", "true", "yes"})
NO = frozenset({"0", "false", "no"})


@dataclass(frozen=True, slots=True)
class QuestionPair:
    """A new question `a` and a cached question `b`, each as a mapping from input field to text.

    `same` is True if the answer to `b` is also correct for `a`. `answer` identifies the answer to `b`, for example by
    its label; None if the file does not contain it.
    """

    a: dict[str, str]
    b: dict[str, str]
    same: bool
    answer: str | None = None


def read_pairs(file: str, *, root: Path, fields: tuple[str, ...]) -> list[QuestionPair]:
    """Returns every pair of the file.

    The columns are `same`, `answer` (optional), and `a.FIELD` and `b.FIELD` for each input field of the task. A task with
    one input field can use `a` and `b` instead; in JSON Lines, `a` and `b` can be objects.

    Raises:
        UsageError: the file cannot be read, or a row lacks a question or a label; the message names the row.
    """
    source = open_source(file, root=root, query=None, data_date=datetime.now(UTC).date())
    return list(_pairs(source.rows(), file, fields))


def _pairs(rows: Any, file: str, fields: tuple[str, ...]) -> Iterator[QuestionPair]:
    for row in rows:
        where = f"{file}, row {row.position + 1}"
        if row.reason is not None or row.cells is None:
            raise UsageError(f"{where}: {row.explanation or row.reason}", next_step="correct or remove the row.")
        a, b = (_side(row.cells, side, fields, where=where) for side in SIDES)
        answer = row.cells.get(ANSWER)
        yield QuestionPair(a, b, _label(row.cells, where=where), None if answer is None else as_text(answer) or None)


def _side(cells: Mapping[str, object], side: str, fields: tuple[str, ...], *, where: str) -> dict[str, str]:
    whole = cells.get(side)
    if isinstance(whole, Mapping):
        found = {name: whole.get(name) for name in fields}
    elif len(fields) == 1 and whole is not None:
        found = {fields[0]: whole}
    else:
        found = {name: cells.get(f"{side}.{name}") for name in fields}
    if missing := [name for name, value in found.items() if value is None]:
        names = " and ".join(f"`{side}.{name}`" for name in missing)
        short = f" (or `{side}`)" if len(fields) == 1 else ""
        raise UsageError(
            f"{where} has no value for {names}{short}; its columns are {', '.join(cells)}",
            next_step="add it, because each row needs both questions of the pair.",
        )
    return {name: as_text(value) for name, value in found.items()}


def _label(cells: Mapping[str, object], *, where: str) -> bool:
    text = as_text(cells.get(LABEL)).strip().lower()
    if text not in YES | NO:
        raise UsageError(
            f"{where}: expected `{LABEL}` to be 1 or 0 (or true/false, yes/no), found {text!r}",
            next_step="label the pair.",
        )
    return text in YES
