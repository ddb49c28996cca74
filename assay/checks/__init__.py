"""Checks: deterministic scorers that compute one result from a prediction and its record, without I/O or models."""

from assay.checks.registry import build_scorer, parameter_errors, scorer_version
from assay.checks.scoring import CheckResult, Scorer, Subject, failed, measured, passed, unscored

__all__ = [
    "CheckResult",
    "Scorer",
    "Subject",
    "build_scorer",
    "failed",
    "measured",
    "parameter_errors",
    "passed",
    "scorer_version",
    "unscored",
]
