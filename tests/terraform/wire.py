"""The part of protobuf and of Terraform's value encoding that a provider needs, written by hand.

Belongs here: bytes to Python values and back. What the messages mean is in `offline_provider.py`.
By hand, because generated code would need protoc and Terraform's .proto file; this needs msgpack only.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import msgpack

Fields = dict[int, list[Any]]
"""Field number to its values, in order; length-delimited values stay bytes."""

UNKNOWN = msgpack.ExtType(0, b"\x00")
"""Terraform's `(known after apply)`."""

_VARINT, _BYTES = 0, 2
_ERROR = 1


def message(*fields: tuple[int, Any]) -> bytes:
    """The fields as a protobuf message; None, False and 0 are left out, as proto3 has it."""
    out = b""
    for number, value in fields:
        if value is None or value is False or (isinstance(value, int) and value == 0):
            continue
        if isinstance(value, int):
            out += _varint(number << 3 | _VARINT) + _varint(int(value))
        else:
            raw = value.encode() if isinstance(value, str) else value
            out += _varint(number << 3 | _BYTES) + _varint(len(raw)) + raw
    return out


def parse(raw: bytes) -> Fields:
    """A protobuf message as its fields.

    Raises:
        ValueError: a wire type that Terraform's protocol does not use.
    """
    fields: Fields = {}
    at = 0
    while at < len(raw):
        tag, at = _read_varint(raw, at)
        value: int | bytes
        if tag & 7 == _VARINT:
            value, at = _read_varint(raw, at)
        elif tag & 7 == _BYTES:
            length, at = _read_varint(raw, at)
            value, at = raw[at : at + length], at + length
        else:
            raise ValueError(f"protobuf field {tag >> 3} has wire type {tag & 7}: expected 0 or 2")
        fields.setdefault(tag >> 3, []).append(value)
    return fields


def first(fields: Mapping[int, list[Any]], number: int) -> bytes:
    """The field's first value, empty if it was left out."""
    value: bytes = fields.get(number, [b""])[0]
    return value


def decode(dynamic_value: bytes) -> Any:
    """A DynamicValue as Python values; unknown ones are msgpack.ExtType."""
    raw = first(parse(dynamic_value), 1)
    return msgpack.unpackb(raw, ext_hook=msgpack.ExtType, strict_map_key=False) if raw else None


def encode(value: Any) -> bytes:
    """Python values as a DynamicValue."""
    return message((1, msgpack.packb(value)))


def is_unknown(value: Any) -> bool:
    """True for a value that only apply will know."""
    return isinstance(value, msgpack.ExtType)


def error(summary: str, path: Iterable[str | int] = ()) -> bytes:
    """A Diagnostic that fails the command; `path` leads from the resource to the argument."""
    steps = [(1, message((1, step)) if isinstance(step, str) else message((3, step)) or b"\x18\x00") for step in path]
    return message((1, _ERROR), (2, summary), (4, message(*steps) or None))


def _varint(number: int) -> bytes:
    number &= (1 << 64) - 1
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def _read_varint(raw: bytes, at: int) -> tuple[int, int]:
    number = shift = 0
    while True:
        byte = raw[at]
        at += 1
        number |= (byte & 0x7F) << shift
        shift += 7
        if not byte & 0x80:
            return number, at
