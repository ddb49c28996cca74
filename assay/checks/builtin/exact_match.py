"""Checks that a field equals the expected value of the record."""

from __future__ import annotations

from typing import ClassVar

from assay.checks.builtin.json_equality import equal
from assay.checks.check import ComparedField, Flag, OutputCheck
from assay.checks.scoring import CheckResult, JsonObject, ScoredItem, passed, shown, value_at


class ExactMatch(OutputCheck):
    """Passes if the field equals the expected value; 1 equals 1.0, true does not equal 1.

    With `classes`, the texts of a field whose values are not a closed list are classes, if they are few.
    """

    type: ClassVar[str] = "exact_match"
    version: ClassVar[int] = 1

    ignore_case: Flag = False
    strip: Flag = False
    classes: Flag = False

    def judge(self, output: JsonObject, item: ScoredItem, /) -> CheckResult:
        """See `OutputCheck.judge`."""
        expected = value_at(item.expected, self.field, where="the case's expected answer")
        found = value_at(output, self.field, where="output")
        return passed(
            equal(self._compared(expected), self._compared(found)),
            f"{self.field}: expected {shown(expected)}, found {shown(found)}",
        )

    def compared_field(self) -> ComparedField:
        """See `Check.compared_field`."""
        return ComparedField(self.field, self._compared, of_text=self.classes)

    def _compared(self, value: object) -> object:
        """Returns the value; in text, case and whitespace are normalized if the check ignores them."""
        if not isinstance(value, str):
            return value
        stripped = value.strip() if self.strip else value
        return stripped.casefold() if self.ignore_case else stripped
