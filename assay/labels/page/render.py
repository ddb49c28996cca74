"""Prepares an item for the templates of the page: each value becomes a heading and plain text; templates escape it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from assay.labels.questions import CANNOT_TELL
from assay.labels.session import LabelingItem

WRAPPED = re.compile(r"(?<!\n)\n[ \t]*(?!\n|[ \t]|\d+[.)]|[-*•])")
LONG_CHARACTERS, LONG_LINES, SHORT_CHARACTERS = 600, 10, 32


@dataclass(frozen=True, slots=True)
class TextBlock:
    """A named value as text; `is_code` means that whitespace is preserved."""

    name: str
    text: str
    is_code: bool

    @property
    def is_long(self) -> bool:
        """True if the text is too long to show in full, so that it scrolls."""
        return len(self.text) > LONG_CHARACTERS or self.text.count("\n") > LONG_LINES

    @property
    def is_short(self) -> bool:
        """True if several blocks of this size fit in one row."""
        return len(self.text) <= SHORT_CHARACTERS and "\n" not in self.text


@dataclass(frozen=True, slots=True)
class Choice:
    """One level of the question with its keyboard key; `is_given` is True for the person's current label."""

    key: str
    label: str
    words: str
    anchor: str
    is_given: bool


def blocks(value: Any) -> list[TextBlock]:
    """Returns one block for each field of an object, or a single block for any other value."""
    if isinstance(value, Mapping):
        return [_block(str(name), item) for name, item in value.items()]
    return [_block("", value)] if value is not None else []


def choices(item: LabelingItem) -> list[Choice]:
    """Returns the levels with their keys, followed by `cannot_tell`."""
    keys, unsure_key = level_keys([level.label for level in item.question.levels])
    given = item.given.label if item.given else None
    found = [
        Choice(key, level.label, "" if level.label == key else _words(level.label), level.anchor, level.label == given)
        for key, level in zip(keys, item.question.levels, strict=True)
    ]
    unsure = "The input is not sufficient, or the question does not apply. Not counted as a label."
    return [*found, Choice(unsure_key, CANNOT_TELL, _words(CANNOT_TELL), unsure, given == CANNOT_TELL)]


def level_keys(labels: Sequence[str]) -> tuple[list[str], str]:
    """Returns the key of each level and the key of `cannot_tell`; numeric levels use their last digit (0 for 10)."""
    own = [label[-1] for label in labels]
    if all(label.isdecimal() for label in labels) and len(set(own)) == len(own):
        return own, "x" if "0" in own else "0"
    return [str(number % 10) for number in range(1, len(labels) + 1)], "0" if len(labels) < 10 else "x"


def reflowed(text: str) -> str:
    """Returns the text with one line per paragraph or list item, regardless of the line breaks in its file."""
    return WRAPPED.sub(" ", text)


def _block(name: str, value: Any) -> TextBlock:
    if isinstance(value, str):
        return TextBlock(_words(name), value, is_code=False)
    if isinstance(value, list) and value and all(isinstance(item, str) for item in value):
        return TextBlock(_words(name), "\n".join(f"• {item}" for item in value), is_code=False)
    if isinstance(value, Mapping | list):
        return TextBlock(_words(name), orjson.dumps(value, option=orjson.OPT_INDENT_2).decode(), is_code=True)
    return TextBlock(_words(name), "–" if value is None else orjson.dumps(value).decode(), is_code=False)


def _words(name: str) -> str:
    return name.replace("_", " ")
