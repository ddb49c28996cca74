"""Did the model's answer take the form of the output schema?"""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from assay.checks.check import Check
from assay.checks.scoring import CheckResult, Scorer, Subject, passed, unscored
from assay.records.statuses import ANSWERED, PredictionStatus


class ValidSchema(Check):
    """Passes when the model's answer took the form of the output schema, at once or after repair.

    An answer that never did (`invalid_output`) is judged and does not pass. Where the model gave no answer (failed,
    refused, skipped) or the declared fallback stands in for it, there is nothing to judge.
    """

    type: ClassVar[str] = "valid_schema"
    version: ClassVar[int] = 1

    def scorer(self, _: Path, /) -> Scorer:
        """See `Check.scorer`."""
        return _score


def _score(subject: Subject) -> CheckResult:
    if subject.status in ANSWERED and subject.output is not None:
        return passed(True, f"expected an output that fits the schema, found one ({subject.status})")
    if subject.status == PredictionStatus.INVALID_OUTPUT:
        return passed(False, "expected an output that fits the schema, found none after repair")
    return unscored(f"no output: {subject.status}")
