"""Says what is wrong with a cron expression of five fields.

Only the form belongs here: numbers, names, lists, ranges, steps. When a schedule ticks is the scheduler's part.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
WEEKDAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
LONGEST = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
ITEM = re.compile(r"(?:(?P<every>\*)|(?P<first>\w+)(?:-(?P<last>\w+))?)(?:/(?P<step>\d{1,4}))?", re.ASCII)


@dataclass(frozen=True, slots=True)
class _Field:
    name: str
    low: int
    high: int
    words: tuple[str, ...] = ()

    def number(self, text: str) -> int | None:
        """The value that the text stands for, None when it stands for none."""
        if text.lower() in self.words:
            return self.words.index(text.lower()) + self.low
        value = int(text) if text.isdecimal() and len(text) <= len(str(self.high)) + 1 else None
        return value if value is not None and self.low <= value <= self.high else None


FIELDS = (
    _Field("minute", 0, 59),
    _Field("hour", 0, 23),
    _Field("day", 1, 31),
    _Field("month", 1, 12, MONTHS),
    _Field("weekday", 0, 7, WEEKDAYS),
)


def cron_mistake(text: str) -> str | None:
    """What was expected, or None when the expression is right."""
    parts = text.split()
    if len(parts) != len(FIELDS):
        return "expected five fields: minute hour day month weekday"
    values: list[set[int]] = []
    for field, part in zip(FIELDS, parts, strict=True):
        found = _values(field, part)
        if found is None:
            return f"expected {field.name} from {field.low} to {field.high} as in 5, 1-5, */2 or 1,3; {part!r} is none"
        values.append(found)
    days, months = values[2], values[3]
    if min(days) > max(LONGEST[month - 1] for month in months):
        return f"expected a day that the month has; day {parts[2]} of month {parts[3]} never comes"
    return None


def _values(field: _Field, part: str) -> set[int] | None:
    values: set[int] = set()
    for item in part.split(","):
        match = ITEM.fullmatch(item)
        if match is None:
            return None
        low = field.low if match["every"] else field.number(match["first"])
        last = match["last"] or (match["first"] if match["step"] is None else None)
        high = field.high if match["every"] or last is None else field.number(last)
        step = int(match["step"] or 1)
        if low is None or high is None or low > high or step == 0:
            return None
        values |= set(range(low, high + 1, step))
    return values
