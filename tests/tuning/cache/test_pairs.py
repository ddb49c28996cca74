"""Labelled pairs are read as they are written, and a row that cannot be used is named."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import pytest

from assay.errors import UsageError
from assay.tuning.cache.pairs import QuestionPair, read_pairs

ONE, TWO = ("text",), ("title", "text")


def read(folder: Path, content: str, *, name: str = "pairs.csv", fields: tuple[str, ...] = ONE) -> list[QuestionPair]:
    (folder / name).write_text(content, "utf-8")
    return read_pairs(name, root=folder, fields=fields)


def lines(*rows: dict[str, Any]) -> str:
    return "".join(f"{orjson.dumps(row).decode()}\n" for row in rows)


def test_a_task_with_one_field_has_two_columns_of_questions(tmp_path: Path) -> None:
    pairs = read(tmp_path, 'a,b,same\nWhere is it?,"Where, please?",1\nWhere?,Why?,0\n')
    assert pairs == [
        QuestionPair({"text": "Where is it?"}, {"text": "Where, please?"}, True),
        QuestionPair({"text": "Where?"}, {"text": "Why?"}, False),
    ]


def test_a_task_with_several_fields_has_a_column_for_each(tmp_path: Path) -> None:
    [pair] = read(tmp_path, "a.title,a.text,b.title,b.text,same\nT,x,U,y,yes\n", fields=TWO)
    assert pair == QuestionPair({"title": "T", "text": "x"}, {"title": "U", "text": "y"}, True)


def test_json_lines_may_hold_objects(tmp_path: Path) -> None:
    row = {"a": {"title": "T", "text": "x"}, "b": {"title": "U", "text": "y"}, "same": False, "answer": "refund"}
    [pair] = read(tmp_path, lines(row), name="pairs.jsonl", fields=TWO)
    assert pair == QuestionPair({"title": "T", "text": "x"}, {"title": "U", "text": "y"}, False, "refund")


@pytest.mark.parametrize(("label", "same"), [("1", True), ("0", False), ("TRUE", True), (" no ", False), ("Yes", True)])
def test_a_label_may_be_written_in_several_ways(tmp_path: Path, label: str, same: bool) -> None:
    [pair] = read(tmp_path, f"a,b,same\nx,y,{label}\n")
    assert pair.same is same


def test_an_empty_answer_is_no_answer(tmp_path: Path) -> None:
    pairs = read(tmp_path, "a,b,same,answer\nx,y,1,\nx,z,1,refund\n")
    assert [pair.answer for pair in pairs] == [None, "refund"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("a,b,same\nx,y,1\nx,z,maybe\n", r"pairs\.csv, row 2: expected `same` to be 1 or 0 .* found 'maybe'"),
        ("a,b,same\nx,y,\n", r"row 1: expected `same` to be 1 or 0 .* found ''"),
        ("a,b\nx,y\n", r"row 1: expected `same` to be 1 or 0 .* found ''"),
        ("a,same\nx,1\n", r"row 1 has no value for `b\.text` \(or `b`\); its columns are a, same; .* both questions"),
        ("q1,q2,same\nx,y,1\n", r"no value for `a\.text` \(or `a`\); its columns are q1, q2, same"),
    ],
)
def test_a_row_that_cannot_be_used_is_named_with_what_was_expected(tmp_path: Path, content: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        read(tmp_path, content)


def test_a_side_that_lacks_a_field_is_named_with_every_field_it_lacks(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"row 1 has no value for `a\.title` and `a\.text`; .* both questions"):
        read(tmp_path, "b.title,b.text,same\nT,x,1\n", fields=TWO)


def test_a_row_that_is_no_row_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"pairs\.jsonl, row 2: .*correct or remove the row"):
        read(tmp_path, lines({"a": "x", "b": "y", "same": 1}) + "{broken\n", name="pairs.jsonl")


@pytest.mark.parametrize("name", ["missing.csv", "pairs.xlsx"])
def test_a_file_that_cannot_be_read_is_an_error_in_use(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError, match=name.replace(".", r"\.")):
        read_pairs(name, root=tmp_path, fields=ONE)
