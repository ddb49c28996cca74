"""Result files of a provider's batch: lines in any order, some missing, some with an error.

A line becomes a `Reply` or a `CallFailure` by the same parser as a response on the wire.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Self

import orjson

from assay.inference.batch.chunk import CustomId, Place, read_custom_id
from assay.inference.endpoint.failures import CallFailure, FailureKind
from assay.inference.endpoint.replies import CODE_KINDS, MESSAGE_CHARACTERS, Reply, read_answer


class BatchResults:
    """Lines of a batch's result files by the place of their request; memory holds only the offset of each line."""

    def __init__(self, paths: Sequence[Path], *, names: Collection[CustomId] | None) -> None:
        """`names` are the custom ids that were sent; None accepts every line with one of our custom ids."""
        self._paths = tuple(paths)
        self._sent = {name.place: name for name in names} if names is not None else None
        self._found: dict[Place, tuple[CustomId, int, int]] = {}
        self._stack = ExitStack()
        self._files: list[BinaryIO] = []

    def __enter__(self) -> Self:
        self._files = [self._stack.enter_context(path.open("rb")) for path in self._paths]
        for number, file in enumerate(self._files):
            for offset, line in _lines(file):
                self._note(number, offset, line)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def places(self) -> Collection[Place]:
        """Places of the requests that were sent, as far as this machine knows them."""
        return self._found.keys() if self._sent is None else self._sent.keys()

    def outcome(self, place: Place) -> tuple[str, Reply | CallFailure | None]:
        """The call's id and its outcome; None if the provider returned nothing for the request."""
        entry = self._found.get(place)
        if entry is None:
            return (self._sent or {})[place].call_id, None
        name, number, offset = entry
        self._files[number].seek(offset)
        return name.call_id, read_line(orjson.loads(self._files[number].readline()))

    def _note(self, number: int, offset: int, line: bytes) -> None:
        try:
            content = orjson.loads(line)
        except orjson.JSONDecodeError:  # a truncated file ends in an incomplete line
            return
        name = read_custom_id(content.get("custom_id")) if isinstance(content, dict) else None
        if name is None or (self._sent is not None and self._sent.get(name.place) != name):
            return
        # Response files come first: an error does not replace a response to the same request.
        self._found.setdefault(name.place, (name, number, offset))


def read_line(content: dict[str, Any]) -> Reply | CallFailure:
    """The outcome in one line; a line with neither a response nor an error is a server failure."""
    response = content.get("response")
    if isinstance(response, dict) and isinstance(status := response.get("status_code"), int):
        return read_answer(status, {}, orjson.dumps(response.get("body")))
    error = content.get("error")
    if not isinstance(error, dict):
        return CallFailure(FailureKind.SERVER, "the batch's line has neither a response nor an error")
    code, message = str(error.get("code") or "no code"), str(error.get("message") or "")
    kind = CODE_KINDS.get(code, FailureKind.SERVER)
    return CallFailure(kind, f"{code}: {message}"[:MESSAGE_CHARACTERS])


def not_in_results(status: str) -> CallFailure:
    """The failure of a request that the ended batch has no line for; providers do not charge for it."""
    return CallFailure(FailureKind.SERVER, f"the batch ended ({status}) without a line for this request")


def _lines(file: BinaryIO) -> Iterator[tuple[int, bytes]]:
    offset = 0
    for line in file:
        if line.strip():
            yield offset, line
        offset += len(line)
