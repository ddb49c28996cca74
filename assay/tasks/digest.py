"""The hash that identifies versions of a task."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import orjson

if TYPE_CHECKING:
    pass

VERSION_CHARACTERS = 16


def digest(value: object) -> str:
    """A short SHA-256 of the value's canonical JSON."""
    text = orjson.dumps(value, option=orjson.OPT_SORT_KEYS | orjson.OPT_NON_STR_KEYS)
    return hashlib.sha256(text).hexdigest()[:VERSION_CHARACTERS]
