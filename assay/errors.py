"""Errors that a person reads, each with the exit code the command ends with.

Only what reaches the user belongs here. A row's failure is a row with a status, not an error.
"""

from __future__ import annotations

from typing import ClassVar


class AssayError(Exception):
    """Something the user must know: one line that says what, where, expected, found, what to do."""

    exit_code: ClassVar[int] = 3


class UsageError(AssayError):
    """A mistake in use or configuration (exit 3)."""


class InputRejected(AssayError):
    """The input was refused before a call was paid for (exit 4); `run_id` names the run that holds the reasons."""

    exit_code: ClassVar[int] = 4

    def __init__(self, message: str, *, run_id: str = "") -> None:
        super().__init__(message)
        self.run_id = run_id


class ServiceUnreachable(AssayError):
    """A service does not answer (exit 5)."""

    exit_code: ClassVar[int] = 5
