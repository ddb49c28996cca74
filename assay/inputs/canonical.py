"""Canonical JSON of a row's cells, and its record id."""

from __future__ import annotations

import base64
import math
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from itertools import islice

import orjson

MAX_ID_BYTES = 1024
MOST_LEVELS = 254
CONTAINERS = (dict, list, tuple)


class Unwritable(ValueError):
    """A row has a value that JSON cannot represent; the message contains no cell content."""


class _NoJsonForm(TypeError):
    """A value of a type without a JSON form; `kind` is the type's name."""

    def __init__(self, kind: str) -> None:
        super().__init__(kind)
        self.kind = kind


class BadId(ValueError):
    """A record id is present but invalid; the message contains no cell content."""


def canonical_json(cells: Mapping[str, object]) -> bytes:
    """UTF-8 JSON of `cells` with sorted keys; equal values give equal bytes.

    Dates and times become ISO 8601 text, decimals exact text, bytes base64, infinities text, and NaN null.

    Raises:
        Unwritable: text is not Unicode, nesting is deeper than 254 levels, or a type has no JSON form.
    """
    is_text = all(type(value) is str for value in cells.values())
    try:
        plain = cells if is_text else {name: _infinities_as_text(value) for name, value in cells.items()}
        return orjson.dumps(plain, default=_as_json, option=orjson.OPT_SORT_KEYS | orjson.OPT_NON_STR_KEYS)
    except (orjson.JSONEncodeError, RecursionError) as error:
        raise Unwritable(_why_unwritable(cells, error)) from error


def undecodable_column(cells: Mapping[str, object]) -> str | None:
    """The first column whose text contains bytes that are not UTF-8 (lone surrogates); None if there is none."""
    for name, value in cells.items():
        if isinstance(value, str) and not _is_unicode(value):
            return name
    return None


def oversize_column(cells: Mapping[str, object], max_cell_bytes: int) -> str | None:
    """The first column with a cell of more than `max_cell_bytes` bytes, as UTF-8 text or JSON; None if there is none."""
    for name, value in cells.items():
        if cell_bytes(value) > max_cell_bytes:
            return name
    return None


def cell_bytes(value: object) -> int:
    """Size of one cell in bytes: its UTF-8 text, its bytes, or its JSON if it is nested; 0 for other types."""
    if isinstance(value, str):
        return len(value) if value.isascii() else len(value.encode("utf-8", "surrogatepass"))
    if isinstance(value, bytes):
        return len(value)
    if not isinstance(value, list | dict | tuple):
        return 0
    try:
        return len(canonical_json({"": value}))
    except Unwritable:
        return 0


def record_id_of(value: object, *, called: str = "record id") -> str | None:
    """The record id in a cell, stripped; None if there is none. `called` names it in messages.

    Raises:
        BadId: the value is neither text, number nor date, or is longer than 1024 bytes.
    """
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return None
    if isinstance(value, list | dict | tuple | bytes):
        raise BadId(f"expected text or an integer as {called}, found a value of type {type(value).__name__}")
    text = (format(value, "f") if isinstance(value, Decimal) else str(value)).strip()
    size = len(text.encode("utf-8", "surrogatepass"))
    if size > MAX_ID_BYTES:
        raise BadId(f"expected a {called} of at most {MAX_ID_BYTES} bytes, found {size}")
    return text or None


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _infinities_as_text(value: object) -> object:
    if isinstance(value, float):
        return ("Infinity" if value > 0 else "-Infinity") if math.isinf(value) else value
    if isinstance(value, list | tuple):
        return [_infinities_as_text(item) for item in value]
    if isinstance(value, dict):
        return {name: _infinities_as_text(item) for name, item in value.items()}
    return value


def _as_json(value: object) -> object:
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, bytes | bytearray | memoryview):
        return base64.b64encode(value).decode("ascii")
    if isinstance(value, datetime | date | time):  # subclasses, and times with a zone
        return value.isoformat()
    if isinstance(value, timedelta):
        return str(value)
    raise _NoJsonForm(type(value).__name__)


def _why_unwritable(cells: Mapping[str, object], error: Exception) -> str:
    # orjson has one error for all causes, so the cause is determined from the values.
    *_, deepest = levels = list(islice(_levels(cells), MOST_LEVELS + 1))
    if isinstance(error, RecursionError) or (
        len(levels) > MOST_LEVELS and any(isinstance(value, CONTAINERS) for value in deepest)
    ):
        return f"expected at most {MOST_LEVELS} levels of nesting, found more"
    if not all(_is_unicode(value) for level in levels for value in level if isinstance(value, str)):
        return "expected Unicode text, found an unpaired surrogate"
    if isinstance(error.__cause__, _NoJsonForm):
        return f"expected values that JSON can represent, found one of type {error.__cause__.kind}"
    return "expected values that JSON can represent"


def _levels(value: object) -> Iterator[list[object]]:
    """The nested values, level by level, each object once per level; endless if a value contains itself."""
    level = [value]
    while level:
        yield level
        level = list({id(item): item for outer in level for item in _items(outer)}.values())


def _items(value: object) -> Sequence[object]:
    if isinstance(value, dict):
        return [*value.keys(), *value.values()]
    return value if isinstance(value, list | tuple) else ()
