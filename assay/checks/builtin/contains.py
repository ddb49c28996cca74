"""Do all of a list of texts, or none of them, stand in the field's text?"""

from __future__ import annotations

from typing import ClassVar

from assay.checks.check import Flag, OutputCheck, Texts
from assay.checks.scoring import CheckResult, JsonObject, Subject, passed, shown, text_at


class SubstringCheck(OutputCheck):
    """A check of which values stand in the field's text."""

    values: Texts
    ignore_case: Flag = False

    def present(self, output: JsonObject) -> list[str]:
        """The values that stand in the text.

        Raises:
            Unscorable: the field is no text.
        """
        text = text_at(output, self.field)
        if not self.ignore_case:
            return [value for value in self.values if value in text]
        folded = text.casefold()
        return [value for value in self.values if value.casefold() in folded]


class Contains(SubstringCheck):
    """Passes when every one of the values stands in the field's text."""

    type: ClassVar[str] = "contains"
    version: ClassVar[int] = 1

    def judge(self, output: JsonObject, _: Subject, /) -> CheckResult:
        """See `OutputCheck.judge`."""
        present = self.present(output)
        missing = [value for value in self.values if value not in present]
        return passed(not missing, f"{self.field}: expected all of {shown(self.values)}, missing {shown(missing)}")


class NotContains(SubstringCheck):
    """Passes when none of the values stands in the field's text."""

    type: ClassVar[str] = "not_contains"
    version: ClassVar[int] = 1

    def judge(self, output: JsonObject, _: Subject, /) -> CheckResult:
        """See `OutputCheck.judge`."""
        present = self.present(output)
        return passed(not present, f"{self.field}: expected none of {shown(self.values)}, found {shown(present)}")
