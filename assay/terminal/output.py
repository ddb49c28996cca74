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

from assay.errors import printable
from assay.formatting.spreadsheet import defused

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

    from assay.report.block import Scorecard
    from assay.runs.summary import RunSummary

PIPED_WIDTH = 120
NEWLINE = "\n"
BEYOND_ASCII = re.compile(r"[\x7f-\U0010ffff]")
C1 = re.compile(r"[\x7f-\x9f]")


def console_on(*, stderr: bool) -> Console:
    """Returns a console on stderr or stdout; if that is not a terminal, lines are plain and of a fixed width."""
    from assay.terminal.console import PipedConsole

    console = PipedConsole(stderr=stderr, highlight=False)
    if not console.is_terminal:
        console.width = PIPED_WIDTH
    return console


def note(text: str) -> None:
    """Prints one line to stderr."""
    sys.stderr.write(f"{printable(text)}\n")
    sys.stderr.flush()


def write_text(text: str) -> None:
    """Prints lines of text to stdout, e.g. Markdown."""
    sys.stdout.write(f"{printable(text.removesuffix(NEWLINE))}\n")
    sys.stdout.flush()


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
    text = orjson.dumps(value, default=plain, option=orjson.OPT_INDENT_2).decode()
    is_unicode = "utf" in (sys.stdout.encoding or "utf-8").lower()
    # These characters are inside strings, where JSON allows an escape for each.
    sys.stdout.write((C1 if is_unicode else BEYOND_ASCII).sub(_json_escape, text) + "\n")


def write_rows(columns: Sequence[str], rows: Iterable[Sequence[Any]], *, style: str) -> None:
    """Prints a result as a table, CSV or JSON."""
    if style == "json":
        write_json([dict(zip(columns, row, strict=True)) for row in rows])
        return
    if style == "csv":
        text = io.StringIO()
        writer = csv.writer(text)
        writer.writerow([defused(name) for name in columns])
        for row in rows:
            writer.writerow([_csv_cell(value) for value in row])
        shown = text.getvalue()
        sys.stdout.write(printable(shown) if sys.stdout.isatty() else shown)  # a file gets the exact values
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
    unknown = summary.unknown_billing_calls
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
            "inference cost",
            _cost(summary.cost_usd) + (f" (calls with unknown billing: {unknown})" if unknown else ""),
        ),
    ]
    if summary.judge_calls:
        rows.append(("judge cost", f"{_cost(summary.judge_cost_usd)} for {summary.judge_calls:,} calls"))
        rows.append(("total cost", _cost(summary.total_cost_usd)))
    write_table((summary.task, ""), rows)


def _cost(amount: Decimal | None) -> str:
    return "unpriced" if amount is None else f"${amount:.6f}"


def _json_escape(match: re.Match[str]) -> str:
    units = match[0].encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{high:02x}{low:02x}" for high, low in zip(units[::2], units[1::2], strict=True))


def _counts(counts: dict[str, int]) -> str:
    return ", ".join(f"{name} {count:,}" for name, count in counts.items()) or "none"


def _cell(value: Any) -> str:
    """Formats a value as text, with floats rounded to six significant digits."""
    return f"{value:.6g}" if isinstance(value, float) else _exact(value)


def _csv_cell(value: Any) -> str:
    """Formats a value exactly; text that a spreadsheet would execute is defused, numbers are not."""
    if value is None:
        return ""
    return _exact(value) if isinstance(value, int | float | Decimal) else defused(_exact(value))


def _exact(value: Any) -> str:
    """Formats a value as text without rounding."""
    simple = plain(value)
    if isinstance(simple, float):
        return repr(simple)
    return simple if isinstance(simple, str) else orjson.dumps(simple).decode()


def _literal(text: str) -> Text:
    """Returns literal text for rich: markup is not interpreted, and control characters are replaced."""
    from rich.text import Text

    return Text(printable(text))


def write_scorecard(card: Scorecard) -> None:
    """Prints the scorecard as tables."""
    from assay.report.render import facts, sections

    write_table((card.task, ""), facts(card))
    for section in sections(card):
        write_table(section.columns, section.rows, title=section.title)
        if section.legend:
            sys.stdout.write(f"{section.legend}\n")
