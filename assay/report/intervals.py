"""Intervals of a scorecard in words: the bounds of a rate, what they rest on, or why there are none.

Only how an interval reads belongs here; which rates stand where is the views' business.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from math import isfinite
from typing import Any

from assay.formatting import NOTHING

REASONS = {
    "too_few": "too few",
    "several_epochs": "several epochs",
    "clustered": "clustered",
    "unscored": "not scored",
}
STANDINGS = {"warning": "few", "too_few": "too few: conservative", "inconclusive": "too few to tell"}
METHODS = {"wilson": "", "clopper_pearson": "exact", "worst_and_best_case": "worst to best case"}
GROUPED = "effective_n_"
"""Methods of rows that are not independent begin so."""


def interval(row: Mapping[str, Any], *, low: str = "low", high: str = "high") -> str:
    """The bounds of a rate, or why there are none."""
    if not has_bounds(row, low=low, high=high):
        return REASONS.get(str(row.get("interval_status")), NOTHING)
    return f"{100 * row[low]:.1f} – {100 * row[high]:.1f} %"


def has_bounds(row: Mapping[str, Any], *, low: str = "low", high: str = "high") -> bool:
    """True where both bounds are numbers."""
    return all(row[name] is not None and isfinite(row[name]) for name in (low, high))


def explained(row: Mapping[str, Any]) -> str:
    """The bounds with what they rest on, e.g. `40.1 – 60.2 % (clustered: 12 clusters, few)`, or why there are none."""
    words = ", ".join(_words(row)) if has_bounds(row) else ""
    return f"{interval(row)} ({words})" if words else interval(row)


def explained_estimate(row: Mapping[str, Any]) -> str:
    """The bounds of a landed estimate with what limits them, or why there are none."""
    if not has_bounds(row):
        return str(row["reason"] or NOTHING)
    effective = row.get("effective_n")
    independent = not str(row.get("method")).startswith(GROUPED) or effective is None
    words = row["reason"] or ("" if independent else f"as sure as {effective:,.0f} independent ones")
    return f"{interval(row)} ({words})" if words else interval(row)


def _words(row: Mapping[str, Any]) -> Iterator[str]:
    method, status = str(row.get("method") or ""), str(row.get("interval_status"))
    if method.startswith(GROUPED):
        yield from _grouping(row)
    elif METHODS.get(method, method):
        yield METHODS.get(method, method)
    if status in STANDINGS:
        yield STANDINGS[status]


def _grouping(row: Mapping[str, Any]) -> Iterator[str]:
    """Which rows belong together, as far as the figures tell."""
    epochs, clusters, n = row.get("epochs") or 1, row.get("n_clusters"), row.get("n_eligible")
    if epochs > 1:
        yield f"{epochs} epochs"
    if clusters is not None and n is not None and clusters * epochs < n:
        yield f"clustered: {clusters:,} clusters"
