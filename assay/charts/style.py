"""Width, fonts and colors that all charts share."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import altair as alt

WIDTH = 250
"""Width of the plotting area in pixels; with labels, a chart is at most about 450 pixels wide."""
ROW_HEIGHT = 26
LABEL_PIXELS = 220
WIDER_FONT, TITLE_PIXELS = 40, 18
"""Space beside labels: where a page lacks the fonts in `FONT`, theirs are up to a sixth wider than what was measured."""
TEXT_PIXELS, LEAST_TEXT_PIXELS = 12, 11
"""Size of text in a chart, and the least size to which a narrow page shrinks it."""
LABEL_CHARACTERS = 24
"""Longest name in a label to which n is added; the whole name is in the description."""
FONT = "Helvetica, Arial, 'Liberation Sans', sans-serif"
INK, QUIET, ACCENT = "#1f2328", "#6e7781", "#0072b2"
"""Text, guides, and marks without a meaning of their own."""
GOOD, BAD, UNDECIDED = "#009e73", "#d55e00", "#6e7781"
"""Okabe & Ito's colors for color-blind readers (Color Universal Design, 2008), and gray; shapes repeat what they say."""
HEAT = ("#ffffff", "#0072b2")
"""Ends of the scale of a heat map."""


NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Characters that are not XML 1.0 Char: https://www.w3.org/TR/xml/#charsets."""


def drawable(name: str) -> str:
    """The name without characters that XML cannot contain."""
    return NOT_XML.sub("\ufffd", name)


def shortened(name: str) -> str:
    """The name, cut to `LABEL_CHARACTERS`."""
    return name if len(name) <= LABEL_CHARACTERS else f"{name[: LABEL_CHARACTERS - 1]}…"


def styled(chart: Any, *, title: str, description: str) -> alt.TopLevelMixin:
    """The chart with the shared style and the description that screen readers read: the title and every value.

    The title itself is not drawn: it stands above the chart on the page.
    """
    found: alt.TopLevelMixin = (
        chart.properties(description=f"{title}. {description}")
        .configure(font=FONT, background="white", padding={"left": WIDER_FONT, "right": 14, "top": 6, "bottom": 6})
        .configure_axis(
            labelColor=INK, titleColor=QUIET, titleFontWeight="normal", labelFontSize=TEXT_PIXELS, titleFontSize=TEXT_PIXELS,
            gridColor="#eaeef2", domainColor="#d0d7de", tickColor="#d0d7de", labelLimit=LABEL_PIXELS,
        )
        .configure_axisLeft(titlePadding=TITLE_PIXELS)
        .configure_legend(labelColor=INK, titleColor=QUIET, labelFontSize=TEXT_PIXELS, titleFontSize=TEXT_PIXELS, orient="bottom")
        .configure_view(stroke=None)
    )  # fmt: skip
    return found
