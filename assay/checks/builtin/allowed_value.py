"""Checks that the value of a field is in a list."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import Field

from assay.checks.builtin.json_equality import equal
from assay.checks.check import OutputCheck
from assay.checks.scoring import CheckResult, JsonObject, ScoredItem, passed, shown, value_at


class AllowedValue(OutputCheck):
    """Passes if the value of the field is in the list."""

    type: ClassVar[str] = "allowed_value"
    version: ClassVar[int] = 1

    values: Annotated[
        list[str | bool | int | float | None],
        Field(min_length=1, description="a list of strings, numbers, true, false or null"),
    ]

    def judge(self, output: JsonObject, _: ScoredItem, /) -> CheckResult:
        """See `OutputCheck.judge`."""
        found = value_at(output, self.field, where="output")
        is_allowed = any(equal(value, found) for value in self.values)
        return passed(is_allowed, f"{self.field}: expected one of {shown(self.values)}, found {shown(found)}")
