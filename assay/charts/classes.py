"""Answers by class: the distribution of answers, and the confusion matrix."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from assay.charts.style import ACCENT, HEAT, INK, LABEL_PIXELS, ROW_HEIGHT, TEXT_PIXELS, WIDTH, styled

if TYPE_CHECKING:
    import altair as alt

CELL = 44
"""Height and least width of a cell of the confusion matrix, in pixels."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerCount:
    """How many predictions have this answer."""

    answer: str
    n: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfusionCount:
    """How many predictions of this expected class have this answer."""

    expected: str
    answer: str
    n: int


def answer_chart(counts: Sequence[AnswerCount], *, title: str) -> alt.TopLevelMixin:
    """The distribution of answers, in the given order, with the count and share of each."""
    import altair as alt

    total = sum(count.n for count in counts) or 1
    rows = [
        {"answer": count.answer, "order": place, "n": count.n, "text": f"{count.n:,} ({count.n / total:.0%})"}
        for place, count in enumerate(counts)
    ]
    largest = max((count.n for count in counts), default=1)
    base = alt.Chart({"values": rows}).encode(
        y=alt.Y("answer:N", sort=alt.SortField("order"), title=None),
        x=alt.X("n:Q", title="predictions", axis=alt.Axis(tickCount=4), scale=alt.Scale(domain=[0, 1.35 * largest])),
    )
    text = base.mark_text(align="left", dx=4, color=INK, fontSize=TEXT_PIXELS).encode(text="text:N")
    chart = (base.mark_bar(color=ACCENT) + text).properties(width=WIDTH, height=alt.Step(ROW_HEIGHT))
    listed = "; ".join(f"{row['answer']}: {row['text']}" for row in rows)
    return styled(chart, title=title, description=listed)


def confusion_chart(counts: Sequence[ConfusionCount], *, title: str) -> alt.TopLevelMixin:
    """The confusion matrix: expected classes are rows, answers are columns, both in the order of first occurrence.

    A cell is colored by its share of the row and shows its count.
    """
    import altair as alt

    expected = list(dict.fromkeys(count.expected for count in counts))
    answers = list(dict.fromkeys(count.answer for count in counts))
    totals = {name: sum(count.n for count in counts if count.expected == name) for name in expected}
    rows = [
        {
            "expected": count.expected,
            "answer": count.answer,
            "n": count.n,
            "share": count.n / totals[count.expected] if totals[count.expected] else 0.0,
            "text": f"{count.n:,}" if count.n else "",
        }
        for count in counts
    ]
    width = max(WIDTH, CELL * len(answers))
    base = alt.Chart({"values": rows}).encode(
        x=alt.X("answer:N", sort=answers, title="answer", axis=alt.Axis(orient="top", labelAngle=-35)),
        y=alt.Y("expected:N", sort=expected, title="expected", axis=alt.Axis(labelLimit=LABEL_PIXELS - 30)),
    )
    cells = base.mark_rect(stroke="#d0d7de").encode(
        color=alt.Color("share:Q", legend=None, scale=alt.Scale(domain=[0, 1], range=list(HEAT), interpolate="rgb"))
    )
    text = base.mark_text(fontSize=TEXT_PIXELS).encode(
        text="text:N",
        color=alt.condition("datum.share > 0.55", alt.value("white"), alt.value(INK)),
    )
    chart = (cells + text).properties(width=width, height=alt.Step(CELL * 0.7))
    listed = "; ".join(f"{row['expected']} answered as {row['answer']}: {row['n']}" for row in rows if row["n"])
    return styled(chart, title=title, description=listed)
