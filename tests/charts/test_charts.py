"""Charts show each value where it is, name everything for screen readers, and carry no markup of the data."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET

import pytest

from assay.charts.classes import AnswerCount, ConfusionCount, answer_chart, confusion_chart
from assay.charts.intervals import IntervalMark, MarkMeaning, difference_chart, rate_chart
from assay.charts.render import svg
from assay.charts.style import WIDTH

RATES = [
    IntervalMark(label="channel=phone", value=0.25, low=0.0, high=0.5, n=41, meaning=MarkMeaning.BAD),
    IntervalMark(label="overall", value=0.75, low=0.5, high=1.0, n=1240, meaning=MarkMeaning.GOOD),
]
HOSTILE = '<script>alert(1)</script> & "quoted" \\1 \' Ünï 🙂'


def points(text: str) -> list[float]:
    """The horizontal positions of the points of an interval chart, in the order of its lines."""
    found = re.findall(
        r'<path aria-label="[^"]*" role="graphics-symbol" aria-roledescription="point" transform="translate\(([\d.-]+),',
        text,
    )
    return [float(place) for place in found]


def test_a_rate_stands_where_its_value_is() -> None:
    assert points(svg(rate_chart(RATES, title="Rates"))) == pytest.approx([0.25 * WIDTH, 0.75 * WIDTH])


def test_a_difference_is_shown_in_points_beside_the_margin() -> None:
    marks = [IntervalMark(label="reliability", value=-0.05, low=-0.1, high=0.0, n=9, limit=-0.1)]
    text = svg(difference_chart(marks, title="Differences"))

    assert points(text) == pytest.approx([WIDTH / 2])
    assert text.count("mark-rule role-mark") == 2, "no difference, and the interval"
    assert "reliability (n = 9): -5.0 points, -10.0 to +0.0, limit -10.0" in text


def test_a_chart_describes_itself_and_shrinks_with_the_page() -> None:
    text = svg(rate_chart(RATES, title="Rates"))
    root = ET.fromstring(text)  # noqa: S314 (the text is our own)

    assert root.get("role") == "img"
    assert root.get("aria-label") == (
        "Rates. channel=phone (n = 41): 25.0%, 0.0% to 50.0%; overall (n = 1,240): 75.0%, 50.0% to 100.0%"
    )
    assert "width:100%" in str(root.get("style")) and root.get("width") is None


@pytest.mark.parametrize(
    "chart",
    [
        rate_chart([IntervalMark(label=HOSTILE, value=0.5, low=0.4, high=0.6, n=1)], title=HOSTILE),
        answer_chart([AnswerCount(answer=HOSTILE, n=3)], title=HOSTILE),
        confusion_chart([ConfusionCount(expected=HOSTILE, answer=HOSTILE, n=3)], title=HOSTILE),
    ],
)
def test_names_from_the_data_are_text(chart: object) -> None:
    text = svg(chart)  # type: ignore[arg-type]

    ET.fromstring(text)  # noqa: S314 (well-formed, whatever the names are)
    assert "<script" not in text
    assert "http://www.w3.org" in text and not re.search(r'href="http', text)


@pytest.mark.parametrize(
    "character", ["\x00", "\x1b", "\x0b", "\ufffe", "\uffff", "\ud800", "\U0001f642", "é", "\u202e"]
)
def test_no_character_of_the_data_ends_the_process(character: str) -> None:
    name = f"com{character}plaint"
    charts = [
        rate_chart([IntervalMark(label=name, value=0.5, low=0.4, high=0.6, n=1)], title=name),
        answer_chart([AnswerCount(answer=name, n=3)], title=name),
        confusion_chart([ConfusionCount(expected=name, answer=name, n=3)], title=name),
    ]

    for chart in charts:
        ET.fromstring(svg(chart))  # noqa: S314 (well-formed)
    assert "plaint (n = 1)" in svg(charts[0]), "the label is found under the name that is drawn"


def test_two_long_names_that_begin_alike_are_two_lines() -> None:
    marks = [IntervalMark(label=f"{'a' * 40}{end}", value=0.5, low=0.4, high=0.6, n=1) for end in "xy"]

    assert len(points(svg(rate_chart(marks, title="Long")))) == 2


def test_a_matrix_shows_counts_and_colors_shares_of_the_row() -> None:
    counts = [
        ConfusionCount(expected=e, answer=a, n=n)
        for e, a, n in (("x", "x", 9), ("x", "y", 1), ("y", "x", 0), ("y", "y", 4))
    ]
    chart = confusion_chart(counts, title="Matrix").to_dict()
    (values,) = chart["datasets"].values()

    assert [(row["text"], row["share"]) for row in values] == [("9", 0.9), ("1", 0.1), ("", 0.0), ("4", 1.0)]


def test_answers_have_counts_and_shares() -> None:
    text = svg(answer_chart([AnswerCount(answer="a", n=3), AnswerCount(answer="b", n=1)], title="Answers"))

    assert ">3 (75%)<" in text and ">1 (25%)<" in text
