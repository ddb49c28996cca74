"""Bounds of a response before it is in memory: its head, its body as sent and decoded, and the JSON values in it."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from typing import TYPE_CHECKING

from assay.bounds import has_too_many_values

if TYPE_CHECKING:
    import httpx2

MOST_BODY_BYTES = 16_000_000
"""Decoded; a response of a model with 100,000 tokens and their log probabilities takes about 10 MB."""
MOST_HEAD_BYTES = 262_144
MOST_SENT_BYTES = 2 * MOST_BODY_BYTES
"""Bytes of a whole exchange: the head, the sizes of chunks and trailers included."""
ZLIB_OR_GZIP = zlib.MAX_WBITS | 32
CODINGS = ("gzip", "x-gzip", "deflate")
STREAMED = "identity"
"""`Accept-Encoding` of requests whose response is written to a file piece by piece."""


class ResponseTooLarge(Exception):
    """Raised if a response exceeds a limit; the rest of it is not read."""


def decoded(body: bytes, headers: Mapping[str, str]) -> bytes:
    """The decompressed body; names in `headers` are lowercase.

    Raises:
        ResponseTooLarge: it has more than `MOST_BODY_BYTES`, or more than `MOST_JSON_VALUES` values.
        zlib.error: the body is not compressed in the way that its headers state.
    """
    if len(body) <= MOST_BODY_BYTES:
        coding = headers.get("content-encoding", "").strip().lower()
        # A body in an encoding that was not requested is returned unchanged.
        plain = _unpacked(body, coding) if body and coding in CODINGS else body
        if len(plain) <= MOST_BODY_BYTES and not has_too_many_values(plain):
            return plain
    raise ResponseTooLarge


def _unpacked(body: bytes, coding: str) -> bytes:
    """The decompressed body, or its first `MOST_BODY_BYTES` + 1 bytes."""
    # `deflate` data has a zlib header, as specified, or none; the low four bits of the first byte show which.
    is_bare = coding == "deflate" and body[0] & 0x0F != zlib.DEFLATED
    unpacking = zlib.decompressobj(-zlib.MAX_WBITS if is_bare else ZLIB_OR_GZIP)
    plain = unpacking.decompress(body, MOST_BODY_BYTES + 1)
    if not unpacking.eof and len(plain) <= MOST_BODY_BYTES:
        raise zlib.error("the body was cut off")
    return plain


def bounded(client: httpx2.AsyncClient) -> httpx2.AsyncClient:
    """The client, whose responses are refused beyond the limits while they arrive; streamed files are not bounded.

    A request raises an error of the library, which `is_too_large` recognizes, also behind one of the `openai` package.
    """
    hooks = client.event_hooks
    client.event_hooks = {**hooks, "response": [*hooks.get("response", []), _read_bounded]}
    return client


def is_too_large(error: BaseException | None) -> bool:
    """True if the error was caused by `ResponseTooLarge`."""
    while error is not None and not isinstance(error, ResponseTooLarge):
        error = error.__cause__
    return error is not None


async def _read_bounded(response: httpx2.Response) -> None:
    """Reads the body in place of the library, which would decode it without a limit."""
    import httpx2

    headers = {name.lower(): value for name, value in reversed(response.headers.multi_items())}
    if "content-encoding" in response.headers:
        del response.headers["content-encoding"]
    if response.request.headers.get("accept-encoding") == STREAMED:
        return
    try:
        response.stream = httpx2.ByteStream(decoded(await _body(response), headers))
    except (ResponseTooLarge, zlib.error) as error:
        raise httpx2.DecodingError(type(error).__name__, request=response.request) from error


async def _body(response: httpx2.Response) -> bytes:
    """The body as it was sent.

    Raises:
        ResponseTooLarge: it has more than `MOST_BODY_BYTES`.
    """
    import httpx2

    stream = response.stream
    assert isinstance(stream, httpx2.AsyncByteStream)
    body = bytearray()
    try:
        async for piece in stream:
            body += piece
            if len(body) > MOST_BODY_BYTES:
                raise ResponseTooLarge
    finally:
        await stream.aclose()
    return bytes(body)
