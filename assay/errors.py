"""Errors shown to the user, each with a next step and the exit code of the command.

The failure of a single row is not an error: the row is stored with its status.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

LONGEST_FOREIGN_TEXT = 2000
CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
"""Control characters of ASCII, except tab and newline, and of ISO 8859 (C1)."""


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


class InputRejected(AssayError):
    """The input was rejected before any paid call (exit code 4); the reasons are landed under `run_id`."""

    exit_code = 4

    def __init__(self, message: str, *, next_step: str = "", run_id: str = "") -> None:
        super().__init__(message, next_step=next_step)
        self.run_id = run_id


class ServiceUnreachable(AssayError):
    """A service does not respond (exit code 5)."""

    exit_code = 5


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
