"""Renders a chart as SVG."""

from __future__ import annotations

import html
import math
import re
from typing import TYPE_CHECKING, Any

from assay.charts.style import LEAST_TEXT_PIXELS, NOT_XML, TEXT_PIXELS

if TYPE_CHECKING:
    import altair as alt

SIZE = re.compile(r'<svg ([^>]*?)width="(\d+(?:\.\d+)?)" height="(\d+(?:\.\d+)?)"')


def svg(chart: alt.TopLevelMixin) -> str:
    """The chart as an `<svg>` element that shrinks with the page until its text has `LEAST_TEXT_PIXELS`.

    It never grows beyond its own size; its container scrolls where the page is narrower.
    Needs neither a browser nor the network. Screen readers read the description of the chart.
    """
    import vl_convert

    specification = _xml_safe(chart.to_dict())
    label = html.escape(str(specification.get("description", "")), quote=True)
    text = vl_convert.vegalite_to_svg(specification, allowed_base_urls=[])
    return SIZE.sub(lambda found: _opening(found, label), text, count=1)


def _xml_safe(value: Any) -> Any:
    """The specification without characters that XML cannot contain, at which vl-convert ends the process."""
    if isinstance(value, str):
        return NOT_XML.sub("\ufffd", value)
    if isinstance(value, dict):
        return {_xml_safe(key): _xml_safe(inner) for key, inner in value.items()}
    return [_xml_safe(inner) for inner in value] if isinstance(value, list) else value


def _opening(found: re.Match[str], label: str) -> str:
    """The beginning of the element, with a width in place of its fixed size."""
    least = math.ceil(float(found[2]) * LEAST_TEXT_PIXELS / TEXT_PIXELS) + 1
    style = f"width:100%;min-width:{least}px;max-width:{found[2]}px;height:auto"
    return f'<svg {found[1]}role="img" aria-label="{label}" style="{style}"'
