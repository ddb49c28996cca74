"""What a person sees of a run: one line now and then in a log, a live view on a terminal."""

from __future__ import annotations

import csv
import io
import os
import pty
import subprocess
import sys
from decimal import Decimal

import pytest
from rich.console import Console

from assay.formatting.spreadsheet import restored
from assay.inference.request import RequestResult
from assay.runs.progress import RunProgress
from assay.terminal.output import write_rows
from assay.terminal.progress import run_progress, run_view
from tests.inference.telemetry.rows import call, failed_call, prediction
from tests.paths import ROOT
from tests.runs.test_progress import LANE

SHORT_RUN = """
from assay.inference.request import RequestResult
from assay.terminal.progress import run_progress
from tests.inference.telemetry.rows import call, prediction

with run_progress(3) as progress:
    for _ in range(3):
        progress.answered(RequestResult(prediction(), (call(),)))
"""


def under_way() -> RunProgress:
    progress = RunProgress(8)
    progress.watch(lambda: {"openai:gpt-5-nano": LANE}, lambda: (Decimal("0.25"), Decimal(2)))
    progress.answered(RequestResult(prediction(), (call(cost_usd=Decimal("0.25")),)))
    progress.answered(RequestResult(prediction(status="failed", error_type="timeout"), (failed_call("timeout", None),)))
    return progress


def shown(progress: RunProgress, *, width: int = 160) -> str:
    console = Console(file=io.StringIO(), width=width, force_terminal=True, color_system=None)
    with console.capture() as capture:
        console.print(run_view(progress.snapshot()))
    return capture.get()


def test_a_terminal_shows_the_run_and_a_line_for_each_lane() -> None:
    text = " ".join(shown(under_way()).split())
    for part in ("2 of 8", "($0.2500 of $2.00 spent)", "no valid prediction: timeout 1", "calls failed: timeout 1"):
        assert part in text
    assert "openai:gpt-5-nano: 64 of 128 in flight · 5,940 of 6,000 calls/min · 12 waiting · paused 3 s" in text


def test_a_narrow_terminal_loses_nothing() -> None:
    text = "".join(shown(under_way(), width=50).split())
    assert "callsfailed:timeout1" in text
    assert "paused3s" in text


def test_a_lane_s_name_is_text_and_no_markup() -> None:
    progress = RunProgress(1)
    progress.watch(lambda: {"x:[red]m\x1b[2J": LANE}, lambda: (Decimal(0), None))
    text = shown(progress)
    assert "x:[red]m" in text
    assert "\x1b[2J" not in text


def test_a_log_gets_one_line_at_the_end_of_a_short_run(capsys: pytest.CaptureFixture[str]) -> None:
    with run_progress(2) as progress:
        progress.answered(RequestResult(prediction(), (call(),)))
        progress.answered(RequestResult(prediction(), (call(),)))
    written = capsys.readouterr()
    (line,) = written.err.splitlines()
    assert line.startswith("predictions: 2 of 2 · ")
    assert line.endswith(" · $0.0002")
    assert written.out == ""


def test_an_empty_run_is_no_fault(capsys: pytest.CaptureFixture[str]) -> None:
    with run_progress(0):
        pass
    assert capsys.readouterr().err == "predictions: 0 of 0 · 0.0 rows/s · $0.0000\n"


@pytest.mark.skipif(sys.platform == "win32", reason="there are no pseudo-terminals")
def test_a_real_terminal_ends_with_the_whole_run_on_it() -> None:
    ours, theirs = pty.openpty()
    root = ROOT
    environment = {"PATH": os.environ["PATH"], "TERM": "xterm", "COLUMNS": "120", "PYTHONPATH": str(root)}
    with subprocess.Popen(
        [sys.executable, "-c", SHORT_RUN], cwd=root, env=environment, stdout=theirs, stderr=theirs
    ) as run:
        os.close(theirs)
        text = _everything(ours)
    os.close(ours)
    assert run.returncode == 0, text
    assert "3 of 3" in text.splitlines()[-1] + text.splitlines()[-2]
    assert "\x1b[?25h" in text, "the cursor is visible again"


def _everything(terminal: int) -> str:
    parts = []
    while True:
        try:
            part = os.read(terminal, 4096)
        except OSError:  # how Linux says that the other side is closed
            break
        if not part:
            break
        parts.append(part)
    return b"".join(parts).decode()


def test_a_csv_file_contains_no_formulas_and_every_number(capsys: pytest.CaptureFixture[str]) -> None:
    """Prefixes of OWASP's list for CSV injection, and their full-width forms."""
    texts = ["=1+1", "+1", "-1", "@a", "\t=1", "\r=1", "\n=1", "\uff1d1", "'=1", "plain", "a=1"]
    numbers = [-1, -1.5, Decimal("-2.50"), True, None]
    write_rows(["=n", *"abcdefghij", *"klmno"], [[*texts, *numbers]], style="csv")
    header, row = csv.reader(io.StringIO(capsys.readouterr().out, newline=""))
    assert header[0] == "'=n"
    assert row[: len(texts)] == [
        *(f"'{text}" for text in texts[:4]),
        "'\t'=1",
        "'\r'=1",
        "'\n'=1",
        *(f"'{text}" for text in texts[7:9]),
        "plain",
        "a=1",
    ]
    assert [restored(cell) for cell in row[: len(texts)]] == texts
    assert row[len(texts) :] == ["-1", "-1.5", "-2.5", "true", ""]
