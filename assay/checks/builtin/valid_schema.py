"""Checks that the output is valid against the output schema."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from assay.checks.check import Check
from assay.checks.scoring import CheckResult, Scorer, Subject, passed, unscored
from assay.records.statuses import ANSWERED, PredictionStatus


class ValidSchema(Check):
    """Passes if the output is valid against the output schema, immediately or after repair.

    A prediction of status `invalid_output` does not pass. One without a response (failed, refused, skipped) or with the
    declared fallback is unscored.
    """

    type: ClassVar[str] = "valid_schema"
    version: ClassVar[int] = 1

    def scorer(self, _: Path, /) -> Scorer:
        """See `Check.scorer`."""
        return _score


def _score(subject: Subject) -> CheckResult:
    if subject.status in ANSWERED and subject.output is not None:
        return passed(True, f"expected an output that is valid against the schema, found one ({subject.status})")
    if subject.status == PredictionStatus.INVALID_OUTPUT:
        return passed(False, "expected an output that is valid against the schema, found none after repair")
    return unscored(f"no output: {subject.status}")
