"""The web page of a scorecard in a browser: it fits a phone, needs nothing but itself, and prints."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from assay.report.blocks.slices import SliceAgainstRest
from assay.report.render import html
from tests.labels.conftest import browser, tab
from tests.report.blocks.test_classes import classes
from tests.report.cards import scorecard
from tests.report.test_render import RATE, RUN

__all__ = ["browser", "tab"]

LONG = "a_slice_name_without_a_single_space_that_is_longer_than_a_phone_is_wide=" + "x" * 60


def card() -> str:
    slices = tuple(
        SliceAgainstRest(
            population="input", slice=name, n=40, n_rest=400, rate=0.7, rest_rate=0.8, difference=-0.1, low=-0.2, high=0.0,
            adjusted_p=0.04, tested_slices=2, status="ok", reason=None,
        )
        for name in (LONG, "channel=phone")
    )  # fmt: skip
    return html(
        scorecard(
            run=RUN,
            reliability=(RATE, {**RATE, "slice": LONG}),
            slices_against_rest=slices,
            answer_classes=(classes("a", "b" * 50, "c"),),
        )
    )


TEXT_SIZES = """
[...document.querySelectorAll('.chart svg text')].map(text => {
    const matrix = text.getScreenCTM();
    return parseFloat(getComputedStyle(text).fontSize) * Math.hypot(matrix.a, matrix.b);
})
"""
"""The size of each text of a chart in pixels of the screen."""


@pytest.mark.parametrize("width", [375, 1280])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_is_as_wide_as_the_screen_and_asks_for_nothing(
    tab: Callable[..., Any], tmp_path: Path, width: int, scheme: str
) -> None:
    file = tmp_path / "card.html"
    file.write_text(card(), "utf-8")

    page = tab("about:blank", viewport={"width": width, "height": 800}, color_scheme=scheme)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(file.as_uri())

    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert asked == [file.as_uri()]
    assert page.locator(".chart svg").count() == 3
    for place in page.locator(".chart").all():
        box = place.bounding_box()
        assert box is not None and box["x"] >= 0 and box["x"] + box["width"] <= width
    for drawn in page.locator(".chart svg").all():
        assert str(drawn.get_attribute("aria-label")).strip()
    assert min(page.evaluate(TEXT_SIZES)) >= 11


def test_a_table_with_the_numbers_of_a_chart_is_folded_until_it_is_opened_or_printed(
    tab: Callable[..., Any], tmp_path: Path
) -> None:
    file = tmp_path / "card.html"
    file.write_text(card(), "utf-8")
    page = tab("about:blank", viewport={"width": 1280, "height": 800}, java_script_enabled=False)
    page.goto(file.as_uri())
    folded = page.locator("details td").first

    assert page.locator("details").count() >= 2
    assert not folded.is_visible()
    page.locator("summary").first.click()
    assert folded.is_visible()

    page.reload()
    page.emulate_media(media="print")
    assert all(cell.is_visible() for cell in page.locator("details td").all())
