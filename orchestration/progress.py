"""Progress of a step in Dagster's log: counts only, every ten seconds."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from assay.runs.progress import ProgressSnapshot, RunProgress, lane_lines, run_line, sampling

EVERY_SECONDS = 10.0


class StepProgress:
    """Counts rows and logs the count."""

    def __init__(self, log: Callable[[str], None], *, clock: Callable[[], float] = time.monotonic) -> None:
        self._log = log
        self._clock = clock
        self._last = clock()

    def __call__(self, rows: int) -> None:
        """Counts `rows` finished rows."""
        if self._clock() - self._last >= EVERY_SECONDS:
            self._last = self._clock()
            self._log(f"{rows} rows")


@contextmanager
def answering(log: Callable[[str], None], total: int, *, every_s: float = EVERY_SECONDS) -> Iterator[RunProgress]:
    """The receiver of each result of the block; it logs a message every `every_s` seconds, and one at the end."""
    progress = RunProgress(total)

    def show(snapshot: ProgressSnapshot) -> None:
        log("\n".join(["answered " + run_line(snapshot), *lane_lines(snapshot)]))

    with sampling(progress, show, every_s=every_s):
        yield progress
