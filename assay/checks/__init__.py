"""Checks: deterministic scorers that compute one result from a prediction and its record, without I/O or LLMs."""

from assay.checks.registry import build_scorer, compared_field, output_errors, parameter_errors, scorer_version
from assay.checks.scoring import CheckResult, ScoredItem, Scorer, failed, measured, passed, unscored

__all__ = [
    "CheckResult",
    "ScoredItem",
    "Scorer",
    "build_scorer",
    "compared_field",
    "failed",
    "measured",
    "output_errors",
    "parameter_errors",
    "passed",
    "scorer_version",
    "unscored",
]
