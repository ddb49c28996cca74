"""Outcome of a route: a valid response, or the reason that there is none."""

from __future__ import annotations

from dataclasses import dataclass

from assay.inference.validation import Valid
from assay.performance.fast_init import quick_init
from assay.records.statuses import AnswerSource, PredictionStatus


@quick_init
@dataclass(frozen=True, slots=True)
class RouteAnswer:
    """A valid response and its origin."""

    status: PredictionStatus
    valid: Valid
    route: str
    call_id: str
    confidence: float | None = None
    source: AnswerSource = AnswerSource.WIRE


@dataclass(frozen=True, slots=True)
class RouteFailure:
    """Why a route returned no valid response."""

    status: PredictionStatus
    error_type: str
    message: str
    never_sent: bool = False
