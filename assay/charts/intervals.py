"""Estimates with their intervals, one per line: rates by slice, and differences with margins (equivalence plot)."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from assay.charts.style import BAD, GOOD, INK, QUIET, ROW_HEIGHT, UNDECIDED, WIDTH, drawable, shortened, styled

if TYPE_CHECKING:
    import altair as alt


class MarkMeaning(StrEnum):
    """What an interval shows, and its word in the legend of a requirement."""

    GOOD = "requirement met"
    BAD = "requirement not met"
    UNDECIDED = "not decided"


COMPARED = {MarkMeaning.GOOD: "better", MarkMeaning.BAD: "worse", MarkMeaning.UNDECIDED: "not decisive"}
"""Words of the legend for marks that compare two rates."""


COLORS = {MarkMeaning.GOOD: GOOD, MarkMeaning.BAD: BAD, MarkMeaning.UNDECIDED: UNDECIDED}
SHAPES = {MarkMeaning.GOOD: "circle", MarkMeaning.BAD: "square", MarkMeaning.UNDECIDED: "diamond"}


@dataclass(frozen=True, slots=True, kw_only=True)
class IntervalMark:
    """One line: an estimate with its interval and its n; `meaning` determines color and shape.

    `limit`, the value that a requirement compares the interval with, is drawn as a tick on the line.
    """

    label: str
    value: float
    low: float
    high: float
    n: int
    meaning: MarkMeaning = MarkMeaning.UNDECIDED
    limit: float | None = None


def rate_chart(marks: Sequence[IntervalMark], *, title: str, level: str = "95% interval") -> alt.TopLevelMixin:
    """Rates from 0 to 1 with their limits, in the given order; the axis begins below the smallest value."""
    import altair as alt

    least = min(value for mark in marks for value in (mark.low, mark.limit) if value is not None)
    scale = alt.Scale(domain=[max(0.0, math.floor(10 * least - 0.5) / 10), 1.0])
    axis = alt.X("value:Q", title=f"share, {level}", scale=scale, axis=alt.Axis(format="~%", tickCount=5))
    return _intervals(marks, title=title, axis=axis, percent=True, words={})


def difference_chart(
    marks: Sequence[IntervalMark],
    *,
    title: str,
    level: str = "95% interval",
    words: Mapping[MarkMeaning, str] | None = None,
) -> alt.TopLevelMixin:
    """Differences of rates, from -1 to 1, in the given order: the equivalence plot.

    The line from top to bottom is no difference; the limit of a mark is the largest accepted loss, minus its margin.
    `words` replaces the words of the legend.
    """
    import altair as alt

    axis = alt.X("value:Q", title=f"difference in points, {level}", axis=alt.Axis(format="+.1~f", tickCount=5))
    return _intervals(marks, title=title, axis=axis, percent=False, words=words or {})


def _intervals(
    marks: Sequence[IntervalMark], *, title: str, axis: alt.X, percent: bool, words: Mapping[MarkMeaning, str]
) -> alt.TopLevelMixin:
    import altair as alt

    scale = 1 if percent else 100
    rows = [
        {
            "label": f"{shortened(drawable(mark.label))} (n = {mark.n:,})",
            "name": f"{drawable(mark.label)} (n = {mark.n:,})",
            "order": place,
            "value": mark.value * scale,
            "low": mark.low * scale,
            "high": mark.high * scale,
            "limit": None if mark.limit is None else mark.limit * scale,
            "meaning": words.get(mark.meaning, mark.meaning.value),
        }
        for place, mark in enumerate(marks)
    ]
    color, shape = _meanings(marks, words)
    base = alt.Chart({"values": rows}).encode(
        y=alt.Y("name:N", sort=alt.SortField("order"), title=None, axis=alt.Axis(labelExpr=_labels(rows)))
    )
    layers = [
        base.mark_point(filled=True, size=70, opacity=1).encode(x=axis, color=color, shape=shape),
        base.mark_rule(strokeWidth=2).encode(x="low:Q", x2="high:Q", color=color),
    ]
    if any(mark.limit is not None for mark in marks):
        tick = base.transform_filter("datum.limit !== null").mark_tick(thickness=2, size=18, color=INK)
        layers.append(tick.encode(x="limit:Q"))
    if not percent:
        layers.insert(0, _no_difference())
    chart = alt.layer(*layers).properties(width=WIDTH, height=alt.Step(ROW_HEIGHT))
    listed = "; ".join(_described(row, percent=percent) for row in rows)
    return styled(chart, title=title, description=listed)


def _meanings(marks: Sequence[IntervalMark], words: Mapping[MarkMeaning, str]) -> tuple[alt.Color, alt.Shape]:
    """Color and shape of the points, with one legend if they have several meanings."""
    import altair as alt

    found = [meaning for meaning in MarkMeaning if any(mark.meaning is meaning for mark in marks)]
    legend = None if len(found) < 2 else alt.Legend()
    domain, title = [words.get(one, one.value) for one in found], None
    colors = alt.Scale(domain=domain, range=[COLORS[one] for one in found])
    shapes = alt.Scale(domain=domain, range=[SHAPES[one] for one in found])
    return (
        alt.Color("meaning:N", title=title, scale=colors, legend=legend),
        alt.Shape("meaning:N", title=title, scale=shapes, legend=legend),
    )


def _no_difference() -> alt.Chart:
    import altair as alt

    found: alt.Chart = alt.Chart({"values": [{"at": 0.0}]}).mark_rule(color=QUIET).encode(x="at:Q")
    return found


def _labels(rows: Sequence[Mapping[str, object]]) -> str:
    """The Vega expression that shows the short label of each name: two long names may begin alike."""
    return f"{json.dumps({str(row['name']): row['label'] for row in rows})}[datum.value]"


def _described(row: Mapping[str, object], *, percent: bool) -> str:
    value, low, high = (float(str(row[name])) for name in ("value", "low", "high"))
    limit = None if row["limit"] is None else float(str(row["limit"]))
    if percent:
        required = "" if limit is None else f", limit {limit:.1%}"
        return f"{row['name']}: {value:.1%}, {low:.1%} to {high:.1%}{required}"
    required = "" if limit is None else f", limit {limit:+.1f}"
    return f"{row['name']}: {value:+.1f} points, {low:+.1f} to {high:+.1f}{required}"
