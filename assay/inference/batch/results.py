"""Reads the result files of a provider's batch, whose lines may be in any order, missing, or contain an error.

A line is found by its custom id and parsed by the dialect; the engine decides how to handle the outcome.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

import orjson

from assay.bounds import has_too_many_values
from assay.inference.endpoint.batch_dialect import BatchDialect, CustomId, read_custom_id
from assay.inference.endpoint.body_limit import MOST_BODY_BYTES
from assay.inference.endpoint.failures import CallFailure, FailureKind
from assay.inference.endpoint.replies import Reply
from assay.inference.endpoint.secrets import KeyRemover
from assay.records.keys import RequestPlace

PIECE_BYTES = 1_000_000


class BatchResults:
    """Finds lines in a batch's result files by the place of their request; only line offsets are kept in memory."""

    def __init__(
        self, dialect: BatchDialect, paths: Sequence[Path], *, names: Collection[CustomId] | None, key: str = ""
    ) -> None:
        """Reads the files.

        `names` are the custom ids that were sent; if None, every line with a custom id in Assay's format is read. `key` is
        removed from every line.
        """
        self._dialect = dialect
        self._remover = KeyRemover(key)
        self._paths = tuple(paths)
        self._sent = {name.place: name for name in names} if names is not None else None
        self._found: dict[RequestPlace, tuple[CustomId, int, int]] = {}
        self._repeated: list[tuple[CustomId, int, int]] = []
        self._stack = ExitStack()
        self._files: list[BinaryIO] = []

    def __enter__(self) -> Self:
        self._files = [self._stack.enter_context(path.open("rb")) for path in self._paths]
        for number, file in enumerate(self._files):
            for offset, line in _lines(file):
                self._note(number, offset, line)
        self._prefer_responses()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def places(self) -> Collection[RequestPlace]:
        """Places of the requests that were sent, or of the lines found if the custom ids that were sent are unknown."""
        return self._found.keys() if self._sent is None else self._sent.keys()

    def outcome(self, place: RequestPlace) -> tuple[str, Reply | CallFailure | None]:
        """The call's id and its outcome; the outcome is None if there is no line for the request."""
        entry = self._found.get(place)
        if entry is None:
            return (self._sent or {})[place].call_id, None
        name, number, offset = entry
        return name.call_id, self._read(number, offset)

    def _note(self, number: int, offset: int, line: bytes) -> None:
        if has_too_many_values(line):
            return
        try:
            content = orjson.loads(line)
        except orjson.JSONDecodeError:  # a truncated file ends in an incomplete line
            return
        name = read_custom_id(self._dialect.custom_id(content)) if isinstance(content, dict) else None
        if name is None or (self._sent is not None and self._sent.get(name.place) != name):
            return
        line_place = (name, number, offset)
        if self._found.setdefault(name.place, line_place) is not line_place:
            self._repeated.append(line_place)

    def _prefer_responses(self) -> None:
        """Of several lines for one request, the first response counts, wherever errors stand."""
        for name, number, offset in self._repeated:
            if not isinstance(self.outcome(name.place)[1], Reply) and isinstance(self._read(number, offset), Reply):
                self._found[name.place] = (name, number, offset)

    def _read(self, number: int, offset: int) -> Reply | CallFailure:
        self._files[number].seek(offset)
        line = self._remover.content(self._files[number].readline(MOST_BODY_BYTES))
        return self._dialect.read_line(orjson.loads(line))


def not_in_results(status: str) -> CallFailure:
    """The failure of a request for which the batch returned no result; providers do not charge for it."""
    return CallFailure(FailureKind.SERVER, f"the batch ended ({status}) without a result for this request")


def _lines(file: BinaryIO) -> Iterator[tuple[int, bytes]]:
    """The lines with their offsets; a line beyond the limit of a response counts as no line."""
    offset = 0
    while line := file.readline(MOST_BODY_BYTES):
        begin, offset = offset, offset + len(line)
        if len(line) == MOST_BODY_BYTES and not line.endswith(b"\n"):
            while line and not line.endswith(b"\n"):
                line = file.readline(PIECE_BYTES)
                offset += len(line)
        elif line.strip():
            yield begin, line
