"""The 95% interval of the cost per correct prediction of a run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from assay.formatting import usd
from assay.report.queries.costs import CLUSTER_COSTS
from assay.report.source import RunSource
from assay.statistics.conventions import LEVEL
from assay.statistics.cost_ratio import ClusterTotals, cost_per_correct_of_clusters
from assay.statistics.measured import Measured, unmeasured

COLUMNS = ("n_records", "n_eligible", "n_correct", "n_unscored", "first_cost_usd", "first_cost_upper_usd")
SHOWN = ("value", "low", "high", "level", "method", "clusters", "status", "reason")


def cost_interval(source: RunSource) -> dict[str, Any]:
    """Returns the bounds, or the reason why there are none, as plain values."""
    found = _measured(source.rows(CLUSTER_COSTS))
    return {name: getattr(found, name) for name in SHOWN}


def interval_text(interval: Mapping[str, Any]) -> str:
    """Returns the bounds with their warning, or the reason why there are none."""
    if interval["low"] is None or interval["high"] is None:
        return str(interval["reason"])
    bounds = f"{100 * interval['level']:g}% interval {usd(interval['low'])} – {usd(interval['high'])}"
    return f"{bounds} ({interval['reason']})" if interval["reason"] else bounds


def _measured(rows: Sequence[Mapping[str, Any]]) -> Measured:
    import numpy as np

    if any(row["n_first_unpriced"] for row in rows):
        return unmeasured("no interval: the cost of a prediction is unknown", level=LEVEL)
    if not rows:
        return unmeasured("no interval: no prediction counts", level=LEVEL)
    columns = {name: np.array([float(row[name] or 0) for row in rows]) for name in COLUMNS}
    return cost_per_correct_of_clusters(
        ClusterTotals(
            requests=columns["n_eligible"],
            costs_usd=columns["first_cost_usd"],
            costs_upper_usd=columns["first_cost_upper_usd"],
            eligible=columns["n_eligible"],
            correct=columns["n_correct"],
            unscored=columns["n_unscored"],
            has_clusters=bool((columns["n_records"] > 1).any()),
        )
    )
