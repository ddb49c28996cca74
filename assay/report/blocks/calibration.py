"""How far the judges of a run can be trusted: agreement with people, and the rates that labels of the run correct."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from assay.formatting import NOTHING, percent
from assay.report.block import Scorecard, ScorecardBlock, Section
from assay.report.intervals import has_bounds
from assay.report.queries.rates import CALIBRATION
from assay.report.source import Rows, RunSource
from assay.statistics.conventions import INTERVAL_TITLE

TITLE = "Calibration of judges with human labels of this run"
COLUMNS = ("judge", "population", "metric", "value", INTERVAL_TITLE, "n", "labels", "status")
METRICS = {
    "cohens_kappa": "agreement (κ)",
    "judged_rate": "pass rate by the judge",
    "corrected_rate": "pass rate, corrected by labels",
    "human_rate": "pass rate of the labels",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class CalibrationBlock:
    """The latest calibration estimates of each judge of the run, over all its records; empty without any."""

    calibration: Rows = ()


def read(source: RunSource) -> CalibrationBlock:
    """Returns the landed estimates, with the facts about their labels."""
    rows = source.rows(CALIBRATION)
    return CalibrationBlock(
        calibration=tuple({**row, "calibration": json.loads(row["calibration"] or "null")} for row in rows)
    )


def sections(card: Scorecard) -> Iterator[Section]:
    """Yields a row per judge and metric; a correction without a value is in the JSON output only."""
    rows = card.of(CalibrationBlock).calibration
    yield Section(TITLE, COLUMNS, [_row(row) for row in rows if row["value"] is not None])


def _row(row: Mapping[str, Any]) -> tuple[str, ...]:
    is_kappa = row["metric"] == "cohens_kappa"
    in_unit = _coefficient if is_kappa else percent
    bounds = f"{in_unit(row['low'])} – {in_unit(row['high'])}" if has_bounds(row) else NOTHING
    labels = (row["calibration"] or {}).get("n_labels")
    method = f" ({row['method'].split('_')[0]})" if row["metric"] == "corrected_rate" else ""
    return (
        row["scorer"],
        row["population"],
        f"{METRICS[row['metric']]}{method}",
        in_unit(row["value"]),
        bounds,
        f"{row['n']:,}",
        NOTHING if labels is None else f"{labels:,}",
        ": ".join(filter(None, (row["status"], row["reason"]))),
    )


def _coefficient(value: float) -> str:
    return f"{value:.2f}"


BLOCK = ScorecardBlock(kind=CalibrationBlock, read=read, statements=(CALIBRATION,), sections=sections)
