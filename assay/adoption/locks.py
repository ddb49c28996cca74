"""Locks between adoptions on one machine; the operating system releases a lock when its process ends, however it ends."""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from assay.inference.keys import new_id

OWNER_ONLY = 0o600
PREFIX, LOCK_SUFFIX = "adopting-", ".lock"


@dataclass(frozen=True, slots=True)
class HeldLock:
    """A lock that this process holds."""

    descriptor: int

    def describe(self, text: str) -> None:
        """Writes a text that others read while the lock is held."""
        os.ftruncate(self.descriptor, 0)
        os.pwrite(self.descriptor, text.encode(), 0)


@contextmanager
def exclusive(path: Path) -> Iterator[HeldLock | None]:
    """The lock `path`, for the block; None if another process or thread holds it. The file exists only while held."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    descriptor = _taken(path)
    if descriptor is None:
        yield None
        return
    try:
        yield HeldLock(descriptor)
    finally:
        path.unlink(missing_ok=True)
        os.close(descriptor)


def described(path: Path) -> str:
    """What the holder of the lock says about itself; empty if nothing, or if nobody holds it anymore."""
    try:
        return path.read_text("utf-8")
    except FileNotFoundError:
        return ""


@contextmanager
def working_folder(parent: Path) -> Iterator[Path]:
    """The path of a new folder below `parent`, which the block creates, and which is deleted at the end.

    Folders of earlier processes that were killed are deleted first.
    """
    parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    for name in {_owner(entry) for entry in parent.iterdir() if _owner(entry).startswith(PREFIX)}:
        with exclusive(_lock_of(parent / name)) as lock:
            if lock is not None:
                _remove(parent, name)
    folder = parent / f"{PREFIX}{new_id()}"
    with exclusive(_lock_of(folder)):
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def _taken(path: Path) -> int | None:
    """The descriptor of the locked file; a file that its holder deleted in the meantime is opened again."""
    while True:
        descriptor = os.open(path, os.O_CREAT | os.O_RDWR, OWNER_ONLY)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return None
        if _is_at(descriptor, path):
            return descriptor
        os.close(descriptor)


def _is_at(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False


def _lock_of(folder: Path) -> Path:
    return folder.with_name(f".{folder.name}{LOCK_SUFFIX}")


def _owner(entry: Path) -> str:
    """The name of the working folder that the entry is, or that it is a lock or a partial copy of."""
    return entry.name.removeprefix(".").partition(".")[0]


def _remove(parent: Path, name: str) -> None:
    for entry in parent.iterdir():
        if _owner(entry) == name and entry.is_dir():
            shutil.rmtree(entry, ignore_errors=True)
