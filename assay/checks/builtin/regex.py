"""Checks that a text field matches a regular expression, or does not match it."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import AfterValidator, Field

from assay.checks.check import Flag, OutputCheck
from assay.checks.output_schema import TEXT
from assay.checks.scoring import CheckResult, JsonObject, ScoredItem, passed, shown, text_at
from assay.tasks.fields.patterns import compiled_pattern, pattern_issue


def _compiles(pattern: str) -> str:
    if issue := pattern_issue(pattern):
        raise ValueError(issue)
    return pattern


class Regex(OutputCheck):
    """Passes if the pattern matches anywhere in the text; with `must_match: false`, if it does not."""

    type: ClassVar[str] = "regex"
    version: ClassVar[int] = 2
    scored_types: ClassVar[frozenset[str]] = TEXT

    pattern: Annotated[
        str,
        AfterValidator(_compiles),
        Field(min_length=1, description="a regular expression in RE2 syntax"),
    ]
    must_match: Flag = True

    def judge(self, output: JsonObject, _: ScoredItem, /) -> CheckResult:
        """See `OutputCheck.judge`."""
        text = text_at(output, self.field)
        wanted = "a match of" if self.must_match else "no match of"
        return passed(
            bool(compiled_pattern(self.pattern).search(text)) is self.must_match,
            f"{self.field}: expected {wanted} {self.pattern!r}, found {shown(text)}",
        )
