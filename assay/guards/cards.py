"""Finds payment cards: a known issuer's prefix and length, and a Luhn checksum that Presidio validates."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING

from assay.guards.spelling import DigitGroup, Window, matches, windows

if TYPE_CHECKING:
    from presidio_analyzer import PatternRecognizer

_ISSUER = re.compile(
    r"""4\d{12}(?:\d{3}){0,2}                                            # Visa
      | (?:5[1-5]\d\d | 222[1-9] | 22[3-9]\d | 2[3-6]\d\d | 27[01]\d | 2720)\d{12}   # Mastercard
      | 3[47]\d{13} | 3(?:0[0-5]|[689]\d)\d{11,16} | 35\d{14,17} | (?:2131|1800)\d{11}   # Amex, Diners, JCB
      | 6\d{11,18} | 5[0678]\d{10,17} | 0604\d{8}                        # Discover, UnionPay, Maestro
      | 1\d{14} | 220[0-4]\d{12,15} | 8[12]\d{14} | 9792\d{12}           # UATP, Mir, RuPay, Troy
    """,
    re.VERBOSE,
)
_LENGTHS = range(12, 20)
_MOST_GROUPS = 5
_FEWEST_OF_A_GROUP = 3
_FEWEST_DIGITS_READ = 5
_ANNOUNCED = re.compile(r"card|visa|master|amex|maestro|credit|debit", re.IGNORECASE)
_CONTEXT_REACH = 40
_USUAL = re.compile(r"[ .\-]{1,3}")


class CardFinder:
    """Finds payment cards in a folded text."""

    def __init__(self, recognizer: PatternRecognizer) -> None:
        self._recognizer = recognizer

    def __call__(self, text: str) -> Iterator[tuple[int, int]]:
        """Start and end of each match, in order of position, without overlaps."""
        return matches(text, partial(self._at, text), fewest=_LENGTHS[0])

    def _at(self, text: str, chunks: list[DigitGroup], first: int) -> Window | None:
        if len(chunks[first].digits) < _FEWEST_OF_A_GROUP and any(
            not chunk.is_word for chunk in chunks[max(0, first - 2) : first]
        ):
            return None
        for window in windows(text, chunks, first, digits=_LENGTHS):
            number = window.digits
            if _ISSUER.fullmatch(number) and _is_grouped(window) and self._recognizer.validate_result(number):
                return window
        return None


def _is_grouped(window: Window) -> bool:
    """True if the digits are grouped as on cards, or written one by one or in pairs with nothing around them."""
    shape = window.shape
    if window.letters > len(window.digits) - _FEWEST_DIGITS_READ:
        return False
    if len(shape) == 1:
        return not window.chunks[0].letters or window.text[window.start].isdecimal() or _is_announced(window)
    if len(set(shape)) == 1 and shape[0] <= 2:
        around = (window.before, window.after)
        return window.is_uniform and all(chunk is None or chunk.is_word for chunk in around)
    if len(shape) > _MOST_GROUPS:
        return False
    if not window.letters and all(map(_USUAL.fullmatch, window.separators)):
        return shape[0] >= 4 and min(shape) >= 3
    return _is_of_a_card(shape)


def _is_announced(window: Window) -> bool:
    return bool(_ANNOUNCED.search(window.text, max(0, window.start - _CONTEXT_REACH), window.start))


def _is_of_a_card(shape: tuple[int, ...]) -> bool:
    return shape in ((4, 6, 5), (4, 6, 4)) or (set(shape[:-1]) == {4} and shape[-1] <= 4)
