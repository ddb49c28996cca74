"""Checks the length of a text field."""

from __future__ import annotations

import sys
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from assay.checks.builtin.bounds import BoundedCheck
from assay.checks.output_schema import TEXT
from assay.checks.scoring import CheckResult, JsonObject, ScoredItem, passed, text_at

Count = Annotated[int, Field(ge=0, description="a non-negative integer")]


class Length(BoundedCheck):
    """Passes if the text has between `min` and `max` characters (code points) or words, both inclusive."""

    type: ClassVar[str] = "length"
    version: ClassVar[int] = 1
    scored_types: ClassVar[frozenset[str]] = TEXT

    min: Count = 0
    max: Count = sys.maxsize
    unit: Annotated[Literal["characters", "words"], Field(description="'characters' or 'words'")] = "characters"

    def judge(self, output: JsonObject, _: ScoredItem, /) -> CheckResult:
        """See `OutputCheck.judge`."""
        text = text_at(output, self.field)
        found = len(text.split()) if self.unit == "words" else len(text)
        return passed(self.min <= found <= self.max, f"{self.field}: expected {self.range} {self.unit}, found {found}")
