"""The 95% interval of the cost per correct prediction of a run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from assay.formatting import usd
from assay.report.queries.costs import CLUSTER_COSTS
from assay.report.source import RunSource
from assay.statistics.conventions import LEVEL
from assay.statistics.cost_ratio import ClusterTotals, cost_per_correct_of_clusters
from assay.statistics.measured import Measured, unmeasured

if TYPE_CHECKING:
    from assay.statistics.sampling import Floats

COLUMNS = ("n_requests", "n_records", "n_eligible", "n_correct", "n_unscored", "cost_usd", "cost_upper_usd")
SHOWN = ("value", "low", "high", "level", "method", "clusters", "status", "reason")


def cost_interval(source: RunSource, costs: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the bounds, or the reason why there are none, as plain values.

    `costs` has the inference cost of the run, also with the upper estimates of calls of unknown billing; None if a price
    is missing.
    """
    found = _measured(source, costs)
    return {name: getattr(found, name) for name in SHOWN}


def interval_text(interval: Mapping[str, Any]) -> str:
    """Returns the bounds with their warning, or the reason why there are none."""
    if interval["low"] is None or interval["high"] is None:
        return str(interval["reason"])
    bounds = f"{100 * interval['level']:g}% interval {usd(interval['low'])} – {usd(interval['high'])}"
    return f"{bounds} ({interval['reason']})" if interval["reason"] else bounds


def _measured(source: RunSource, costs: Mapping[str, Any]) -> Measured:
    import numpy as np

    if costs["cost_usd"] is None:
        return unmeasured("no interval: a call or an adopted prediction has no price", level=LEVEL)
    rows = source.rows(CLUSTER_COSTS)
    columns = {name: np.array([float(row[name] or 0) for row in rows]) for name in COLUMNS}
    requests = columns["n_requests"]
    if not requests.any():
        return unmeasured("no interval: no prediction was requested", level=LEVEL)
    return cost_per_correct_of_clusters(
        ClusterTotals(
            requests=requests,
            costs_usd=_whole(columns["cost_usd"], requests, total=float(costs["cost_usd"])),
            costs_upper_usd=_whole(columns["cost_upper_usd"], requests, total=float(costs["cost_upper_usd"])),
            eligible=columns["n_eligible"],
            correct=columns["n_correct"],
            unscored=columns["n_unscored"],
            has_clusters=bool((columns["n_records"] > 1).any()),
        )
    )


def _whole(costs: Floats, requests: Floats, *, total: float) -> Floats:
    """The costs with those of no single prediction (embeddings, requests that the budget stopped), shared evenly."""
    shared: Floats = (total - costs.sum()) * requests / requests.sum()
    return costs + shared
