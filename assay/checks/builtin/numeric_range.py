"""Checks that a field is a number within bounds."""

from __future__ import annotations

from typing import ClassVar, cast

from assay.checks.builtin.bounds import BoundedCheck
from assay.checks.output_schema import NUMBERS
from assay.checks.scoring import CheckResult, JsonObject, ScoredItem, is_number, passed, shown, unscored, value_at


class NumericRange(BoundedCheck):
    """Passes if the field is a number between `min` and `max`, both inclusive."""

    type: ClassVar[str] = "numeric_range"
    version: ClassVar[int] = 1
    scored_types: ClassVar[frozenset[str]] = NUMBERS

    def judge(self, output: JsonObject, _: ScoredItem, /) -> CheckResult:
        """See `OutputCheck.judge`."""
        found = value_at(output, self.field, where="output")
        if not is_number(found):
            return unscored(f"{self.field}: expected a number, found {shown(found)}")
        is_within = self.min <= cast(float, found) <= self.max
        return passed(is_within, f"{self.field}: expected {self.range}, found {shown(found)}")
