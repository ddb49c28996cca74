"""Reads the verdicts of a run from `scores`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

from assay.records.statuses import ScoreStatus
from assay.scoring.queries import VERDICTS_OF_RUN
from assay.warehouse.client import Warehouse


@dataclass(frozen=True, slots=True)
class LandedVerdict:
    """The status and result of a landed score."""

    status: ScoreStatus
    passed: bool | None
    version: str
    value: float | None = None
    label: str | None = None
    expected_label: str | None = None


def read_verdicts(
    warehouse: Warehouse, *, run_id: str, data_date: date, versions: Mapping[str, str] | None = None
) -> dict[str, dict[str, LandedVerdict]]:
    """Returns the verdicts of a run by prediction id and scorer; with `versions`, only those of these versions."""
    verdicts: dict[str, dict[str, LandedVerdict]] = {}
    for row in warehouse.stream(VERDICTS_OF_RUN.sql, {"run_id": run_id, "data_date": data_date}):
        if versions is None or row["scorer_version"] == versions.get(row["scorer"]):
            verdict = LandedVerdict(
                row["status"], row["passed"], row["scorer_version"], row["value"], row["label"], row["expected_label"]
            )
            verdicts.setdefault(row["prediction_id"], {})[row["scorer"]] = verdict
    return verdicts
