"""Figures as people read them on a scorecard: shares, money, durations.

Only how one figure is written belongs here; which stand where is the views' business.
"""

from __future__ import annotations

from math import isfinite
from typing import Any

NOTHING = "–"
SMALLEST_WITH_SIX_DECIMALS = 0.000001


def percent(value: float | None) -> str:
    """A share as a percentage with one decimal."""
    return NOTHING if value is None or not isfinite(value) else f"{100 * value:.1f} %"


def usd(value: Any) -> str:
    """An amount of money: six decimals, and nine for one that would look like nothing with six."""
    if value is None or not isfinite(value):
        return NOTHING
    return f"${float(value):.9f}" if 0 < value < SMALLEST_WITH_SIX_DECIMALS else f"${float(value):.6f}"


def milliseconds(value: float | None) -> str:
    """A duration, rounded to the millisecond."""
    return NOTHING if value is None or not isfinite(value) else f"{value:,.0f} ms"
