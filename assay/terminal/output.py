"""Output of the commands: progress on stderr, results on stdout.

rich is imported inside functions, so that `assay --help` responds immediately.
"""

from __future__ import annotations

import base64
import csv
import io
import re
import sys
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from datetime import date, datetime, time
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import orjson

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

    from assay.report.scorecard import Scorecard
    from assay.runs.summary import RunSummary

PIPED_WIDTH = 120
CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


def console_on(*, stderr: bool) -> Console:
    """Returns a console on stderr or stdout; if that is not a terminal, lines are plain and of a fixed width."""
    from assay.terminal.console import PipedConsole

    console = PipedConsole(stderr=stderr, highlight=False)
    if not console.is_terminal:
        console.width = PIPED_WIDTH
    return console


def note(text: str) -> None:
    """Prints one line to stderr."""
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


def plain(value: Any) -> Any:
    """Converts a value for JSON and CSV: decimals to exact text, times to ISO 8601, bytes to base64."""
    if isinstance(value, Decimal):
        return format(value.normalize(), "f")
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    if isinstance(value, bytes):
        return base64.b64encode(value).decode("ascii")
    if isinstance(value, dict | list | tuple):
        return orjson.loads(orjson.dumps(value, default=plain, option=orjson.OPT_NON_STR_KEYS))
    return value if value is None or isinstance(value, str | bool | int | float) else str(value)


def write_json(value: Any) -> None:
    """Prints the value as indented JSON."""
    sys.stdout.write(orjson.dumps(value, default=plain, option=orjson.OPT_INDENT_2).decode() + "\n")


def write_rows(columns: Sequence[str], rows: Iterable[Sequence[Any]], *, style: str) -> None:
    """Prints a result as a table, CSV or JSON."""
    if style == "json":
        write_json([dict(zip(columns, row, strict=True)) for row in rows])
        return
    if style == "csv":
        text = io.StringIO()
        writer = csv.writer(text)
        writer.writerow(columns)
        for row in rows:
            writer.writerow(["" if value is None else _exact(value) for value in row])
        sys.stdout.write(text.getvalue())
        return
    write_table(columns, rows)


def write_table(columns: Sequence[str], rows: Iterable[Sequence[Any]], *, title: str | None = None) -> None:
    """Prints a human-readable table."""
    from rich.table import Table

    table = Table(title=title, title_justify="left", header_style="bold")
    for column in columns:
        table.add_column(_literal(column), overflow="fold")
    for row in rows:
        table.add_row(*(_literal("–" if value is None else _cell(value)) for value in row))
    console_on(stderr=False).print(table)


def write_summary(summary: RunSummary, *, style: str) -> None:
    """Prints the summary of a run."""
    if style == "json":
        write_json(asdict(summary))
        return
    cost = (
        "unpriced" if summary.cost_usd is None and summary.unpriced_calls else f"${summary.cost_usd or Decimal(0):.6f}"
    )
    rows = [
        ("run", summary.run_id),
        ("status", summary.status),
        ("rows read", f"{summary.rows_read:,}"),
        ("rejected", f"{summary.rejected:,}"),
        ("records", f"{summary.records:,}"),
        ("predictions", f"{summary.predictions:,} of {summary.expected_predictions:,}"),
        ("by status", _counts(summary.statuses)),
        ("reused predictions", f"{summary.reused:,}"),
        ("errors", _counts(summary.errors)),
        ("calls", f"{summary.calls:,}"),
        ("tokens in / out", f"{summary.input_tokens:,} / {summary.output_tokens:,}"),
        (
            "cost",
            cost
            + (
                f" (calls with unknown billing: {summary.unknown_billing_calls})"
                if summary.unknown_billing_calls
                else ""
            ),
        ),
    ]
    if summary.judge_calls:
        judge_cost = "unpriced" if summary.judge_cost_usd is None else f"${summary.judge_cost_usd:.6f}"
        rows.append(("judge calls", f"{summary.judge_calls:,}, cost {judge_cost}"))
    write_table((summary.task, ""), rows)


def _counts(counts: dict[str, int]) -> str:
    return ", ".join(f"{name} {count:,}" for name, count in counts.items()) or "none"


def _cell(value: Any) -> str:
    """Formats a value as text, with floats rounded to six significant digits."""
    return f"{value:.6g}" if isinstance(value, float) else _exact(value)


def _exact(value: Any) -> str:
    """Formats a value as text without rounding."""
    simple = plain(value)
    if isinstance(simple, float):
        return repr(simple)
    return simple if isinstance(simple, str) else orjson.dumps(simple).decode()


def _literal(text: str) -> Text:
    """Returns literal text for rich: markup is not interpreted, and control characters are replaced."""
    from rich.text import Text

    return Text(CONTROL.sub("\N{REPLACEMENT CHARACTER}", text))


def write_scorecard(card: Scorecard) -> None:
    """Prints the scorecard as tables."""
    from assay.report.render import facts, sections

    write_table((card.task, ""), facts(card))
    for section in sections(card):
        write_table(section.columns, section.rows, title=section.title)
        if section.legend:
            sys.stdout.write(f"{section.legend}\n")
