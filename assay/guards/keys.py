"""Keyed hashes of personal values: equal values have equal hashes; no value can be guessed without the key.

The key comes from settings; this module stores and logs no value.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Mapping
from functools import lru_cache


def keyed_hash(key: bytes, *parts: str) -> str:
    """HMAC-SHA256 of the parts as 64 hexadecimal digits.

    Each part is prefixed by its length, so that ("ab", "c") differs from ("a", "bc").

    Raises:
        ValueError: the key is empty, which would make the hash guessable.
    """
    if not key:
        raise ValueError("The hash key is empty: expected the secret from settings (hash_key).")
    digest = _keyed(key).copy()
    for part in parts:
        encoded = part.encode("utf-8", "surrogatepass")
        digest.update(len(encoded).to_bytes(8, "big") + encoded)
    return digest.hexdigest()


def input_hash(key: bytes, values: Mapping[str, object]) -> str:
    """Keyed hash of a record's input, 64 hexadecimal digits.

    The order of names does not matter; the type of a value does. Dates, decimals and other values without a JSON form
    are hashed as type name and text.

    Raises:
        ValueError: the key is empty, or a name is not text.
    """
    if strange := [name for name in values if not isinstance(name, str)]:
        raise ValueError(f"An input field has the name {strange[0]!r}: expected text.")
    return keyed_hash(key, CANONICAL.encode(values))


@lru_cache(maxsize=4)
def _keyed(key: bytes) -> hmac.HMAC:
    return hmac.new(key, digestmod=hashlib.sha256)


def _typed_text(value: object) -> dict[str, str]:
    return {"type": type(value).__name__, "text": str(value)}


CANONICAL = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=True, default=_typed_text)
