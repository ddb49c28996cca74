"""The progress of `dbt build`, from the lines that it prints."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import dataclass

FINISHED_NODE = re.compile(r"\b\d+ of (?P<total>\d+) (?:OK|PASS|WARN|SKIP|(?P<failed>ERROR|FAIL))\b(?P<name>[^.]*\S*)")
SECONDS_BETWEEN_LINES = 5.0


@dataclass
class DbtProgress:
    """Shows the number of finished models and tests every five seconds, and each one that failed."""

    show: Callable[[str], None]
    clock: Callable[[], float] = time.monotonic
    finished: int = 0
    failed: int = 0
    total: int = 0
    shown_at: float = 0.0

    def line(self, text: str) -> None:
        """Reads one line of dbt's output."""
        if node := FINISHED_NODE.search(text):
            self._count(node)

    def _count(self, node: re.Match[str]) -> None:
        self.finished, self.total = self.finished + 1, int(node["total"])
        if node["failed"]:
            self.failed += 1
            self.show(f"{node['failed']}{node['name']}")
        if self.finished == self.total or self.clock() - self.shown_at >= SECONDS_BETWEEN_LINES:
            self.shown_at = self.clock()
            failed = f", {self.failed} failed" if self.failed else ""
            self.show(f"models and tests: {self.finished} of {self.total} finished{failed}")
