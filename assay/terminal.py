"""What a person sees while a run is going and when it ended: progress on stderr, results on stdout.

Only presentation belongs here; rich is imported where it is needed, so that `assay --help` answers at once.
"""

from __future__ import annotations

import base64
import csv
import io
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import date, datetime, time
from decimal import Decimal
from time import monotonic
from typing import TYPE_CHECKING, Any

import orjson

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress
    from rich.text import Text

    from assay.evals.scorecard import Scorecard
    from assay.inference.request import Answered
    from assay.pipeline.execution import RunSummary

PIPED_WIDTH = 120
SECONDS_BETWEEN_LINES = 5.0
CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
ANSWERED_WELL = frozenset({"ok", "repaired"})


def console_on(*, stderr: bool) -> Console:
    """A console on stderr or stdout; plain lines of a fixed width where that is no terminal."""
    from rich.console import Console

    console = Console(stderr=stderr, highlight=False)
    if not console.is_terminal:
        console.width = PIPED_WIDTH
    return console


def note(text: str) -> None:
    """One line on stderr."""
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


@dataclass
class RunProgress:
    """Counts of a run under way, shown as one line: answered, cost, errors by kind."""

    show: Callable[[str], None]
    cost_usd: Decimal = Decimal(0)
    reused: int = 0
    errors: dict[str, int] = field(default_factory=dict)

    def answered(self, answered: Answered) -> None:
        """One more request is answered."""
        prediction = answered.prediction
        if prediction is None:
            return
        self.cost_usd += sum((response.cost_usd or Decimal(0) for response in answered.responses), Decimal(0))
        self.reused += prediction.answer_source == "reused"
        if prediction.status not in ANSWERED_WELL:
            kind = prediction.error_type or prediction.status
            self.errors[kind] = self.errors.get(kind, 0) + 1
        self.show(self._details())

    def _details(self) -> str:
        parts = [f"${self.cost_usd:.4f}"]
        if self.reused:
            parts.append(f"{self.reused} reused")
        parts += [f"{kind}: {count}" for kind, count in sorted(self.errors.items())]
        return " · ".join(parts)


@contextmanager
def run_progress(total: int) -> Iterator[RunProgress]:
    """How far a run is: a live line on a terminal, else a line every few seconds, as a log wants it."""
    console = console_on(stderr=True)
    if not console.is_terminal:
        yield RunProgress(_in_lines(total))
        return
    with _live_line(console) as bar:
        line = bar.add_task("answering", total=total, details="")
        yield RunProgress(lambda details: bar.update(line, advance=1, details=details))


def _in_lines(total: int, *, clock: Callable[[], float] = monotonic) -> Callable[[str], None]:
    began = last = clock()
    done = 0

    def show(details: str) -> None:
        nonlocal done, last
        done, now = done + 1, clock()
        if done == total or now - last >= SECONDS_BETWEEN_LINES:
            last = now
            rate = done / max(now - began, 0.001)
            note(f"answered {done:,} of {total:,} · {rate:.1f} rows/s · {(total - done) / rate:.0f} s left · {details}")

    return show


def _live_line(console: Console) -> Progress:
    """Rows, rows per second, time left, cost and errors."""
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        ProgressColumn,
        Task,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )
    from rich.text import Text

    class Rate(ProgressColumn):
        def render(self, task: Task) -> Text:
            return Text(f"{task.speed:.1f} rows/s" if task.speed else "– rows/s")

    columns = (
        TextColumn("answering"),
        BarColumn(bar_width=24),
        MofNCompleteColumn(),
        Rate(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        TextColumn("{task.fields[details]}"),
    )
    return Progress(*columns, console=console, refresh_per_second=4)


def counter(what: str, *, every: int) -> Callable[[int], None]:
    """A callback that says on stderr how far a count has come, each `every` items."""
    last = 0

    def report(count: int) -> None:
        nonlocal last
        if count - last >= every:
            last = count
            note(f"{what}: {count:,}")

    return report


def plain(value: Any) -> Any:
    """A value as JSON and CSV take it: money exact as text, times in ISO 8601, bytes in base64."""
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
    """The value as indented JSON on stdout."""
    sys.stdout.write(orjson.dumps(value, default=plain, option=orjson.OPT_INDENT_2).decode() + "\n")


def write_rows(columns: Sequence[str], rows: Iterable[Sequence[Any]], *, style: str) -> None:
    """A result on stdout as table, csv or json."""
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
    """A table on stdout for people."""
    from rich.table import Table

    table = Table(title=title, title_justify="left", header_style="bold")
    for column in columns:
        table.add_column(_literal(column), overflow="fold")
    for row in rows:
        table.add_row(*(_literal("–" if value is None else _cell(value)) for value in row))
    console_on(stderr=False).print(table)


def write_summary(summary: RunSummary, *, style: str) -> None:
    """How a run ended, on stdout."""
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
        ("reused, not asked again", f"{summary.reused:,}"),
        ("errors", _counts(summary.errors)),
        ("calls", f"{summary.calls:,}"),
        ("tokens in / out", f"{summary.input_tokens:,} / {summary.output_tokens:,}"),
        (
            "cost",
            cost
            + (
                f" ({summary.unknown_billing_calls} calls with unknown billing)"
                if summary.unknown_billing_calls
                else ""
            ),
        ),
    ]
    write_table((summary.task, ""), rows)


def _counts(counts: dict[str, int]) -> str:
    return ", ".join(f"{name} {count:,}" for name, count in counts.items()) or "none"


def _cell(value: Any) -> str:
    """A value for people: floats to six digits."""
    return f"{value:.6g}" if isinstance(value, float) else _exact(value)


def _exact(value: Any) -> str:
    """A value as text, nothing rounded."""
    simple = plain(value)
    if isinstance(simple, float):
        return repr(simple)
    return simple if isinstance(simple, str) else orjson.dumps(simple).decode()


def _literal(text: str) -> Text:
    """The text as it is: no markup in it is obeyed, and no control character reaches the terminal."""
    from rich.text import Text

    return Text(CONTROL.sub("\N{REPLACEMENT CHARACTER}", text))


def write_scorecard(card: Scorecard) -> None:
    """The scorecard on stdout for people."""
    from assay.evals.scorecard_views import facts, sections

    write_table((card.task, ""), facts(card))
    for title, columns, rows in sections(card):
        write_table(columns, rows, title=title)
