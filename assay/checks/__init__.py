"""Deterministic scorers: a prediction and its case in, one judgement out; no clock, no network, no model.

Belongs here: what can be judged by code. Judging by a model or by people, and statistics over scores, belong to `evals`.
"""

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
