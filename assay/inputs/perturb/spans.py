"""Parts of a text that no perturbation may change, and positions at which a text may be divided."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

PLACEHOLDER = re.compile(r"<[A-Z][A-Z_]*_\d+>")
"""Placeholders of masked values, which cases that were taken from masked data contain."""
SHORTEST_QUOTE = 2
JOINERS = frozenset("\u200c\u200d\ufe0e\ufe0f")
"""Zero-width (non-)joiner and variation selectors, which belong to the character before them."""
ZERO_WIDTH_JOINER = "\u200d"
SKIN_TONES = range(0x1F3FB, 0x1F400)
REGIONAL_INDICATORS = range(0x1F1E6, 0x1F200)
"""Letters that form a flag in pairs."""


class TextSpan(NamedTuple):
    """Characters `start` up to, but not including, `end`."""

    start: int
    end: int


def quoted_values(expected: Mapping[str, Any] | None) -> tuple[str, ...]:
    """Texts and numbers of at least two characters in the expected output, which the input may quote."""
    return tuple(dict.fromkeys(text for text in _leaves(expected) if len(text) >= SHORTEST_QUOTE))


def quote_spans(text: str, quotes: Iterable[str]) -> tuple[TextSpan, ...]:
    """The parts of the text that quote an expected value, in any letter case."""
    found = (re.finditer(re.escape(quote), text, re.IGNORECASE) for quote in quotes)
    return tuple(sorted(TextSpan(*match.span()) for matches in found for match in matches))


def fixed_spans(text: str, quotes: Iterable[str]) -> tuple[TextSpan, ...]:
    """Quotes and placeholders, in order of their start."""
    placeholders = (TextSpan(*match.span()) for match in PLACEHOLDER.finditer(text))
    return tuple(sorted((*quote_spans(text, quotes), *placeholders)))


def free_parts(text: str, fixed: Iterable[TextSpan]) -> Iterator[tuple[str, bool]]:
    """The text in parts, in order, each with whether it may be changed."""
    done = 0
    for span in fixed:
        start = max(span.start, done)
        if span.end <= done:
            continue
        if start > done:
            yield text[done:start], True
        yield text[start : span.end], False
        done = span.end
    if done < len(text):
        yield text[done:], True


def boundary_before(text: str, position: int) -> int:
    """The last position up to `position` that is not inside a character as people see it, such as an emoji sequence."""
    while 0 < position < len(text) and _continues(text, position):
        position -= 1
    return position


def extends(character: str) -> bool:
    """True if the character belongs to the one before it: a combining mark, a joiner or a skin tone."""
    return unicodedata.category(character).startswith("M") or character in JOINERS or ord(character) in SKIN_TONES


def _continues(text: str, position: int) -> bool:
    """True if the character at the position belongs to the one before it (a subset of Unicode Annex 29)."""
    before, here = text[position - 1], text[position]
    if extends(here) or before == ZERO_WIDTH_JOINER:
        return True
    if ord(here) not in REGIONAL_INDICATORS:
        return before == "\r" and here == "\n"
    run = 0
    while run < position and ord(text[position - 1 - run]) in REGIONAL_INDICATORS:
        run += 1
    return run % 2 == 1


def _leaves(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping | list | tuple):
        for item in value.values() if isinstance(value, Mapping) else value:
            yield from _leaves(item)
    elif value is not None and not isinstance(value, bool):
        yield str(value)
