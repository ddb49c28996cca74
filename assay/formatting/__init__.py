"""Formats numbers for tables: shares, differences of shares, money, durations."""

from __future__ import annotations

import json
from math import isfinite
from typing import Any

NOTHING = "–"
SMALLEST_WITH_SIX_DECIMALS = 0.000001


def percent(value: float | None) -> str:
    """A share as a percentage with one decimal place."""
    return NOTHING if value is None or not isfinite(value) else f"{100 * value:.1f}%"


def points(value: float | None) -> str:
    """A difference of two shares in percentage points, with its sign and one decimal place."""
    return NOTHING if value is None or not isfinite(value) else f"{100 * value:+.1f} points"


def usd(value: Any) -> str:
    """An amount in USD with six decimal places, or nine if six would show zero."""
    if value is None or not isfinite(value):
        return NOTHING
    return f"${float(value):.9f}" if 0 < value < SMALLEST_WITH_SIX_DECIMALS else f"${float(value):.6f}"


def record_name(record_id: str) -> str:
    """A record id as it is read: one that is a JSON object as `field=value`, one that is a list as its values."""
    try:
        value = json.loads(record_id)
    except ValueError:
        return record_id
    if isinstance(value, dict) and value:
        return ", ".join(f"{name}={_part(part)}" for name, part in value.items())
    return ", ".join(map(_part, value)) if isinstance(value, list) and value else record_id


def _part(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def milliseconds(value: float | None) -> str:
    """A duration in milliseconds, without decimal places."""
    return NOTHING if value is None or not isfinite(value) else f"{value:,.0f} ms"
