"""Progress of a run: a live display in a terminal, otherwise periodic lines."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console, Group
    from rich.live import Live

    from assay.runs.progress import ProgressSnapshot, RunProgress
from assay.terminal.output import _literal, console_on, note

SECONDS_BETWEEN_LINES = 10.0


@contextmanager
def run_progress(total: int) -> Iterator[RunProgress]:
    """Shows the progress of a run on stderr: live in a terminal, otherwise as a line every ten seconds."""
    from assay.runs.progress import RunProgress, run_line, sampling

    progress, console = RunProgress(total), console_on(stderr=True)
    if console.is_terminal:
        with _live(console, progress):
            yield progress
        return
    with sampling(progress, lambda snapshot: note(f"predictions: {run_line(snapshot)}"), every_s=SECONDS_BETWEEN_LINES):
        yield progress


def _live(console: Console, progress: RunProgress) -> Live:
    """Returns a display that refreshes four times per second and keeps its last state on the screen."""
    from rich.live import Live

    return Live(
        console=console,
        get_renderable=lambda: run_view(progress.snapshot()),
        refresh_per_second=4,
        redirect_stdout=False,
    )


def run_view(snapshot: ProgressSnapshot) -> Group:
    """Renders a progress bar with the run's counts, and a line for each lane."""
    from rich.console import Group
    from rich.progress_bar import ProgressBar
    from rich.table import Table

    from assay.runs.progress import lane_lines, run_line

    first = Table.grid(padding=(0, 1))
    first.add_row(
        "predictions", ProgressBar(max(snapshot.total, 1), snapshot.done, width=24), _literal(run_line(snapshot))
    )
    return Group(first, *(_literal(f"  {line}") for line in lane_lines(snapshot)))


def counter(what: str, *, every: int) -> Callable[[int], None]:
    """Returns a callback that prints the count to stderr after every `every` items."""
    last = 0

    def report(count: int) -> None:
        nonlocal last
        if count - last >= every:
            last = count
            note(f"{what}: {count:,}")

    return report
