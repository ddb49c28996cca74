"""Pages of a journal: memory-mapped files, so that writing a line needs no system call.

A page holds its number, the number of bytes written, and the bytes.
"""

from __future__ import annotations

import mmap
import os
import struct
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from assay.errors import UsageError, disk_errors

HEAD = struct.Struct("<QQQ")
"""The page's number, the end of the written bytes, and the layout of the lines."""
PAGE_BYTES = 4_000_000
SPARE_BYTES = 1_000_000
"""Size of a spare page: enough for the responses of the calls in progress."""
PAGES = "*.journal"
OWNER_ONLY = 0o600


class Page:
    """One page; once `write` returns, the bytes survive a crash of this process.

    Raises:
        UsageError: the disk has no space for the page; if space were reserved later, a full disk would kill the process.
    """

    def __init__(self, path: Path, at_least: int, *, layout: int, size: int = PAGE_BYTES) -> None:
        self.path = path
        self._layout = layout
        self._size = max(size, HEAD.size + at_least)
        with disk_errors("The journal", path):
            self._map = _mapped(path, self._size)
        self.number = 0
        self._end = HEAD.size

    @property
    def capacity(self) -> int:
        """Size of an empty page in bytes."""
        return self._size - HEAD.size

    def begin(self, number: int) -> None:
        """Empties the page and gives it this number."""
        self.number, self._end = number, HEAD.size
        self._state()

    def write(self, content: bytes) -> bool:
        """Writes the bytes to the page; returns False if it has no space for them."""
        end = self._end + len(content)
        if end > self._size:
            return False
        self._map[self._end : end] = content
        self._end = end
        self._state()
        return True

    def clear(self) -> None:
        """Empties the page."""
        self.begin(0)

    def close(self) -> None:
        """Unmaps the page; the file stays."""
        self._map.close()

    def _state(self) -> None:
        # Updated after the bytes: if the process is killed in between, the page does not include them.
        HEAD.pack_into(self._map, 0, self.number, self._end, self._layout)


def _mapped(path: Path, size: int) -> mmap.mmap:
    """Maps the file's bytes into memory, with disk space reserved for all of them."""
    with os.fdopen(os.open(path, os.O_CREAT | os.O_RDWR, OWNER_ONLY), "r+b") as file:
        try:
            if sys.platform == "linux":
                os.posix_fallocate(file.fileno(), 0, size)
            file.truncate(size)
            return mmap.mmap(file.fileno(), size)
        except OSError:
            path.unlink()  # what was reserved may be what others lack
            raise


def read_pages(folder: Path, *, layouts: frozenset[int]) -> Iterator[bytes]:
    """Yields the content of the pages in the folder, in the order of their numbers.

    Raises:
        UsageError: a page has lines with another layout.
    """
    for (_, end, found), path in sorted((_head(path), path) for path in _files(folder)):
        if end > HEAD.size and found not in layouts:
            raise UsageError(
                f"The journal {path} was written by a different version of Assay",
                next_step="resume with the version that started the run, or remove the file and have its requests sent again.",
            )
        yield path.read_bytes()[HEAD.size : end]


def last_numbers(folder: Path) -> tuple[int, int]:
    """Returns the highest page number in the folder, and the highest number of a file; 0 if there is none."""
    files = _files(folder)
    return max((_head(path)[0] for path in files), default=0), max((int(path.stem) for path in files), default=0)


def forget_pages(folder: Path, *, but: Iterable[Path]) -> None:
    """Deletes all page files except `but`."""
    kept = frozenset(but)
    for path in _files(folder):
        if path not in kept:
            path.unlink()


def _files(folder: Path) -> list[Path]:
    return list(folder.glob(PAGES))


def _head(path: Path) -> tuple[int, int, int]:
    with path.open("rb") as file:
        number, end, layout = HEAD.unpack(file.read(HEAD.size).ljust(HEAD.size, b"\0"))
    return number, end, layout
