"""The prediction that a score is about, and how a row of `scores` follows from it, whoever judged.

Only what all rows share belongs here; checks, judges and people each have a module for what they say.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import date, datetime
from typing import Any

from assay.records.evaluation import Score


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoredPrediction:
    """A prediction, as far as the rows of its scores need it."""

    prediction_id: str
    run_id: str
    task: str
    data_date: date
    tenant_id: str
    record_id: str
    epoch: int
    subject_key: str | None
    masking_version: str

    @staticmethod
    def of(row: Mapping[str, Any], *, task: str) -> ScoredPrediction:
        """From a row that has the other columns, and maybe more."""
        return ScoredPrediction(task=task, **{name: row[name] for name in NAMES if name != "task"})

    def row(self, *, occurred_at: datetime, **columns: Any) -> Score:
        """The row of one judgement; `columns` are those that tell who judged and what."""
        return Score(occurred_at=occurred_at, **{name: getattr(self, name) for name in NAMES}, **columns)


NAMES = tuple(field.name for field in fields(ScoredPrediction))
