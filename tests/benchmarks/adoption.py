"""How long does `assay adopt` take, and does a long adoption need more memory than a short one?

    python -m tests.benchmarks.adoption [--rows 1000 100000] [--limit-s 180] [--limit-mib 300]

The command runs as a user runs it, masking on, against a fresh emulator; no endpoint is there, because none is called.
Ends with 1 when the longest adoption takes longer than the limit, or needs more memory beyond the shortest.
"""

from __future__ import annotations

import argparse
import csv
import json
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from assay.settings import Settings
from tests.benchmarks.run_memory import TASK, TEXTS, measured_command, project, say
from tests.emulator import running_emulator

ANSWERS = (
    '{"label": "question"}',
    '{"label": "complaint"}',
    "",
    '{"label": "praise", "note": "write to a.b@example.com"}',
)
NO_PORT = 9


@dataclass(frozen=True, slots=True)
class Measured:
    """One adoption."""

    rows: int
    seconds: float
    peak_mib: float


def main(arguments: Sequence[str] | None = None) -> int:
    """Prints a line for each adoption; 0 when time and memory are within the limits, 1 when not."""
    options = _options(arguments)
    with tempfile.TemporaryDirectory(prefix="assay-adoption-") as name:
        folder = Path(name)
        with running_emulator(folder / "emulator", as_shipped=True) as warehouse:
            settings = project(folder / "project", warehouse, NO_PORT)
            measured = [measure(settings, rows) for rows in options.rows]
    growth = measured[-1].peak_mib - measured[0].peak_mib
    say(f"longest {measured[-1].seconds:.0f} s, at most {options.limit_s} s wanted")
    say(f"memory grows by {growth:.0f} MiB, at most {options.limit_mib} MiB wanted")
    return int(measured[-1].seconds > options.limit_s or growth > options.limit_mib)


def measure(settings: Settings, rows: int) -> Measured:
    """Adopts one column of so many rows; its line of the table is printed."""
    source = settings.root / f"answers-{rows}.csv"
    _write_rows(source, rows)
    output, peak_mib, seconds = measured_command(
        settings, "adopt", TASK, "--input", str(source), "--answer", "vendor", "--cost-usd", "usd", "--format", "json"
    )
    (found,) = json.loads(output)
    predictions = found["summary"]["predictions"]
    say(
        f"{rows:>9,} rows  {predictions:>9,} predictions  {found['without_answer']:>7,} without answer  "
        f"{peak_mib:6.0f} MiB  {seconds:7.1f} s"
    )
    if predictions != rows:
        raise SystemExit(f"{predictions} predictions landed of {rows} rows")
    return Measured(rows, seconds, peak_mib)


def _write_rows(path: Path, rows: int) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("id", "text", "label", "vendor", "usd"))
        writer.writerows(
            (f"r{n}", f"{TEXTS[n % len(TEXTS)]} Case {n}.", "question", ANSWERS[n % len(ANSWERS)], "0.0001")
            for n in range(rows)
        )


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Time and peak memory of short and long adoptions.")
    parser.add_argument("--rows", type=int, nargs="+", default=[1_000, 100_000], help="shortest adoption first")
    parser.add_argument("--limit-s", type=int, default=180, help="most seconds that the longest may take")
    parser.add_argument("--limit-mib", type=int, default=300, help="most the longest may need beyond the shortest")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
