"""Does a long run need more memory than a short one? Peak resident memory of `assay run` for both.

    python -m tests.benchmarks.run_memory [--rows 1000 100000] [--limit-mib 300]

The command runs as a user runs it, masking on, against a fresh emulator and a fast endpoint, each in a process
of its own; only the command's own memory is measured. Ends with 1 when the difference passes the limit.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from assay.settings import Settings
from assay.tasks.new_task import scaffold_task
from assay.warehouse.client import Warehouse
from assay.warehouse.migrate import migrate
from tests.emulator import Endpoints, running_emulator
from tests.paths import ROOT

TASK = "sorting"
CONCURRENCY = 32
PROBE_S = 0.2
MIB = 1024
TEXTS = (
    "Where is my parcel? I ordered it last week and the page still says that it is being packed.",
    "The new version loses my settings each time it starts; please write to ana.silva@example.com about it.",
    "Thank you, the replacement came within two days and works. My number is +1 212 555 0142 if you need more.",
    "Can I pay by invoice, and does the price for ten seats hold when we add an eleventh in the middle of the year?",
)


@dataclass(frozen=True, slots=True)
class Measured:
    """One run of the command."""

    rows: int
    predictions: int
    peak_mib: float
    seconds: float


def main(arguments: Sequence[str] | None = None) -> int:
    """Prints a line for each run and the difference; 0 when it is within the limit, 1 when not."""
    options = _options(arguments)
    with tempfile.TemporaryDirectory(prefix="assay-memory-") as name, endpoint() as port:
        folder = Path(name)
        with running_emulator(folder / "emulator", as_shipped=True) as warehouse:
            settings = project(folder / "project", warehouse, port)
            measured = [measure(settings, rows) for rows in options.rows]
    growth = measured[-1].peak_mib - measured[0].peak_mib
    say(f"difference {growth:.0f} MiB, at most {options.limit_mib} MiB wanted")
    return int(growth > options.limit_mib)


def measure(settings: Settings, rows: int) -> Measured:
    """Runs the task over so many rows; its line of the table is printed."""
    source = settings.root / f"rows-{rows}.csv"
    write_rows(source, rows)
    output, peak_mib, seconds = measured_command(
        settings, "run", TASK, "--input", str(source), "--reuse", "never", "--format", "json"
    )
    done = Measured(rows, json.loads(output)["predictions"], peak_mib, seconds)
    say(f"{rows:>9,} rows  {done.predictions:>9,} predictions  {done.peak_mib:6.0f} MiB  {done.seconds:7.0f} s")
    return done


def measured_command(settings: Settings, *arguments: str) -> tuple[str, float, float]:
    """The output of an `assay` command, its peak resident memory in MiB and its time in seconds."""
    assay = str(Path(sys.executable).with_name("assay"))
    environment = {**os.environ, **settings.child_environment()}
    began = time.monotonic()
    with (settings.root / f"{arguments[0]}.log").open("w+") as log:
        process = subprocess.Popen(
            [assay, *arguments], cwd=settings.root, env=environment, stdout=subprocess.PIPE, stderr=log, text=True
        )
        peak = Peak(process.pid)
        output, _ = process.communicate()
        log.seek(0)
        if process.returncode:
            raise SystemExit(f"assay {' '.join(arguments)} ended with {process.returncode}:\n{log.read()[-3000:]}")
    return output, peak.kib() / MIB, time.monotonic() - began


class Peak:
    """The most resident memory a process ever had, asked for until it ends."""

    def __init__(self, pid: int) -> None:
        self._status = Path(f"/proc/{pid}/status")
        self._kib = 0
        self._watch = threading.Thread(target=self._ask, daemon=True)
        self._watch.start()

    def kib(self) -> int:
        """The peak in KiB, once the process has ended."""
        self._watch.join()
        return self._kib

    def _ask(self) -> None:
        while True:
            try:
                found = [line for line in self._status.read_text().splitlines() if line.startswith("VmHWM")]
            except OSError:  # the process is gone
                return
            if not found:  # it has ended and waits to be collected
                return
            self._kib = max(self._kib, int(found[0].split()[1]))
            time.sleep(PROBE_S)


def project(root: Path, warehouse: Endpoints, port: int) -> Settings:
    """A project with one task, its endpoint and its landing tables."""
    (root / "tasks").mkdir(parents=True)
    scaffold_task(root / "tasks", TASK)
    providers = f"local:\n  base_url: http://127.0.0.1:{port}/v1\n  concurrency: {CONCURRENCY}\n"
    (root / "providers.yml").write_text(providers, encoding="utf-8")
    settings = Settings(
        root=root,
        bigquery_endpoint=warehouse.rest,
        bigquery_grpc_endpoint=warehouse.grpc,
        local_token=warehouse.token,
    )
    migrate(Warehouse(settings), report=lambda _: None)
    return settings


def write_rows(path: Path, rows: int) -> None:
    """A CSV file with so many rows, some with personal details."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("id", "text", "label"))
        writer.writerows((f"r{n}", f"{TEXTS[n % len(TEXTS)]} Case {n}.", "question") for n in range(rows))


@contextmanager
def endpoint() -> Iterator[int]:
    """The port of a fast endpoint that has ended after the block."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.benchmarks.endpoint"], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        yield int(process.stdout.readline())
    finally:
        process.terminate()
        process.wait(timeout=10)


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Peak memory of short and long runs.")
    parser.add_argument("--rows", type=int, nargs="+", default=[1_000, 100_000], help="shortest run first")
    parser.add_argument("--limit-mib", type=int, default=300, help="most the longest may need beyond the shortest")
    return parser.parse_args(arguments)


def say(text: str) -> None:
    """Prints a line at once."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
