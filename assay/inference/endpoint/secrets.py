"""Removes the API key from what an endpoint returns, so that an endpoint that echoes it cannot have it stored or shown."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cached_property

from assay.inference.endpoint.dialect import ChatDialect
from assay.inference.endpoint.failures import CallFailure
from assay.inference.endpoint.replies import Reply
from assay.inference.endpoint.responses import REDIRECTS, read_response

SHORTEST_KEY = 12
"""A shorter key, such as `none` of a local model server, may be part of any text and protects nothing."""
ESCAPES = (b"\\u", b"\\/", b"%")
"""Beginnings of escaped characters in JSON and in addresses."""
REMOVED = b"<API_KEY>"


class KeyRemover:
    """Replaces a key by a placeholder in the bytes that an endpoint sent, before they are parsed or cut.

    Any character of the key may be escaped, as in JSON, in JSON within JSON, and in addresses.
    """

    def __init__(self, key: str) -> None:
        self._key = key
        self._secret = key.encode() if len(key) >= SHORTEST_KEY else b""

    def content(self, content: bytes) -> bytes:
        """The content without the key."""
        if not self._secret:
            return content
        if self._secret in content:
            content = content.replace(self._secret, REMOVED)
        return self._escaped.sub(REMOVED, content) if any(escape in content for escape in ESCAPES) else content

    def text(self, text: str) -> str:
        """The text without the key."""
        return self.content(text.encode("utf-8", "surrogatepass")).decode("utf-8", "surrogatepass")

    def read_response(
        self, dialect: ChatDialect, status: int, headers: Mapping[str, str], body: bytes
    ) -> Reply | CallFailure:
        """`read_response` without the key."""
        if status in REDIRECTS and "location" in headers:
            headers = {**headers, "location": self.text(headers["location"])}
        return read_response(dialect, status, headers, self.content(body))

    @cached_property
    def _escaped(self) -> re.Pattern[bytes]:
        return re.compile(b"".join(_spellings(character) for character in self._key))


def _spellings(character: str) -> bytes:
    """A pattern of the character, as it is and escaped any number of times."""
    encoded = character.encode()
    percent = b"".join(b"%%(?:25)*%02x" % byte for byte in encoded)
    units = character.encode("utf-16-be")
    pairs = (units[place : place + 2] for place in range(0, len(units), 2))
    unicode = b"".join(b"\\\\+u%02x%02x" % (high, low) for high, low in pairs)
    plain = rb"\\*" + re.escape(encoded) if character == "/" else re.escape(encoded)
    return b"(?:" + plain + b"|(?i:" + unicode + b"|" + percent + b"))"
