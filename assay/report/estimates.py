"""The landed estimates of a run, and whether one is that of exactly the rows that were counted."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from assay.report.queries.rates import RUN_RATES
from assay.report.source import RunSource
from assay.statistics.measured import Status

TOLERANCE = 1e-9
"""Two shares of the same counts differ by rounding only."""
Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class RateKey:
    """A rate of the run; `scorer` is None for a rate of whole predictions."""

    metric: str
    population: str
    slice: str
    scorer: str | None = None


def landed_estimates(source: RunSource) -> dict[RateKey, dict[str, Any]]:
    """Returns the estimates of the run itself, without those of evaluations and calibrations."""
    rows = source.rows(RUN_RATES)
    return {RateKey(row["metric"], row["population"], row["slice"], row["scorer"]): row for row in rows}


def covers(estimate: Row | None, n: int, *, worst: float | None, best: float | None = None) -> bool:
    """True if the estimate is that of n rows with these shares; `best` is not compared if it is None.

    `worst` counts unscored rows as failures, `best` as passes. Where the rows changed since, for example because scores
    landed later, the estimate is not that of the counts.
    """
    if estimate is None or worst is None or estimate["n"] != n:
        return False
    cases = [("worst", worst), *([("best", best)] if best is not None else [])]
    return all(_is_same(estimate[case], estimate["value"], share) for case, share in cases)


def is_usable(estimate: Row | None) -> bool:
    """True if the estimate has a value or bounds."""
    return estimate is not None and estimate["status"] != Status.NONE


def variance(estimate: Row) -> dict[str, float]:
    """Returns the variance components of an estimate by name: record, epoch, judge, total; empty without any."""
    details = json.loads(estimate["details"] or "null") or {}
    parts: Iterable[tuple[str, Any]] = (details.get("variance") or {}).items()
    return {name: float(value) for name, value in parts if value is not None}


def share(count: int, n: int) -> float | None:
    """Returns count / n, or None if n is 0."""
    return count / n if n else None


def _is_same(case: float | None, value: float | None, share: float) -> bool:
    stated = value if case is None else case
    return stated is not None and abs(stated - share) < TOLERANCE
