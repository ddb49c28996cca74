"""Normalizes text for the recognizers: full-width digits, unusual spaces, dashes and invisible characters.

Spans found in the folded text are mapped back, so that the original text is masked.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

# Invisible characters outside category Cf: combining grapheme joiner, fillers, the keycap mark.
_INVISIBLE = frozenset((0x034F, 0x115F, 0x1160, 0x20E3, 0x3164, *range(0xFE00, 0xFE10)))


@dataclass(frozen=True, slots=True)
class Folded:
    """A folded text; `offsets[i]` is the original position of its i-th character; None if positions are equal."""

    text: str
    offsets: Sequence[int] | None

    def original_span(self, start: int, end: int) -> tuple[int, int]:
        """Start and end of the non-empty `text[start:end]` in the original."""
        if self.offsets is None:
            return start, end
        return self.offsets[start], self.offsets[end - 1] + 1


def fold(text: str) -> Folded:
    """The text with plain digits, spaces, dashes and compatibility letters, without invisible characters."""
    if text.isascii():
        return Folded(text, None)
    folded = text.translate(_FOLDS)
    if len(folded) == len(text):
        return Folded(folded, None)
    return Folded(folded, [i for i, char in enumerate(text) if _FOLDS[ord(char)]])


class _Folds(dict[int, str]):
    """Maps a code point to its folded character, or to '' if it is removed; filled on first use."""

    def __missing__(self, code: int) -> str:
        plain = self[code] = _plain(chr(code))
        return plain


def _plain(char: str) -> str:
    category = unicodedata.category(char)
    if category == "Cf" or ord(char) in _INVISIBLE:
        return ""
    if category == "Zs":
        return " "
    if category == "Pd" or char == "\N{MINUS SIGN}":
        return "-"
    if (digit := unicodedata.decimal(char, None)) is not None:
        return str(digit)
    compatible = unicodedata.normalize("NFKC", char)
    return compatible if len(compatible) == 1 else char


_FOLDS = _Folds()
