"""Errors that a person reads, each with what to do about it and the exit code the command ends with.

A row's failure is a row with a status, not an error.
"""

from __future__ import annotations

LONGEST_FOREIGN_TEXT = 2000


class AssayError(Exception):
    """An error the user must know: `message` says what, where, expected and found, `next_step` what to do about it.

    `then` is a line of its own after both, set by the command whose work was cut off: how that work is continued.
    Code decides by type and fields; the text is for people alone.
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
        """The message and the next step: in one line, or the step on a line of its own below a message of several."""
        text = self.message
        if self.next_step and "\n" in self.message:
            text += f"\n{self.next_step[0].upper()}{self.next_step[1:]}"
        elif self.next_step:
            text += f"; {self.next_step}"
        return f"{text}\n{self.then}" if self.then else text


class UsageError(AssayError):
    """An error in use or configuration (exit 3)."""


class InputRejected(AssayError):
    """The input was refused before a call was paid for (exit 4); `run_id` names the run that holds the reasons."""

    exit_code = 4

    def __init__(self, message: str, *, next_step: str = "", run_id: str = "") -> None:
        super().__init__(message, next_step=next_step)
        self.run_id = run_id


class ServiceUnreachable(AssayError):
    """A service does not answer (exit 5)."""

    exit_code = 5


def foreign_text(said: str | BaseException) -> str:
    """What another program says, on one line and cut where it is long: to be shown, never to decide by."""
    text = " ".join(str(said).split()) or type(said).__name__
    return text if len(text) <= LONGEST_FOREIGN_TEXT else f"{text[: LONGEST_FOREIGN_TEXT - 1]}…"
