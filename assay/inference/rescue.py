"""Recovers the JSON object from a response that was truncated or wrapped in prose, if only one reading is possible.

`validation.py` decides whether the result is valid; it also requires every property of the schema. Nothing is guessed:
text truncated inside a value, a number that may lack digits and a list that may lack items are not completed.
"""

from __future__ import annotations

from enum import Enum, auto

import orjson

BRACES = {"{": "}", "[": "]"}
ENDS_OF_A_WHOLE_VALUE = ('"', "}", "]", "true", "false", "null")


class _Place(Enum):
    OUTSIDE = auto()
    TEXT = auto()
    ESCAPE = auto()


def unwrapped(text: str) -> object | None:
    """The single complete JSON object inside other text; None if there is none or more than one."""
    start = text.find("{")
    end, _ = _scan(text, start) if start >= 0 else (None, None)
    return None if end is None or "{" in text[end:] else _parsed(text[start:end])


def completed(text: str) -> object | None:
    """The JSON object in a text in which only the last brace is missing; None if more is missing."""
    start = text.find("{")
    end, opened = _scan(text, start) if start >= 0 else (None, None)
    body = text[start:].rstrip()
    if end is not None or opened != ["{"] or not body.endswith(ENDS_OF_A_WHOLE_VALUE):
        return None
    return _parsed(body + "}")


def _scan(text: str, start: int) -> tuple[int | None, list[str] | None]:
    """The end of the object that starts at `start`, or the brackets still open at the end of the text.

    Both are None if the text ends inside a string.
    """
    place, opened = _Place.OUTSIDE, []
    for index in range(start, len(text)):
        character = text[index]
        place = _next(place, character)
        if place is not _Place.OUTSIDE:
            continue
        if character in BRACES:
            opened.append(character)
            continue
        if character not in BRACES.values():
            continue
        opened.pop()
        if not opened:
            return index + 1, None
    return None, opened if place is _Place.OUTSIDE else None


def _next(place: _Place, character: str) -> _Place:
    if place is _Place.ESCAPE:
        return _Place.TEXT
    if place is _Place.TEXT:
        return {"\\": _Place.ESCAPE, '"': _Place.OUTSIDE}.get(character, _Place.TEXT)
    return _Place.TEXT if character == '"' else _Place.OUTSIDE


def _parsed(text: str) -> object | None:
    try:
        found: object = orjson.loads(text)
    except orjson.JSONDecodeError:
        return None
    return found
