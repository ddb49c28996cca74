"""Checks that a text field is a JSON document."""

from __future__ import annotations

import json
from typing import ClassVar, NoReturn

from assay.checks.check import OutputCheck
from assay.checks.output_schema import TEXT
from assay.checks.scoring import CheckResult, JsonObject, ScoredItem, passed, shown, text_at, unscored


class ValidJson(OutputCheck):
    """Passes if the text is one JSON document (RFC 8259: no NaN, no trailing text)."""

    type: ClassVar[str] = "valid_json"
    version: ClassVar[int] = 1
    scored_types: ClassVar[frozenset[str]] = TEXT

    def judge(self, output: JsonObject, _: ScoredItem, /) -> CheckResult:
        """See `OutputCheck.judge`."""
        text = text_at(output, self.field)
        try:
            json.loads(text, parse_constant=_no_constant)
        except RecursionError:
            return unscored(f"{self.field}: nested too deeply to be parsed")
        except ValueError as error:
            return passed(False, f"{self.field}: expected JSON text, found {shown(text)} ({error})")
        return passed(True, f"{self.field}: expected JSON text, found it")


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")
