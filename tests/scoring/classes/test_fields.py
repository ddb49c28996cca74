"""Which output fields have classes, and what the class of a value is."""

from __future__ import annotations

from assay.scoring.classes.fields import ClassReader, class_fields
from tests.fakes.task_folder import OUTPUT, TaskFolder

MANY = """\
from enum import Enum
from typing import Literal

from pydantic import BaseModel


class Kind(Enum):
    A = "a"
    B = "b"


class Inner(BaseModel):
    is_urgent: bool
    grade: Literal[1, 2, 3]


class Answer(BaseModel):
    label: Literal["billing", "other"]
    kind: Kind | None
    inner: Inner
    words: str
    open: Literal["x"] | str
    tags: list[Literal["p", "q"]]
"""


def test_closed_fields_are_found_with_the_check_that_compares_them(folder: TaskFolder) -> None:
    folder.edit("  fallback:\n    label: other\n", "")
    folder.edit(OUTPUT.split("\n\n\nNOT")[0], MANY.rstrip("\n"), file="output.py")

    found = {one.field: (one.scorer, one.labels) for one in class_fields(folder.load())}

    assert found == {
        "label": ("label_right", ("billing", "other")),
        "kind": (None, ("a", "b", "null")),
        "inner.is_urgent": (None, ("false", "true")),
        "inner.grade": (None, ("1", "2", "3")),
    }


def test_texts_are_classes_only_if_the_check_says_so(folder: TaskFolder) -> None:
    folder.edit('Literal["billing", "other"]', "str", file="output.py")

    assert class_fields(folder.load()) == ()

    folder.edit("    field: label\n", "    field: label\n    classes: true\n")
    (found,) = class_fields(folder.load())
    assert (found.field, found.scorer, found.is_text) == ("label", "label_right", True)


def test_the_class_is_the_one_that_the_check_compares(folder: TaskFolder) -> None:
    folder.edit("    field: label\n", "    field: label\n    ignore_case: true\n    strip: true\n")
    reader = ClassReader(folder.load(), scrub=lambda text: f"masked {text}")

    def pair(answered: object, expected: object) -> tuple[str | None, str | None]:
        return reader.pairs({"label": answered}, {"label": expected})["label"]

    assert pair("other", " Billing ") == ("billing", "other")
    assert pair("other", "Complaint") == ("masked complaint", "other")
    assert reader.pairs(None, None)["label"] == (None, None)
    assert reader.pairs({}, {"another": 1})["label"] == (None, None)
