"""Is the field what the case expects?"""

from __future__ import annotations

from typing import ClassVar

from assay.checks.builtin.json_equality import equal
from assay.checks.check import Flag, OutputCheck
from assay.checks.scoring import CheckResult, JsonObject, Subject, passed, shown, value_at


class ExactMatch(OutputCheck):
    """Passes when the field equals the case's expected value; numbers by value, true is not 1."""

    type: ClassVar[str] = "exact_match"
    version: ClassVar[int] = 1

    ignore_case: Flag = False
    strip: Flag = False

    def judge(self, output: JsonObject, subject: Subject, /) -> CheckResult:
        """See `OutputCheck.judge`."""
        expected = value_at(subject.expected, self.field, where="the case's expected answer")
        found = value_at(output, self.field, where="output")
        return passed(
            equal(self._compared(expected), self._compared(found)),
            f"{self.field}: expected {shown(expected)}, found {shown(found)}",
        )

    def _compared(self, value: object) -> object:
        """The value without what a comparison is to overlook in a text."""
        if not isinstance(value, str):
            return value
        stripped = value.strip() if self.strip else value
        return stripped.casefold() if self.ignore_case else stripped
