"""Checks that a text field contains all of a list of strings, or none of them."""

from __future__ import annotations

from typing import ClassVar

from assay.checks.check import Flag, OutputCheck, Texts
from assay.checks.output_schema import TEXT
from assay.checks.scoring import CheckResult, JsonObject, ScoredItem, passed, shown, text_at


class SubstringCheck(OutputCheck):
    """Base class of checks that look for values in a text field."""

    scored_types: ClassVar[frozenset[str]] = TEXT

    values: Texts
    ignore_case: Flag = False

    def present(self, output: JsonObject) -> list[str]:
        """Returns the values that the text contains.

        Raises:
            Unscorable: the field is not a string.
        """
        text = text_at(output, self.field)
        if not self.ignore_case:
            return [value for value in self.values if value in text]
        folded = text.casefold()
        return [value for value in self.values if value.casefold() in folded]


class Contains(SubstringCheck):
    """Passes if the text contains every value."""

    type: ClassVar[str] = "contains"
    version: ClassVar[int] = 1

    def judge(self, output: JsonObject, _: ScoredItem, /) -> CheckResult:
        """See `OutputCheck.judge`."""
        present = self.present(output)
        missing = [value for value in self.values if value not in present]
        return passed(not missing, f"{self.field}: expected all of {shown(self.values)}, missing {shown(missing)}")


class NotContains(SubstringCheck):
    """Passes if the text contains none of the values."""

    type: ClassVar[str] = "not_contains"
    version: ClassVar[int] = 1

    def judge(self, output: JsonObject, _: ScoredItem, /) -> CheckResult:
        """See `OutputCheck.judge`."""
        present = self.present(output)
        return passed(not present, f"{self.field}: expected none of {shown(self.values)}, found {shown(present)}")
