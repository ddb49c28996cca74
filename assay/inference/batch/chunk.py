"""Writes files of requests for a provider's Batch API, each accompanied by a list of its custom ids.

A file is written line by line, so that memory use does not grow with its size.
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import BinaryIO

import orjson

from assay.errors import UsageError
from assay.inference.endpoint.batch_dialect import CustomId, read_custom_id
from assay.inference.providers import BatchLimits
from assay.records.keys import RequestPlace

OWNER_ONLY = 0o600
HASH_CHARACTERS = 32
PARTIAL = ".partial"


@dataclass(frozen=True, slots=True, kw_only=True)
class Chunk:
    """A complete file of requests on disk; `estimate_usd` is None if the model has no price."""

    chunk_hash: str
    path: Path
    requests: int
    first: RequestPlace
    last: RequestPlace
    estimate_usd: Decimal | None


class ChunkFile:
    """A file of requests that is being written; `close` completes it, `discard` deletes it."""

    def __init__(self, directory: Path, *, run_id: str, lane: str, limits: BatchLimits) -> None:
        self._directory = directory
        self._limits = limits
        self._hash = hashlib.sha256(orjson.dumps([run_id, lane]))
        self._partial = directory / f"{hashlib.sha256(lane.encode()).hexdigest()[:8]}{PARTIAL}"
        self._lines: BinaryIO | None = None
        self._names: BinaryIO | None = None
        self._bytes = 0
        self._requests = 0
        self._first: RequestPlace | None = None
        self._last = RequestPlace(0, 0)
        self._estimate_usd: Decimal | None = Decimal(0)

    def takes(self, line: bytes) -> bool:
        """True if the line can be added without exceeding the file's limits."""
        return self._requests < self._limits.max_requests and self._bytes + len(line) <= self._limits.max_file_bytes

    def add(self, custom_id: CustomId, *, key: str, line: bytes, estimate_usd: Decimal | None) -> None:
        """Appends the request to the file, and its custom id to the list.

        Raises:
            UsageError: the file cannot be written, e.g. because the disk is full.
        """
        try:
            if self._lines is None or self._names is None:
                self._lines, self._names = self._open(self._partial), self._open(names_of(self._partial))
            self._lines.write(line)
            self._names.write(f"{custom_id}\n".encode())
        except OSError as error:
            raise _cannot_write(self._directory, error) from error
        self._hash.update(f"{custom_id} {key}\n".encode())
        self._bytes += len(line)
        self._requests += 1
        self._first = self._first or custom_id.place
        self._last = custom_id.place
        known = self._estimate_usd is not None and estimate_usd is not None
        self._estimate_usd = (self._estimate_usd or Decimal(0)) + (estimate_usd or Decimal(0)) if known else None

    def close(self) -> Chunk | None:
        """Completes the file and moves it to its final name; returns None if no request was added.

        Raises:
            UsageError: the file cannot be written, e.g. because the disk is full.
        """
        if self._lines is None or self._names is None or self._first is None:
            return None
        chunk_hash = self._hash.hexdigest()[:HASH_CHARACTERS]
        path = chunk_path(self._directory, chunk_hash)
        try:
            self._lines.close()
            self._names.close()
            names_of(self._partial).replace(names_of(path))
            self._partial.replace(path)
        except OSError as error:
            raise _cannot_write(self._directory, error) from error
        return Chunk(
            chunk_hash=chunk_hash,
            path=path,
            requests=self._requests,
            first=self._first,
            last=self._last,
            estimate_usd=self._estimate_usd,
        )

    def discard(self) -> None:
        """Deletes the file and its list of custom ids."""
        for file in (self._lines, self._names):
            if file is not None:
                file.close()
        for path in (self._partial, names_of(self._partial)):
            path.unlink(missing_ok=True)

    def _open(self, path: Path) -> BinaryIO:
        self._directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        path.unlink(missing_ok=True)  # left by a killed process
        return os.fdopen(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, OWNER_ONLY), "wb")


def chunk_path(directory: Path, chunk_hash: str) -> Path:
    """Path of the chunk's file, on the machine that wrote it."""
    return directory / f"{chunk_hash}.jsonl"


def names_of(path: Path) -> Path:
    """Path of the list of the file's custom ids, which is kept until the batch has landed."""
    return path.with_suffix(path.suffix + ".names")


def read_names(path: Path) -> list[CustomId] | None:
    """The custom ids in a chunk's file; None if their list is damaged or not on this machine."""
    try:
        found = [read_custom_id(line) for line in names_of(path).read_text("ascii").splitlines()]
    except (OSError, UnicodeDecodeError):
        return None
    names = [name for name in found if name is not None]
    return names if names and len(names) == len(found) else None


def _cannot_write(directory: Path, error: OSError) -> UsageError:
    return UsageError(
        f"Batch files in {directory} cannot be written: {error.strerror}",
        next_step="free disk space or fix the permissions, then resume the run.",
    )
