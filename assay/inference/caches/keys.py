"""Keys of identical requests, and the hashes of request parts that explain a miss.

Everything is a keyed hash: neither a text nor a tenant can be read or guessed from a cache's content.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import orjson

from assay.inference.caches.canonical import BodyParts, each_message
from assay.inference.request import Request

KEY_BYTES = 20
"""Digest sizes: a truncated SHA-256 of a secret and a text cannot be extended without the secret."""
PART_BYTES = 6
MAC_BYTES = 16
PARTS_KEPT = 256


class BodyHashes(NamedTuple):
    """A hash of the body parts that many records share, and one per message by the message's name."""

    frame: str
    messages: dict[str, str]


class CacheKeys:
    """Keys of one project, from its own secret."""

    def __init__(self, hash_key: bytes) -> None:
        if not hash_key:
            raise ValueError("The hash key is empty: expected the secret from settings (hash_key).")
        self._secret = hashlib.sha256(b"assay cache\0" + hash_key).digest()
        self._start = hashlib.sha256(self._secret + b"key")
        self._seal = hashlib.sha256(self._secret + b"seal")
        self._bodies = BodyParts()
        # Tenants, lanes, epochs and frames repeat: their part of the hash is computed once.
        self._scopes: dict[tuple[str, int, str, bytes], Any] = {}
        self._parts: dict[bytes, str] = {}

    def entry(self, request: Request, body: bytes, *, lane: str) -> bytes:
        """The key of a response: the canonical request body, the lane, the epoch and the tenant.

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
        """A key of these parts that depends on their order and boundaries."""
        digest = self._start.copy()
        digest.update(orjson.dumps(["named", *parts]))
        return digest.digest()[:KEY_BYTES]

    def mac(self, key: bytes, value: bytes) -> bytes:
        """A seal of a stored value, which does not match if the value was altered or moved to another key."""
        digest = self._seal.copy()
        digest.update(key + value)
        return digest.digest()[:MAC_BYTES]

    def parts(self, body: bytes) -> BodyHashes:
        """Short hashes of the body's parts by their names."""
        frame, messages = self._bodies.split(body)
        hashes = {
            f"message {number} ({role})": self._part(message)
            for number, (role, message) in enumerate(each_message(messages), start=1)
        }
        return BodyHashes(self._part(frame), hashes)

    def frame_parts(self, body: bytes) -> dict[str, str]:
        """Short hashes, by name, of the parts that the bodies of many records share."""
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
        if len(self._scopes) > 10_000:  # the number of tenants is unbounded: clearing costs less than keeping all
            self._scopes.clear()
        *scope, frame = place
        digest = self._start.copy()
        digest.update(orjson.dumps(["entry", *scope, len(frame)]) + frame)
        self._scopes[place] = digest
        return digest


def _parts(content: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """The body's parts other than its messages."""
    for name, value in content.items():
        if name == "response_format":
            yield "output schema", value
        elif name == "model":
            yield "model", value
        else:
            yield f"parameter {name}", value
