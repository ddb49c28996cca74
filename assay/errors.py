"""Errors shown to the user, each with a next step and the exit code of the command.

The failure of a single row is not an error: the row is stored with its status.
"""

from __future__ import annotations

import errno
import re
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

LONGEST_FOREIGN_TEXT = 2000
FREE_SPACE = "free space on the disk or fix the permissions, then repeat the command; a run is resumed."
MORE_FILES = "raise the limit of open files (`ulimit -n`), then repeat the command; a run is resumed."
CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
"""Control characters of ASCII, except tab and newline, and of ISO 8859 (C1)."""


TOO_MANY_FILES = frozenset({errno.EMFILE, errno.ENFILE})
DISK_ERRORS = TOO_MANY_FILES | {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EROFS, errno.ENOMEM}
SQLITE_PRIMARY_CODE = 0xFF
SQLITE_DISK_ERRORS = frozenset(
    {sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN}
)


class AssayError(Exception):
    """An error shown to the user: `message` states what is wrong and where, `next_step` how to fix it.

    `then` is an additional last line, which an interrupted command sets: how to resume its work. Code distinguishes
    errors by type and fields, never by their text.
    """

    exit_code: int = 3

    def __init__(self, message: str, *, next_step: str = "", exit_code: int | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.next_step = next_step
        self.then = ""
        if exit_code is not None:
            self.exit_code = exit_code

    def __str__(self) -> str:
        """The message and the next step on one line; the step on its own line after a message of several lines."""
        text = self.message
        if self.next_step and "\n" in self.message:
            text += f"\n{self.next_step[0].upper()}{self.next_step[1:]}"
        elif self.next_step:
            text += f"; {self.next_step}"
        return f"{text}\n{self.then}" if self.then else text


class UsageError(AssayError):
    """A usage or configuration error (exit code 3)."""


class RunInUse(UsageError):
    """Another process works on the run, so nothing was sent or landed; `next_step` states how to continue."""


class InputRejected(AssayError):
    """The input was rejected before any paid call (exit code 4); the reasons are landed under `run_id`."""

    exit_code = 4

    def __init__(self, message: str, *, next_step: str = "", run_id: str = "") -> None:
        super().__init__(message, next_step=next_step)
        self.run_id = run_id


class ServiceUnreachable(AssayError):
    """A service does not respond (exit code 5)."""

    exit_code = 5


@contextmanager
def disk_errors(what: str, path: Path, *, next_step: str = FREE_SPACE) -> Iterator[None]:
    """Raises operating system errors in the block as an error that names `what` and its path.

    Raises:
        UsageError: the file or folder cannot be written; the exit code is that of `exit_code_of`.
    """
    try:
        yield
    except OSError as error:
        if error.errno in TOO_MANY_FILES:
            next_step = MORE_FILES
        raise UsageError(
            f"{what} {path} cannot be written: {error.strerror or type(error).__name__}", next_step=next_step
        ) from error


def is_disk_error(error: BaseException) -> bool:
    """True if the disk is full, failing or read-only, or no more files can be opened."""
    if isinstance(error, OSError):
        return error.errno in DISK_ERRORS
    if isinstance(code := getattr(error, "sqlite_errorcode", None), int):
        return code & SQLITE_PRIMARY_CODE in SQLITE_DISK_ERRORS
    return type(error).__module__ in ("duckdb", "_duckdb") and type(error).__name__ == "IOException"


def exit_code_of(error: AssayError) -> int:
    """The exit code of the command that the error ends: 5 if the disk caused it, otherwise the error's own."""
    cause: BaseException | None = error
    while cause is not None:
        if is_disk_error(cause):
            return ServiceUnreachable.exit_code
        cause = cause.__cause__
    return error.exit_code


def did_you_mean(name: object, known: Iterable[str]) -> str:
    """Returns a suggestion of the closest known name for a message, or an empty string."""
    from difflib import get_close_matches

    close = get_close_matches(str(name), list(known), n=1)
    return f"did you mean {close[0]!r}?" if close else ""


def printable(text: str) -> str:
    """The text for a terminal or a page: control characters, which could move its cursor or change its title, replaced."""
    return CONTROL.sub("\N{REPLACEMENT CHARACTER}", text)


def foreign_text(message: str | BaseException) -> str:
    """An error message of another program, on one line and truncated; for display only."""
    text = " ".join(str(message).split()) or type(message).__name__
    return text if len(text) <= LONGEST_FOREIGN_TEXT else f"{text[: LONGEST_FOREIGN_TEXT - 1]}…"
