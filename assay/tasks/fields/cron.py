"""Validates cron expressions of five fields; `cronsim` parses them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from cronsim import CronSim, CronSimError


@dataclass(frozen=True, slots=True)
class _Field:
    name: str
    low: int
    high: int


FIELDS = (
    _Field("minute", 0, 59),
    _Field("hour", 0, 23),
    _Field("day", 1, 31),
    _Field("month", 1, 12),
    _Field("weekday", 0, 7),
)
EVERY = ["*"] * len(FIELDS)
START = datetime(2000, 1, 1, tzinfo=UTC)
"""An arbitrary start time: `CronSim` requires one, but only its parser is used."""


def cron_issue(text: str) -> str | None:
    """Returns what was expected, or None if the expression is valid."""
    parts = text.split()
    if len(parts) != len(FIELDS):
        return "expected five fields: minute hour day month weekday"
    for place, (field, part) in enumerate(zip(FIELDS, parts, strict=True)):
        if _is_extension(field, part) or not _parses([*EVERY[:place], part, *EVERY[place + 1 :]]):
            return f"expected {field.name} from {field.low} to {field.high}, as in 5, 1-5, */2 or 1,3, not {part!r}"
    if not _parses([*parts[:4], "*"]):
        # With a weekday, cron runs on that weekday; Dagster's parser finds no date, or refuses the schedule.
        instead = "" if parts[4] == "*" else "; to run on the weekday alone, write * for the day"
        return f"expected a day that exists in the month, not day {parts[2]} of month {parts[3]}{instead}"
    return None


def _is_extension(field: _Field, part: str) -> bool:
    """True for last days (L, LW, 5L) and nth weekdays (1#2): cronsim parses them, Dagster accepts only some."""
    return "#" in part or (field.name in ("day", "weekday") and "L" in part.upper())


def _parses(parts: list[str]) -> bool:
    try:
        CronSim(" ".join(parts), START)
    except (CronSimError, ValueError):  # ValueError: more digits than Python converts
        return False
    return True
