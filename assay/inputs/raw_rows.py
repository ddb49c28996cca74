"""Rows as a source yields them, and the base classes of sources."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path

from assay.errors import UsageError
from assay.records.statuses import RejectionReason

MAX_CELL_BYTES = 1_000_000
CHUNK_BYTES = 65_536
UTF8_BOM = b"\xef\xbb\xbf"
UTF16_BOMS = (b"\xff\xfe", b"\xfe\xff")


@dataclass(frozen=True, slots=True)
class RawRow:
    """One row of the input as read.

    `position` is the zero-based index of the row, excluding the header. For an invalid row, `reason` is the reason in
    `rejected_records`, `cells` contains the readable cells or is None, `column` is the invalid column, if any, and
    `explanation` contains no cell content. `raw` is the row's bytes, or their hash as `sha256:<hex>` if the row was too
    large for memory.
    """

    position: int
    cells: dict[str, object] | None
    reason: RejectionReason | None
    explanation: str | None
    raw: bytes
    column: str | None = None


class Source(ABC):
    """Rows of one input, streamed.

    `label` names the input in messages and in `runs.input_source`.
    """

    def __init__(self, label: str) -> None:
        self.label = label

    @abstractmethod
    def columns(self) -> tuple[str, ...]:
        """Names of the columns, in order; empty if no row could be read."""

    @abstractmethod
    def fingerprint(self) -> str | None:
        """SHA-256 of the file's bytes as hexadecimal digits; None for an input that is not a file."""

    @abstractmethod
    def _read(self, max_cell_bytes: int) -> Iterator[RawRow]:
        """Every row in order, with zero-based positions."""

    def rows(self, *, max_cell_bytes: int = MAX_CELL_BYTES) -> Iterator[RawRow]:
        """Every row in order, exactly once; an invalid row has its reason. Memory use is bounded.

        Raises:
            UsageError: the input has no rows, or cannot be read as a whole.
        """
        found = False
        for row in self._read(max_cell_bytes):
            found = True
            yield row
        if not found:
            raise UsageError(
                f"{self.label} has no rows: expected at least one row of data",
                next_step="check the file, table or query.",
            )


class LocalFile(Source):
    """A file that must not change while it is read."""

    def __init__(self, path: Path, *, label: str) -> None:
        super().__init__(label)
        self.path = path
        self._stamp = self._stat()
        if self._stamp[0] == 0:
            raise UsageError(
                f"{label} is empty (0 bytes): expected rows of data", next_step="check that the export finished."
            )

    def fingerprint(self) -> str | None:
        """SHA-256 of the file's bytes as hexadecimal digits."""
        with self._open() as file:
            return hashlib.file_digest(file, "sha256").hexdigest()

    def _open(self) -> BufferedReader:
        try:
            return self.path.open("rb")
        except OSError as error:
            raise UsageError(
                f"{self.label} cannot be read: {error.strerror}", next_step="check the path and its permissions."
            ) from error

    def _open_text(self) -> BufferedReader:
        """The file after its byte order mark; rejected if it is UTF-16."""
        file = self._open()
        start = file.read(len(UTF8_BOM))
        if start[:2] in UTF16_BOMS:
            file.close()
            raise UsageError(
                f"{self.label} is UTF-16: expected UTF-8",
                next_step="save it as UTF-8, e.g. `iconv -f UTF-16 -t UTF-8 FILE > NEW`.",
            )
        file.seek(len(UTF8_BOM) if start == UTF8_BOM else 0)
        return file

    def _stat(self) -> tuple[int, int, int]:
        try:
            found = self.path.stat()
        except OSError as error:
            raise UsageError(
                f"{self.label} cannot be read: {error.strerror}", next_step="check the path and its permissions."
            ) from error
        return found.st_size, found.st_mtime_ns, found.st_ino

    def rows(self, *, max_cell_bytes: int = MAX_CELL_BYTES) -> Iterator[RawRow]:
        """See `Source.rows`; also raises UsageError if the file changed after it was opened."""
        yield from super().rows(max_cell_bytes=max_cell_bytes)
        if self._stat() != self._stamp:
            raise UsageError(
                f"{self.label} changed while it was being read",
                next_step="run again when the file is complete.",
            )
