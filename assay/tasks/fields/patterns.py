"""Regular expressions that run against every record, in RE2 syntax: matching time is linear in the text."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Protocol

HUGE_REPETITION = re.compile(r"(?<!\\)\{(?:\d{5,}|\d*,\d{5,})")
PYTHON_ONLY = {
    re.compile(r"\(\?<?[=!]"): ("a lookahead or lookbehind", "use two checks, one of them with `must_match: false`"),
    re.compile(r"\(\?P=|\\[1-9]|\(\?\("): ("a reference to a group", "list the alternatives, or use a custom check"),
    re.compile(r"\(\?>|[*+?}]\+"): ("a possessive or atomic group", "remove it, since nothing is tried twice"),
    re.compile(r"\\Z"): ("`\\Z`", "write `\\z`"),
    re.compile(r"\(\?[a-zA-Z]*[xauL]"): ("this flag", "remove it, and comments and blanks with it"),
    re.compile(r"\{\d{4,}|\{\d*,\d{4,}"): ("a repetition beyond 1,000", "use the check `length`"),
}
"""Constructs of Python's `re`, with their names and what to write instead."""


class Pattern(Protocol):
    """A compiled pattern."""

    def search(self, text: str) -> object | None:
        """Returns the first match anywhere in the text, or None."""
        ...


@lru_cache(maxsize=256)
def compiled_pattern(pattern: str) -> Pattern:
    """Returns the compiled pattern.

    Raises:
        ValueError: RE2 rejects it; the message is the reason, and for what only Python's `re` can do, what to do instead.
    """
    import re2

    if HUGE_REPETITION.search(pattern):  # RE2 would take it for literal text
        raise ValueError("expected a repetition of at most 1,000; use the check `length`")
    options = re2.Options()
    options.log_errors = False
    try:
        compiled: Pattern = re2.compile(pattern, options)
    except re2.error as error:
        reason = error.args[0] if error.args else "not valid"
        text = reason.decode("utf-8", "replace") if isinstance(reason, bytes) else str(reason)
        raise ValueError(f"{text}{_advice(pattern)}") from error
    return compiled


def _advice(pattern: str) -> str:
    """How to write a pattern that Python accepts and RE2 does not; empty for one that neither accepts."""
    try:
        re.compile(pattern)
    except (re.error, OverflowError, RecursionError):
        return ""
    for construct, (name, advice) in PYTHON_ONLY.items():
        if construct.search(pattern):
            return f"; {name} is not part of RE2, whose time is linear in the text: {advice}"
    return "; RE2, whose time is linear in the text, has another syntax: https://github.com/google/re2/wiki/Syntax"


def pattern_issue(pattern: str) -> str | None:
    """Returns the error in the pattern, or None if it is valid."""
    try:
        compiled_pattern(pattern)
    except ValueError as error:
        return str(error)
    return None
