"""Normalizes text for the recognizers: escapes, full-width digits, unusual spaces, dashes and invisible characters.

Spans found in the folded text are mapped back, so that the original text is masked.
"""

from __future__ import annotations

import html
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import unquote

# Invisible characters outside category Cf: combining grapheme joiner, fillers, the keycap mark.
_INVISIBLE = frozenset((0x034F, 0x115F, 0x1160, 0x20E3, 0x3164, *range(0xFE00, 0xFE10)))
_BULLETS = frozenset("\u00b7\u2022\u2024\u2027\u2219\u22c5\u30fb\uff65")
_DASHES = frozenset("\u2212\u00af\u02d7\u2043\u207b\u208b")
_ESCAPE = re.compile(
    r"""&(?:\#\d{1,7}|\#[xX][0-9A-Fa-f]{1,6}|[A-Za-z]{2,10});        # HTML
      | %(?:[0-7][0-9A-Fa-f]|C2%A0|E2%80%[89A][0-9A-Fa-f])           # URL: ASCII, spaces and dashes
      | \\(?:u[0-9A-Fa-f]{4}|[nrt_*.\-+@()\[\]])                     # JSON, Markdown
      | </?(?:b|i|u|em|strong|span|font|code|wbr|a|small|mark)(?:\ [^<>@\d]{0,80})?/?>   # formatting in HTML
      | \*\*|__                                                      # and in Markdown
    """,
    re.VERBOSE | re.IGNORECASE,
)
_ESCAPE_STARTS = ("&", "%", "\\", "<", "**", "__")
_JSON_SPACES = {"\\n": "\n", "\\r": "\r", "\\t": "\t"}


@dataclass(frozen=True, slots=True)
class Folded:
    """A folded text; its i-th character stands for `original[starts[i]:ends[i]]`; None if positions are equal."""

    text: str
    starts: Sequence[int] | None = None
    ends: Sequence[int] | None = None

    def original_span(self, start: int, end: int) -> tuple[int, int]:
        """Start and end of the non-empty `text[start:end]` in the original."""
        if self.starts is None or self.ends is None:
            return start, end
        return self.starts[start], self.ends[end - 1]


def fold(text: str) -> Folded:
    """The text with plain digits, spaces, dashes and compatibility letters, without invisible characters or escapes."""
    if any(start in text for start in _ESCAPE_STARTS) and _ESCAPE.search(text):
        return _with_escapes(text)
    if text.isascii():
        return Folded(text)
    folded = text.translate(_FOLDS)
    if len(folded) == len(text):
        return Folded(folded)
    starts = [i for i, char in enumerate(text) if _FOLDS[ord(char)]]
    return Folded(folded, starts, [start + 1 for start in starts])


def _with_escapes(text: str) -> Folded:
    pieces: list[str] = []
    starts: list[int] = []
    ends: list[int] = []
    done = 0
    for escape in _ESCAPE.finditer(text):
        char = _FOLDS[ord(decoded)] if (decoded := _decoded(escape.group())) else ""
        _append_plain(text, done, escape.start(), pieces, starts)
        ends.extend(start + 1 for start in starts[len(ends) :])
        pieces.append(char)
        starts.extend([escape.start()] * len(char))
        ends.extend([escape.end()] * len(char))
        done = escape.end()
    _append_plain(text, done, len(text), pieces, starts)
    ends.extend(start + 1 for start in starts[len(ends) :])
    return Folded("".join(pieces), starts, ends)


def _append_plain(text: str, start: int, end: int, pieces: list[str], starts: list[int]) -> None:
    plain = text[start:end]
    folded = plain if plain.isascii() else plain.translate(_FOLDS)
    pieces.append(folded)
    if len(folded) == len(plain):
        starts.extend(range(start, end))
    else:
        starts.extend(position for position in range(start, end) if _FOLDS[ord(text[position])])


def _decoded(escape: str) -> str:
    """The character that an escape stands for; itself if it stands for none or several; '' for formatting."""
    if escape[0] == "&":
        char = html.unescape(escape)
    elif escape[0] == "%":
        char = unquote(escape)
    elif escape[0] == "\\":
        char = chr(int(escape[2:], 16)) if escape[1] in "uU" else _JSON_SPACES.get(escape.lower(), escape[1])
    else:
        return ""
    return char if len(char) == 1 else " "


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
    if category in ("Zl", "Zp"):
        return "\n"
    if category == "Pd" or char in _DASHES:
        return "-"
    if char in _BULLETS:
        return "."
    if (digit := unicodedata.decimal(char, None)) is not None:
        return str(digit)
    compatible = unicodedata.normalize("NFKC", char)
    return compatible if len(compatible) == 1 else char


_FOLDS = _Folds()
