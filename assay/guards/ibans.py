"""Finds IBANs of every country of the registry, by its format and the checksum of ISO 13616 (ISO 7064, MOD 97-10).

The formats come from python-stdnum, which takes them from the registry that SWIFT publishes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from itertools import pairwise

from assay.guards.spelling import DIGIT, READ_AS, SEPARATOR

_START = re.compile(
    rf"(?:(?<![A-Za-z0-9])|(?<=[Ii][Bb][Aa][Nn])|(?=[A-Z]{{2}}\d\d))(?=([A-Za-z][ \-._]?[A-Za-z])[{SEPARATOR}]{{0,4}}[{DIGIT}][{SEPARATOR}]{{0,4}}[{DIGIT}])"
)
_MOST_SEPARATORS = 2
_NEXT = re.compile(rf"[{SEPARATOR}]{{0,4}}+([A-Za-z0-9])")
_PART = re.compile(r"(\d+)!([nac])")
_PRINTED = re.compile(
    rf"[A-Z0-9lo]+|[A-Z0-9lo]{{4}}(?:[{SEPARATOR}]{{1,3}}[A-Z0-9lo]{{4}})*(?:[{SEPARATOR}]{{1,3}}[A-Z0-9lo]{{1,4}})"
)
_ANNOUNCED = re.compile(r"iban\Z", re.IGNORECASE)


def find_ibans(text: str) -> Iterator[tuple[int, int]]:
    """Start and end of each IBAN of a folded text, in upper or lower case, in order, without overlaps."""
    claimed = 0
    for start in _START.finditer(text):
        if start.start() < claimed:
            continue
        layout = layout_of((start[1][0] + start[1][-1]).upper())
        end = _end(text, start.start(), layout) if layout else None
        if end:
            claimed = end
            yield start.start(), end


@cache
def layout_of(country: str) -> str | None:
    """The place_kind of each character of the country's IBAN: n digit, a letter, c either; None if it has none."""
    from stdnum import numdb

    properties = numdb.get("iban").info(country)[0][1]
    if "bban" not in properties:
        return None
    return "aann" + "".join(place_kind * int(count) for count, place_kind in _PART.findall(properties["bban"]))


def _end(text: str, start: int, layout: str) -> int | None:
    """The end of the IBAN that starts there; None if there is none."""
    places = _places(text, start, layout)
    if places is None:
        return None
    if len({text[left + 1 : right] for left, right in pairwise(places)} - {""}) > _MOST_SEPARATORS:
        return None
    end, iban = places[-1] + 1, "".join(text[place] for place in places).upper()
    as_written = "".join(text[place] for place in places)
    options = [_values(char, place_kind) for char, place_kind in zip(as_written, layout, strict=True)]
    is_plain = all(_fits(char, place_kind) for char, place_kind in zip(iban, layout, strict=True))
    if is_plain and _has_checksum([[int(char, 36)] for char in iban]):
        return None if _touches_a_code(text, start, end) else end
    if _touches_a_word(text, start, end):
        return None
    if sum(map(str.isdecimal, iban)) < len(iban) // 3 and not _is_printed(text[start:end]):
        return None
    return end if all(options) and _has_checksum(options) else None


def _places(text: str, start: int, layout: str) -> list[int] | None:
    """Positions of the letters and digits; None if there are too few or one cannot be what the country has there."""
    places, position = [], start
    for place_kind in layout:
        following = _NEXT.match(text, position)
        if following is None or not _values(following[1], place_kind):
            return None
        places.append(following.start(1))
        position = following.end()
    return places


@cache
def _values(char: str, place_kind: str) -> tuple[int, ...]:
    """What a character may stand for, as in ISO 13616: 0 to 9, 10 to 35 for A to Z; () if its place_kind excludes it."""
    as_digit = char.translate(READ_AS)
    digits = (int(as_digit),) if as_digit.isdecimal() else ()
    letters = (int(char, 36),) if char.isalpha() else ()
    return digits if place_kind == "n" else letters if place_kind == "a" else (*digits, *letters)


def _fits(char: str, place_kind: str) -> bool:
    return place_kind == "c" or char.isdecimal() == (place_kind == "n")


def _is_printed(written: str) -> bool:
    """True for capitals with a digit, in groups of four or not grouped; false for words."""
    return bool(_PRINTED.fullmatch(written)) and any(map(str.isdecimal, written))


def _has_checksum(options: list[list[int]] | list[tuple[int, ...]]) -> bool:
    """True if some choice among the values gives the remainder 1 by 97."""
    remainders = {0}
    for values in options[4:] + options[:4]:
        remainders = {(before * (100 if value > 9 else 10) + value) % 97 for before in remainders for value in values}
    return 1 in remainders


def _touches_a_word(text: str, start: int, end: int) -> bool:
    before = text[start - 1 : start] if start else ""
    if before.isalnum() and not _ANNOUNCED.search(text, max(0, start - 4), start):
        return True
    return text[end : end + 1].isalnum()


def _touches_a_code(text: str, start: int, end: int) -> bool:
    """True if a digit touches it, so that it is the middle of something longer."""
    return (text[start - 1 : start].isdecimal() if start else False) or text[end : end + 1].isdecimal()
