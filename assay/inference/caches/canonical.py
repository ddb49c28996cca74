"""Canonical form of a request body, in two parts: the part that all records share, and the messages.

The shared part is parsed once; a later body that begins and ends with the same bytes is split without parsing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import orjson

MESSAGES = "messages"
NOTHING_SHARED = b"{}"
FIRST_NAMES = ("role", "content")
OPENING, SEPARATOR, CLOSING = b'[{"role":', b'},{"role":', b"}]"
FRAMES_KEPT = 8
"""Maximum number of frames that are remembered; usually there is one per route."""


@dataclass(frozen=True, slots=True)
class _Frame:
    """The bytes before and after the messages of a body, and the canonical form of both together."""

    head: bytes
    tail: bytes
    canonical: bytes


class BodyParts:
    """Splits request bodies and remembers the frames that it has parsed."""

    def __init__(self) -> None:
        self._frames: list[_Frame] = []
        self._last: tuple[bytes | None, tuple[bytes, bytes]] = (None, (b"", b""))

    def split(self, body: bytes) -> tuple[bytes, bytes]:
        """The body without its messages, and the messages; both are equal for bodies that differ only in formatting.

        Raises:
            ValueError: the body is not a JSON object.
        """
        if body is self._last[0]:
            return self._last[1]
        for frame in self._frames:
            if body.startswith(frame.head) and body.endswith(frame.tail):
                found = frame.canonical, body[len(frame.head) : len(body) - len(frame.tail)]
                self._last = body, found
                return found
        content = orjson.loads(body)
        if not isinstance(content, dict):
            raise ValueError(f"The body must be a JSON object, but it is a {type(content).__name__}.")
        if MESSAGES not in content:  # an API with another name for them: it is unknown which part is shared
            return NOTHING_SHARED, orjson.dumps(content, option=orjson.OPT_SORT_KEYS)
        messages = orjson.dumps(_ordered(content.pop(MESSAGES, None)))
        canonical = orjson.dumps(content, option=orjson.OPT_SORT_KEYS)
        self._remember(body, canonical, messages)
        return canonical, messages

    def _remember(self, body: bytes, canonical: bytes, messages: bytes) -> None:
        """Remembers the frame if the body contains the messages in canonical form."""
        head, found, tail = body.partition(b'"messages":' + messages)
        head += b'"messages":'
        if found and len(self._frames) < FRAMES_KEPT and orjson.loads(head + b"null" + tail)[MESSAGES] is None:
            self._frames.append(_Frame(head, tail, canonical))


def each_message(messages: bytes) -> Iterator[tuple[str, bytes]]:
    """Yields the role and the bytes of each message in canonical form, without parsing.

    The separator cannot occur inside a JSON string, because its quotation marks would be escaped there.
    """
    for message in messages.removeprefix(OPENING).removesuffix(CLOSING).split(SEPARATOR):
        role = message[1 : message.find(b'"', 1)] if message.startswith(b'"') else b"?"
        yield role.decode("utf-8", "replace"), message


def _ordered(messages: Any) -> Any:
    """The messages with their keys in canonical order: role, content, then the others sorted."""
    if not isinstance(messages, list):
        return messages
    return [_in_order(message) if isinstance(message, Mapping) else message for message in messages]


def _in_order(message: Mapping[str, Any]) -> dict[str, Any]:
    first = {name: message[name] for name in FIRST_NAMES if name in message}
    rest = {name: _sorted(message[name]) for name in sorted(message.keys() - first.keys())}
    return {name: _sorted(value) for name, value in first.items()} | rest


def _sorted(value: Any) -> Any:
    """The value with the keys of its objects sorted."""
    return value if isinstance(value, str) else orjson.loads(orjson.dumps(value, option=orjson.OPT_SORT_KEYS))
