"""Renders the scorecard as Markdown and as a web page; `assay.terminal` prints it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from assay.charts.render import svg
from assay.formatting import percent
from assay.formatting.markdown import escaped, markdown_table
from assay.report.block import Fact, Scorecard, Section
from assay.report.blocks import BLOCKS
from assay.report.intervals import explained_estimate
from assay.statistics.conventions import INTERVAL_TITLE

TEMPLATES = Path(__file__).parent / "templates"


class Summary(Protocol):
    """Counts of a run that `run_markdown` shows."""

    @property
    def run_id(self) -> str: ...  # noqa: D102
    @property
    def statuses(self) -> dict[str, int]: ...  # noqa: D102
    @property
    def reused(self) -> int: ...  # noqa: D102
    @property
    def calls(self) -> int: ...  # noqa: D102


def facts(card: Scorecard) -> list[Fact]:
    """Returns the scorecard's single values as pairs of name and text, without values that do not apply."""
    return [fact for block in BLOCKS if block.facts for fact in block.facts(card)]


def sections(card: Scorecard) -> list[Section]:
    """Returns each table of the scorecard that has rows."""
    return [section for section in _all_sections(card) if section.rows]


def markdown(card: Scorecard) -> str:
    """Returns the scorecard as Markdown."""
    lines = [f"# {escaped(card.task)}", "", *markdown_table(("", ""), facts(card))]
    for section in sections(card):
        lines += ["", f"## {escaped(section.title)}", "", *markdown_table(section.columns, section.rows)]
        lines += ["", escaped(section.legend)] if section.legend else []
    return "\n".join(lines)


def run_markdown(summary: Summary, estimates: Sequence[Mapping[str, Any]]) -> str:
    """Returns the statuses and the reliability of a run as Markdown; needs no marts."""
    counts = [(name, str(count)) for name, count in summary.statuses.items()]
    lines = [
        f"Run `{summary.run_id}`: {summary.calls} calls, {summary.reused} predictions reused.",
        "",
        *markdown_table(("status", "predictions"), counts),
    ]
    rows = [
        (
            row["population"],
            row["slice"],
            str(row["n"]),
            percent(row["value"]),
            explained_estimate(row),
        )
        for row in estimates
    ]
    return "\n".join([*lines, "", *markdown_table(("population", "slice", "n", "reliability", INTERVAL_TITLE), rows)])


def html(card: Scorecard) -> str:
    """Returns the scorecard as one web page that shows intervals as graphics, without scripts or external resources."""
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES), autoescape=True, trim_blocks=True, undefined=jinja2.StrictUndefined
    )
    found = [section for section in _all_sections(card) if section.rows or section.chart]
    charts = [svg(section.chart()) if section.chart else None for section in found]
    return environment.get_template("scorecard.html").render(
        task=card.task, facts=facts(card), sections=list(zip(found, charts, strict=True))
    )


def _all_sections(card: Scorecard) -> Iterator[Section]:
    return (section for block in BLOCKS if block.sections for section in block.sections(card))
