"""Checks that the output is valid against the output schema."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from assay.checks.check import Check
from assay.checks.scoring import CheckResult, ScoredItem, Scorer, passed, unscored
from assay.records.statuses import ANSWERED, PredictionStatus


class ValidSchema(Check):
    """Passes if the model's own output is valid against the output schema, immediately or after repair.

    A prediction with status `invalid_output` does not pass, nor does one that the declared fallback replaced. A
    prediction without a response (failed, refused, skipped) is unscored.
    """

    type: ClassVar[str] = "valid_schema"
    version: ClassVar[int] = 2

    def scorer(self, _: Path, /) -> Scorer:
        """See `Check.scorer`."""
        return _score


def _score(item: ScoredItem) -> CheckResult:
    if item.status in ANSWERED and item.output is not None:
        return passed(True, f"expected an output that is valid against the schema, found one ({item.status})")
    if item.status == PredictionStatus.INVALID_OUTPUT:
        return passed(False, "expected an output that is valid against the schema, found none after repair")
    if item.status == PredictionStatus.FALLBACK:
        return passed(False, "expected an output that is valid against the schema, found the fallback value")
    return unscored(f"no output: {item.status}")
