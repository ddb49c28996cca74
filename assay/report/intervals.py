"""Renders intervals: the bounds of a rate with their method and warnings, or the reason why there are no bounds."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from enum import StrEnum
from math import isfinite
from typing import Any

from assay.formatting import NOTHING
from assay.statistics.conventions import FEW_CLUSTERS, FEWEST_CLUSTERS
from assay.statistics.measured import Status


class MartIntervalStatus(StrEnum):
    """Values of `interval_status` in marts, in addition to those of `Status`: reasons why a rate has no interval."""

    SEVERAL_EPOCHS = "several_epochs"
    CLUSTERED = "clustered"


REASONS: dict[str, str] = {
    Status.TOO_FEW: "too few",
    MartIntervalStatus.SEVERAL_EPOCHS: "several epochs",
    MartIntervalStatus.CLUSTERED: "clustered",
    Status.UNSCORED: Status.UNSCORED.value,
}
WARNINGS: dict[str, str] = {
    Status.WARNING: "few",
    Status.TOO_FEW: "too few: conservative",
    Status.INCONCLUSIVE: "too few: inconclusive",
}
LEGEND: tuple[tuple[str, re.Pattern[str], str], ...] = (
    ("exact", re.compile("exact"), "Clopper–Pearson bounds, because Wilson's are not valid here"),
    ("clustered", re.compile("^clustered$"), "no interval, because no estimate covers exactly these predictions"),
    ("clustered", re.compile("clustered:"), "the interval allows for records of one cluster that are alike"),
    (
        "several epochs",
        re.compile("several epochs"),
        "no interval, because no estimate covers exactly these predictions",
    ),
    ("epochs", re.compile(r"\d epochs"), "the interval allows for repeats of one record that are alike"),
    ("few", re.compile("(?<!too )few"), f"fewer than {FEW_CLUSTERS} clusters, so the interval is less certain"),
    ("too few", re.compile("too few$"), "no interval, because there are not enough records"),
    ("conservative", re.compile("conservative"), "wider bounds, because there are few records"),
    (
        Status.INCONCLUSIVE.value,
        re.compile(Status.INCONCLUSIVE.value),
        f"fewer than {FEWEST_CLUSTERS} clusters, too few for a decision",
    ),
    (
        Status.UNSCORED.value,
        re.compile(f"^{Status.UNSCORED.value}$"),
        "no interval, because too many predictions have no score",
    ),
    ("worst to best case", re.compile("worst to best"), "from all unscored predictions incorrect to all correct"),
)
"""Words of the interval column, how they are recognized, and what they mean."""
METHODS = {"wilson": "", "clopper_pearson": "exact", "worst_and_best_case": "worst to best case"}
GROUPED = "effective_n_"
"""Prefix of the methods for rows that are not independent."""


def interval(row: Mapping[str, Any], *, low: str = "low", high: str = "high") -> str:
    """Returns the bounds of a rate, or the reason why there are none."""
    if not has_bounds(row, low=low, high=high):
        return REASONS.get(str(row.get("interval_status")), NOTHING)
    return f"{100 * row[low]:.1f} – {100 * row[high]:.1f}%"


def legend(cells: Iterable[str]) -> str:
    """Returns the meaning of the words that occur in the cells of an interval column, in one line."""
    texts = list(cells)
    meanings = [f"{word}: {text}" for word, form, text in LEGEND if any(map(form.search, texts))]
    return "; ".join(meanings)


def has_bounds(row: Mapping[str, Any], *, low: str = "low", high: str = "high") -> bool:
    """True if both bounds are finite numbers."""
    return all(row[name] is not None and isfinite(row[name]) for name in (low, high))


def explained(row: Mapping[str, Any]) -> str:
    """Returns the bounds with their method and warnings, or the reason why there are none.

    Example: `40.1 – 60.2% (clustered: 12 clusters, few)`.
    """
    qualifiers = ", ".join(_qualifiers(row)) if has_bounds(row) else ""
    return f"{interval(row)} ({qualifiers})" if qualifiers else interval(row)


def explained_estimate(row: Mapping[str, Any]) -> str:
    """Returns the bounds of a landed estimate with its warning or effective n, or the reason why there are none."""
    if not has_bounds(row):
        return str(row["reason"] or NOTHING)
    effective = row.get("effective_n")
    independent = not str(row.get("method")).startswith(GROUPED) or effective is None
    qualifier = row["reason"] or ("" if independent else f"effective n {effective:,.0f}")
    return f"{interval(row)} ({qualifier})" if qualifier else interval(row)


def _qualifiers(row: Mapping[str, Any]) -> Iterator[str]:
    method, status = str(row.get("method") or ""), str(row.get("interval_status"))
    if method.startswith(GROUPED):
        yield from _grouping(row)
    elif METHODS.get(method, method):
        yield METHODS.get(method, method)
    if status in WARNINGS:
        yield WARNINGS[status]


def _grouping(row: Mapping[str, Any]) -> Iterator[str]:
    """Yields the number of epochs and the number of clusters, if rows are grouped by them."""
    epochs, clusters, n = row.get("epochs") or 1, row.get("n_clusters"), row.get("n_eligible")
    if epochs > 1:
        yield f"{epochs} epochs"
    if clusters is not None and n is not None and clusters * epochs < n:
        yield f"clustered: {clusters:,} clusters"
