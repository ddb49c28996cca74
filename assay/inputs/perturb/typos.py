"""Typing errors: the four edits of Damerau, Comm. ACM 7 (1964) 171, which explain about 80% of misspelled words.

The rate per letter at severity `medium` is the rate of uncorrected errors on mobile phones, 2.3% (Palin et al.,
MobileHCI 2019, 37,370 volunteers); `low` is half of it, `high` twice. A substitution or insertion takes a key next to
the intended one on a QWERTY keyboard, as in Belinkov & Bisk, ICLR 2018. The shares of the four edits are a convention.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from itertools import accumulate
from typing import NamedTuple

from assay.inputs.perturb.draws import Draws
from assay.inputs.perturb.spans import TextSpan, extends, free_parts
from assay.tasks.fields.robustness_spec import Severity

RATES: dict[Severity, float] = {"low": 0.0115, "medium": 0.023, "high": 0.046}
"""Typing errors per letter of the words that may have one."""
SHORTEST_WORD = 4
"""Shorter words are unchanged: an error in `no` or `not` would change what the text states."""
SHARES = (("substitution", 0.5), ("omission", 0.2), ("insertion", 0.2), ("transposition", 0.1))
KEY_ROWS = ("qwertyuiop", "asdfghjkl", "zxcvbnm")
WORD = re.compile(r"[^\W\d_]+(?:[^\W\d_]|[\u0300-\u036f])*")


class Edit(NamedTuple):
    """One typing error: `taken` characters from `start` on are replaced by `typed`."""

    start: int
    taken: int
    typed: str


def with_typos(text: str, draws: Draws, *, fixed: tuple[TextSpan, ...], severity: Severity) -> str:
    """The text with typing errors; at least one if any word may have one.

    Words of fewer than four letters, words with digits, and scripts that are typed by input methods (Chinese, Japanese,
    Korean) are unchanged.
    """
    places = list(_places(text, fixed))
    if not places:
        return text
    chosen = [place for place in places if draws.happens(RATES[severity])] or [draws.one_of(places)]
    edits, free_from = [], 0
    for place in chosen:
        if place >= free_from:
            edit = _edit(text, place, draws)
            edits.append(edit)
            free_from = edit.start + edit.taken
    return _edited(text, edits)


def _places(text: str, fixed: tuple[TextSpan, ...]) -> Iterator[int]:
    """Positions of letters that may be mistyped."""
    start = 0
    for part, is_free in free_parts(text, fixed):
        if is_free:
            yield from (start + place for place in _letters(part))
        start += len(part)


def _letters(part: str) -> Iterator[int]:
    for word in WORD.finditer(part):
        letters = [place for place in range(*word.span()) if _is_typed(part, place)]
        if len(letters) >= SHORTEST_WORD and not _touches_digit(part, TextSpan(*word.span())):
            yield from letters


def _is_typed(part: str, place: int) -> bool:
    """True for a letter of an alphabet with one key of its own: not wide, and without combining marks."""
    followed = place + 1 < len(part) and extends(part[place + 1])
    is_wide = unicodedata.east_asian_width(part[place]) in {"W", "F", "H"}
    return part[place].isalpha() and not followed and not is_wide


def _touches_digit(part: str, word: TextSpan) -> bool:
    around = part[max(0, word.start - 1) : word.start] + part[word.end : word.end + 1]
    return any(character.isdigit() or character == "_" for character in around)


def _edit(text: str, place: int, draws: Draws) -> Edit:
    letter, drawn = text[place], _drawn_edit(draws)
    if drawn == "transposition":
        following = text[place + 1 : place + 2]
        if following.isalpha() and following != letter and not extends(text[place + 2 : place + 3] or " "):
            return Edit(place, 2, following + letter)
        drawn = "omission"
    if drawn == "omission":
        return Edit(place, 1, "")
    near = _neighbor(letter, draws)
    if drawn == "insertion" or near == letter:
        return Edit(place, 1, letter + near)
    return Edit(place, 1, near)


def _drawn_edit(draws: Draws) -> str:
    drawn = draws.share()
    bounds = accumulate(share for _, share in SHARES)
    return next((name for (name, _), bound in zip(SHARES, bounds, strict=True) if drawn < bound), SHARES[0][0])


def _neighbor(letter: str, draws: Draws) -> str:
    """A letter next to this one on a QWERTY keyboard, in the same case; the letter itself if it has no such key."""
    near = NEIGHBORS.get(letter.lower())
    if near is None:
        return letter
    found = draws.one_of(near)
    return found.upper() if letter.isupper() else found


def _edited(text: str, edits: list[Edit]) -> str:
    pieces, done = [], 0
    for edit in edits:
        pieces += [text[done : edit.start], edit.typed]
        done = edit.start + edit.taken
    return "".join([*pieces, text[done:]])


def _neighbors() -> dict[str, str]:
    """Keys beside each key and in the rows above and below, each row half a key to the right of the one above."""
    places = {key: (row, column) for row, keys in enumerate(KEY_ROWS) for column, key in enumerate(keys)}
    return {
        key: "".join(other for other, there in places.items() if _is_adjacent(here, there))
        for key, here in places.items()
    }


def _is_adjacent(here: tuple[int, int], there: tuple[int, int]) -> bool:
    rows, columns = there[0] - here[0], there[1] - here[1]
    if rows == 0:
        return abs(columns) == 1
    return (rows == 1 and columns in {-1, 0}) or (rows == -1 and columns in {0, 1})


NEIGHBORS = _neighbors()
