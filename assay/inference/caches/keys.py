"""Keys that identify identical requests, and the hashes of request parts that explain a miss.

All of them are keyed hashes: no text and no tenant can be read or guessed from the content of a cache.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import orjson

from assay.inference.caches.canonical import BodyParts, each_message
from assay.inference.request import Request

KEY_BYTES = 20
"""A truncated SHA-256 digest of a secret followed by a text is not open to length extension."""
PART_BYTES = 6
MAC_BYTES = 16
PARTS_KEPT = 256


class BodyHashes(NamedTuple):
    """`frame` is the hash of the part that many records share; `messages` maps each message's name to its hash."""

    frame: str
    messages: dict[str, str]


class CacheKeys:
    """Derives the cache keys of one project from its secret."""

    def __init__(self, hash_key: bytes) -> None:
        if not hash_key:
            raise ValueError("The hash key is empty; pass the secret from the settings (hash_key).")
        self._secret = hashlib.sha256(b"assay cache\0" + hash_key).digest()
        self._start = hashlib.sha256(self._secret + b"key")
        self._seal = hashlib.sha256(self._secret + b"seal")
        self._bodies = BodyParts()
        # Tenants, lanes, epochs and frames recur, so the hash state after them is cached.
        self._scopes: dict[tuple[str, int, str, bytes], Any] = {}
        self._parts: dict[bytes, str] = {}

    def entry(self, request: Request, body: bytes, *, lane: str) -> bytes:
        """The key of a response, computed from the canonical request body, the lane, the epoch and the tenant.

        Raises:
            ValueError: the body is not JSON.
        """
        frame, messages = self._bodies.split(body)
        place = (request.tenant_id, request.epoch, lane, frame)
        scope = self._scopes.get(place)
        digest = (scope if scope is not None else self._scope(place)).copy()
        digest.update(messages)
        key: bytes = digest.digest()[:KEY_BYTES]
        return key

    def named(self, *parts: str | int) -> bytes:
        """A key computed from these parts; it depends on their order and boundaries."""
        digest = self._start.copy()
        digest.update(orjson.dumps(["named", *parts]))
        return digest.digest()[:KEY_BYTES]

    def mac(self, key: bytes, value: bytes) -> bytes:
        """The message authentication code (MAC) of a value stored under a key; it detects altered and moved values."""
        digest = self._seal.copy()
        digest.update(key + value)
        return digest.digest()[:MAC_BYTES]

    def parts(self, body: bytes) -> BodyHashes:
        """Short hashes of the body's parts."""
        frame, messages = self._bodies.split(body)
        hashes = {
            f"message {number} ({role})": self._part(message)
            for number, (role, message) in enumerate(each_message(messages), start=1)
        }
        return BodyHashes(self._part(frame), hashes)

    def frame_parts(self, body: bytes) -> dict[str, str]:
        """Maps the name of each part that the bodies of many records share to its short hash."""
        frame, _ = self._bodies.split(body)
        named = _parts(orjson.loads(frame))
        return {name: self._part(orjson.dumps(value, option=orjson.OPT_SORT_KEYS)) for name, value in named}

    def _part(self, text: bytes) -> str:
        known = self._parts.get(text)  # most parts are equal for all records
        if known is not None:
            return known
        found = hashlib.blake2b(text, digest_size=PART_BYTES, key=self._secret).hexdigest()
        if len(self._parts) < PARTS_KEPT:
            self._parts[text] = found
        return found

    def _scope(self, place: tuple[str, int, str, bytes]) -> Any:
        if len(self._scopes) > 10_000:  # the number of tenants is unbounded
            self._scopes.clear()
        *scope, frame = place
        digest = self._start.copy()
        digest.update(orjson.dumps(["entry", *scope, len(frame)]) + frame)
        self._scopes[place] = digest
        return digest


def _parts(content: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yields the name and the value of each part of the body except the messages."""
    for name, value in content.items():
        if name == "response_format":
            yield "output schema", value
        elif name == "model":
            yield "model", value
        else:
            yield f"parameter {name}", value
