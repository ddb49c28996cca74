"""Progress in Dagster's log."""

from __future__ import annotations

import threading
from decimal import Decimal

from assay.inference.request import RequestResult
from orchestration.progress import EVERY_SECONDS, StepProgress, answering
from tests.fakes.clock import Clock
from tests.inference.telemetry.rows import call, prediction
from tests.runs.test_progress import LANE


def test_counts_of_rows_are_logged_every_ten_seconds() -> None:
    lines: list[str] = []
    clock = Clock()
    report = StepProgress(lines.append, clock=clock.time)
    for rows in range(1, 26):
        clock.seconds += 1
        report(rows)
    assert (EVERY_SECONDS, lines) == (10, ["10 rows", "20 rows"])


def test_answers_are_logged_with_their_lanes_and_once_more_at_the_end() -> None:
    messages: list[str] = []
    logged = threading.Event()

    def log(message: str) -> None:
        messages.append(message)
        logged.set()

    with answering(log, 2, every_s=0.001) as progress:
        progress.watch(lambda: {"openai:m": LANE}, lambda: (Decimal(0), None))
        logged.clear()
        assert logged.wait(10)
        progress.answered(RequestResult(prediction(), (call(),)))
    run, lane = messages[-1].splitlines()
    assert run.startswith("predictions: 1 of 2 · ")
    assert lane.startswith("openai:m: 64 of 128 in flight")
