"""The hash that identifies a version of a task."""

from __future__ import annotations

import hashlib

import orjson

VERSION_CHARACTERS = 16


def digest(value: object) -> str:
    """Truncated SHA-256 hash of the value's canonical JSON, as hex digits."""
    text = orjson.dumps(value, option=orjson.OPT_SORT_KEYS | orjson.OPT_NON_STR_KEYS)
    return hashlib.sha256(text).hexdigest()[:VERSION_CHARACTERS]
