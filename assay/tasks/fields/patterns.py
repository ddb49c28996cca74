"""Regular expressions that run against every record, in RE2 syntax: matching time is linear in the text."""

from __future__ import annotations

from functools import lru_cache
from typing import Protocol


class Pattern(Protocol):
    """A compiled pattern."""

    def search(self, text: str) -> object | None:
        """Returns the first match anywhere in the text, or None."""
        ...


@lru_cache(maxsize=256)
def compiled_pattern(pattern: str) -> Pattern:
    """Returns the compiled pattern.

    Raises:
        ValueError: RE2 rejects it (lookaround and backreferences are not supported); the message is the reason.
    """
    import re2

    options = re2.Options()
    options.log_errors = False
    try:
        compiled: Pattern = re2.compile(pattern, options)
    except re2.error as error:
        reason = error.args[0] if error.args else "not valid"
        raise ValueError(reason.decode("utf-8", "replace") if isinstance(reason, bytes) else str(reason)) from error
    return compiled


def pattern_issue(pattern: str) -> str | None:
    """Returns the error in the pattern, or None if it is valid."""
    try:
        compiled_pattern(pattern)
    except ValueError as error:
        return str(error)
    return None
