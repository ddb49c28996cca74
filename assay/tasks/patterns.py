"""Regular expressions that rules hold against every record: RE2's, whose time grows with the text and never beyond it.

Compiling them and saying what is wrong with one belongs here; which fields they are held against does not.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Protocol


class Pattern(Protocol):
    """A compiled pattern."""

    def search(self, text: str) -> object | None:
        """A match anywhere in the text, or None."""
        ...


@lru_cache(maxsize=256)
def compiled_pattern(pattern: str) -> Pattern:
    """The pattern, ready to search.

    Raises:
        ValueError: RE2 does not take it (it has neither look-around nor back-references); the message says why.
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
    """What is wrong with the pattern, or None."""
    try:
        compiled_pattern(pattern)
    except ValueError as error:
        return str(error)
    return None
