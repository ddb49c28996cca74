"""How long does `assay report` take after a run? Wall and CPU time and peak memory of the command, without any mart.

    python -m tests.benchmarks.report [--rows 300 10000] [--limit-s 10]

The runs are made by `assay run` against a fresh emulator and a fast endpoint, as in `run_memory`. The command is a new
process each time, three times per run; the median counts. Ends with 1 when a median passes the limit.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from assay.settings import Settings
from tests.benchmarks.run_memory import MIB, TASK, Peak, endpoint, measure, project
from tests.emulator import running_emulator

TIMES = 3
TIMEOUT_S = 300.0


@dataclass(frozen=True, slots=True)
class Reported:
    """One run of the command: seconds of wall and CPU time, those of the emulator, and MiB of resident memory."""

    wall_s: float
    cpu_s: float
    emulator_cpu_s: float
    peak_mib: float


def main(arguments: Sequence[str] | None = None) -> int:
    """Prints a line for each run; 0 when all are within the limit, 1 when not."""
    options = _options(arguments)
    slowest = 0.0
    with tempfile.TemporaryDirectory(prefix="assay-report-") as name, endpoint() as port:
        folder = Path(name)
        with running_emulator(folder / "emulator", as_shipped=True) as warehouse:
            settings = project(folder / "project", warehouse, port)
            for rows in options.rows:
                measure(settings, rows)
                slowest = max(slowest, _report(settings, rows, emulator=warehouse.pid))
    sys.stdout.write(f"slowest median {slowest:.1f} s, at most {options.limit_s} s wanted\n")
    return int(slowest > options.limit_s)


def _report(settings: Settings, rows: int, *, emulator: int) -> float:
    found = [_once(settings, emulator) for _ in range(TIMES)]
    wall, cpu = median(one.wall_s for one in found), median(one.cpu_s for one in found)
    emulated, peak = median(one.emulator_cpu_s for one in found), max(one.peak_mib for one in found)
    times = f"{wall:5.2f} s wall  {cpu:5.2f} s CPU and {emulated:5.2f} s in the emulator"
    sys.stdout.write(f"{rows:>9,} rows  report: {times}  {peak:4.0f} MiB\n")
    sys.stdout.flush()
    return wall


def _once(settings: Settings, emulator: int) -> Reported:
    before, began, emulated = os.times(), time.monotonic(), _cpu_s(emulator)
    command = [str(Path(sys.executable).with_name("assay")), "report", TASK, "--format", "json"]
    environment = {**os.environ, **settings.child_environment()}
    with subprocess.Popen(
        command, cwd=settings.root, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        peak = Peak(process.pid)
        output, errors = process.communicate(timeout=TIMEOUT_S)
    wall, after = time.monotonic() - began, os.times()
    if process.returncode or not output:
        raise SystemExit(f"assay report ended with {process.returncode}:\n{errors.decode()[-3000:]}")
    cpu = after.children_user + after.children_system - before.children_user - before.children_system
    return Reported(wall, cpu, _cpu_s(emulator) - emulated, peak.kib() / MIB)


def _cpu_s(pid: int) -> float:
    """Seconds of CPU time that the process has used."""
    user, system = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:13]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Time of the report after short and long runs.")
    parser.add_argument("--rows", type=int, nargs="+", default=[300, 10_000])
    parser.add_argument("--limit-s", type=float, default=10.0, help="most that a report may take")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
