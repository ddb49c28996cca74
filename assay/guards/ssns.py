"""Finds US social security numbers: every ddd-dd-dddd, issued or not, and other spellings that are valid or announced.

A word such as SSN in the preceding 40 characters announces a number: nine digits in any grouping then count. Which
numbers are never issued is Presidio's knowledge.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING

from assay.guards.spelling import DigitGroup, Window, matches, windows

if TYPE_CHECKING:
    from presidio_analyzer.predefined_recognizers import UsSsnRecognizer

_DIGITS = 9
_SHAPE = (3, 2, 4)
_SHAPES_IF_ANNOUNCED = frozenset(((9,), (3, 6), (5, 4), (3, 3, 3), (1,) * 9))
_FIRST_SIZES = frozenset(shape[0] for shape in _SHAPES_IF_ANNOUNCED)
_CONTEXT_REACH = 40
_ABBREVIATED = r"ss\#|ss\ ?(?:no|num|number)|soc(?:ial)?[\s.]{1,2}sec|tax\ ?payer|itin|tax\ ?id"
_HYPHENATED = re.compile(r"\s{0,2}-\s{0,3}")
_BRACKETED = re.compile(r"[()\[\]{} \-]+")
_COUNTRY_CODE_BEFORE = re.compile(r"\+\d{1,3}[ .\-]\Z")
_YEAR = re.compile(r"(?:19|20)\d\d")


class SsnFinder:
    """Finds social security numbers in a folded text."""

    def __init__(self, recognizer: UsSsnRecognizer) -> None:
        self._recognizer = recognizer
        words = "|".join(map(re.escape, recognizer.context or ()))
        self._context = re.compile(rf"(?<![a-z])(?:{words}|{_ABBREVIATED})(?![a-z])", re.IGNORECASE)

    def __call__(self, text: str) -> Iterator[tuple[int, int]]:
        """Start and end of each number, in order of position, without overlaps."""
        return matches(text, partial(self._at, text), fewest=_DIGITS)

    def _at(self, text: str, chunks: list[DigitGroup], first: int) -> Window | None:
        size = len(chunks[first].digits)
        if size not in _FIRST_SIZES or (size == 1 and first and not chunks[first - 1].is_word):
            return None
        for window in windows(text, chunks, first, digits=range(_DIGITS, _DIGITS + 1)):
            if not _ends_a_phone(window) and (self._is_announced(window) or self._is_valid(window)):
                return window
        return None

    def _is_announced(self, window: Window) -> bool:
        if window.letters > (_DIGITS - 1 if window.shape == _SHAPE else 6):
            return False
        if window.shape != _SHAPE and (window.shape not in _SHAPES_IF_ANNOUNCED or _has_a_word_at_an_end(window)):
            return False
        before = window.text[max(0, window.start - _CONTEXT_REACH) : window.start]
        return bool(self._context.search(before))

    def _is_valid(self, window: Window) -> bool:
        if window.shape != _SHAPE or _is_mostly_words(window):
            return False
        if all(map(_HYPHENATED.fullmatch, window.separators)):
            return True
        if window.is_glued or self._recognizer.invalidate_result(window.digits):
            return False
        between = "".join(window.separators)
        if between[0] in "/.," and _is_a_date(window):
            return False
        if not between.strip() or between[0] == ",":
            return not (window.continues and between[0] != " ")
        return window.is_uniform or bool(_BRACKETED.fullmatch(between))


def _has_a_word_at_an_end(window: Window) -> bool:
    return len(window.chunks) > 1 and (window.chunks[0].is_word or window.chunks[-1].is_word)


def _is_mostly_words(window: Window) -> bool:
    """True for codes of letters, and such as ISO-11-2024."""
    first, _, last = window.chunks
    return window.letters > _DIGITS - 2 or (first.is_word and bool(_YEAR.fullmatch(last.digits)))


def _is_a_date(window: Window) -> bool:
    return bool(_YEAR.fullmatch(window.chunks[2].digits)) and int(window.chunks[1].digits) <= 12


def _ends_a_phone(window: Window) -> bool:
    return bool(_COUNTRY_CODE_BEFORE.search(window.text[max(0, window.start - 5) : window.start]))
