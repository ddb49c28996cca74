"""Progress of a step in Dagster's log: counts only, at most every few seconds."""

from __future__ import annotations

import time
from collections.abc import Callable

from assay.inference.request import Answered

EVERY_SECONDS = 10.0


class StepProgress:
    """Counts rows or answers and says how far they have come."""

    def __init__(self, log: Callable[[str], None], *, clock: Callable[[], float] = time.monotonic) -> None:
        self._log = log
        self._clock = clock
        self._last = clock()
        self._answers = 0

    def __call__(self, rows: int) -> None:
        """So many rows are done."""
        self._say(f"{rows} rows")

    def answered(self, answered: Answered) -> None:
        """One more request is answered."""
        self._answers += answered.prediction is not None
        self._say(f"{self._answers} answered")

    def _say(self, text: str) -> None:
        if self._clock() - self._last >= EVERY_SECONDS:
            self._last = self._clock()
            self._log(text)
