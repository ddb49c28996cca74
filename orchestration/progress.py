"""Logs the progress of a step to Dagster every ten seconds, as counts only."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from assay.runs.progress import ProgressSnapshot, RunProgress, lane_lines, run_line, sampling

EVERY_SECONDS = 10.0


class StepProgress:
    """Callback that logs the number of finished rows, at most every ten seconds."""

    def __init__(self, log: Callable[[str], None], *, clock: Callable[[], float] = time.monotonic) -> None:
        self._log = log
        self._clock = clock
        self._last = clock()

    def __call__(self, rows: int) -> None:
        """Logs the total number of finished rows if ten seconds have passed since the last message."""
        if self._clock() - self._last >= EVERY_SECONDS:
            self._last = self._clock()
            self._log(f"{rows} rows")


@contextmanager
def answering(log: Callable[[str], None], total: int, *, every_s: float = EVERY_SECONDS) -> Iterator[RunProgress]:
    """Yields the progress that the block updates, and logs it every `every_s` seconds and at the end."""
    progress = RunProgress(total)

    def show(snapshot: ProgressSnapshot) -> None:
        log("\n".join([f"predictions: {run_line(snapshot)}", *lane_lines(snapshot)]))

    with sampling(progress, show, every_s=every_s):
        yield progress
