"""The prediction that a score belongs to, and the `scores` columns that checks, judges and labels share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import date, datetime
from typing import Any

from assay.records.evaluation import Score


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoredPrediction:
    """The columns of a prediction that are repeated in the rows of its scores."""

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
        """Returns the prediction in a row that has all of these columns except the task; other columns are ignored."""
        return ScoredPrediction(task=task, **{name: row[name] for name in NAMES if name != "task"})

    def row(self, *, occurred_at: datetime, **columns: Any) -> Score:
        """Returns the row of one score; `columns` contains the columns of the scorer and its result."""
        return Score(occurred_at=occurred_at, **{name: getattr(self, name) for name in NAMES}, **columns)


NAMES = tuple(field.name for field in fields(ScoredPrediction))
