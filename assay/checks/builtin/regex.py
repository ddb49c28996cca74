"""Checks that a text field matches a regular expression, or does not match it."""

from __future__ import annotations

import re
from functools import cached_property
from typing import Annotated, ClassVar

from pydantic import AfterValidator, Field

from assay.checks.check import Flag, OutputCheck
from assay.checks.output_schema import TEXT
from assay.checks.scoring import CheckResult, JsonObject, ScoredItem, passed, shown, text_at


def _compiles(pattern: str) -> str:
    try:
        re.compile(pattern)
    except (re.error, OverflowError, RecursionError) as error:
        raise ValueError(str(error)) from error
    return pattern


class Regex(OutputCheck):
    """Passes if the pattern matches anywhere in the text; with `must_match: false`, if it does not."""

    type: ClassVar[str] = "regex"
    version: ClassVar[int] = 1
    scored_types: ClassVar[frozenset[str]] = TEXT

    pattern: Annotated[
        str,
        AfterValidator(_compiles),
        Field(min_length=1, description="a regular expression of Python's re module"),
    ]
    must_match: Flag = True

    def judge(self, output: JsonObject, _: ScoredItem, /) -> CheckResult:
        """See `OutputCheck.judge`."""
        text = text_at(output, self.field)
        wanted = "a match of" if self.must_match else "no match of"
        return passed(
            bool(self._compiled.search(text)) is self.must_match,
            f"{self.field}: expected {wanted} {self.pattern!r}, found {shown(text)}",
        )

    @cached_property
    def _compiled(self) -> re.Pattern[str]:
        return re.compile(self.pattern)
