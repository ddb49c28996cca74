"""Faults of the machine during `assay run`: a disk that fails from some call on, and a clock that jumps; resumed once.

The disk is that of `tests/faults`: the C library's calls on the project's state fail in the command's own process. The
clock is libfaketime's (Debian's package `faketime`). What was sent is counted by the endpoint.
"""

from __future__ import annotations

import errno
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.benchmarks.engine import workload
from tests.benchmarks.engine.kill import LEG_S, leg_of, log_of, run_id_of
from tests.benchmarks.engine.stand import Stand
from tests.benchmarks.engine.tables import Result
from tests.faults.disk import FaultyDisk

DISK = {
    "full (ENOSPC)": errno.ENOSPC,
    "failing (EIO)": errno.EIO,
    "read-only (EROFS)": errno.EROFS,
    "no file handles (EMFILE)": errno.EMFILE,
}
CLOCK = {"the clock jumps 40 days ahead": "+40d", "the clock jumps 40 days back": "-40d"}
CLOCK_LIBRARIES = ("/usr/lib/*/faketime/libfaketime.so.1", "/usr/lib/faketime/libfaketime.so.1")
LATENCY_S = 0.02
LANDED = """
select
    (select count(*) from predictions where run_id = @run_id) as landed,
    (select count(distinct prediction_id) from predictions where run_id = @run_id) as predictions,
    (select count(distinct call_id) from responses where run_id = @run_id) as calls
"""
EXIT_CODES = (0, 5)


@dataclass(frozen=True, slots=True)
class MachineOptions:
    """Records of each run, calls in flight, and where the disk begins to fail, as shares of the calls of a whole run."""

    records: int = 10_000
    in_flight: int = 64
    moments: tuple[float, ...] = (0.05, 0.5, 0.95)


def measure(stand: Stand, options: MachineOptions) -> list[Result]:
    """A line for each fault and moment."""
    columns = ("fault", "from", "exit code", "records", "predictions", "lost", "landed twice", "sent again", "target")
    result = Result(f"faults of the machine, {options.records:,} records, {options.in_flight} in flight", columns)
    stand.project(in_flight=options.in_flight)
    stand.endpoint.configure(latency=LATENCY_S)
    disk = FaultyDisk(stand.settings.state_dir, stand.settings.root / "disk.calls")
    for name, error in DISK.items():
        source = _source(stand, options, f"whole{error}")
        _leg(stand, ["--input", str(source)], disk.variables(error=error))
        calls = disk.calls
        for number, moment in enumerate(options.moments):
            variables = disk.variables(error=error, fails_from=max(1, round(moment * calls)))
            source = _source(stand, options, f"d{error}x{number}")
            _line(stand, options, result, source=source, fault=name, at=f"{moment:.0%}", variables=variables)
    for name, shift in CLOCK.items():
        _clock_line(stand, options, result, fault=name, shift=shift)
    result.notes.append(
        "Sent again: requests beyond one per record, at most those in flight when the fault came. A row that landed twice has "
        "one id and is read once."
    )
    return [result]


def _source(stand: Stand, options: MachineOptions, prefix: str) -> Path:
    return workload.write_rows(stand.settings.root / f"{prefix}.csv", options.records, prefix=prefix)


def _line(
    stand: Stand,
    options: MachineOptions,
    result: Result,
    *,
    source: Path,
    fault: str,
    at: str,
    variables: Mapping[str, str],
) -> None:
    before = stand.endpoint.stats()["requests"]
    code, _ = _leg(stand, ["--input", str(source)], variables)
    resumed, summary = _leg(stand, _rest(stand, source, code), {})
    sent = stand.endpoint.stats()["requests"] - before
    project = stand.project(in_flight=options.in_flight)
    (counts,) = project.warehouse.stream(LANDED, {"run_id": summary["run_id"]})
    lost = options.records - counts["predictions"]
    right = (
        code in EXIT_CODES
        and resumed == 0
        and lost == 0
        and counts["calls"] == sent
        and sent - options.records <= options.in_flight
    )
    met = result.wants(right, f"{fault} from {at}: exit {code}, {resumed}, {counts}, sent {sent}")
    twice = counts["landed"] - counts["predictions"]
    cells = (f"{options.records:,}", f"{counts['predictions']:,}", lost, twice, sent - options.records)
    result.row(fault, at, code, *cells, f"0 lost, each call landed once, again ≤ {options.in_flight}: {met}")


def _rest(stand: Stand, source: Path, code: int) -> list[str]:
    """The arguments that go on: the run is resumed if there is one, even if it is complete."""
    text = log_of(stand).read_text(encoding="utf-8")
    started = text.rfind("== ")
    if "\nrun " not in text[started:] and code:
        return ["--input", str(source)]
    return ["--resume", run_id_of(stand)]


def _leg(stand: Stand, arguments: list[str], variables: Mapping[str, str]) -> tuple[int, dict[str, Any]]:
    """The command's exit code and summary, on that machine."""
    with log_of(stand).open("a") as log:
        log.write(f"\n== {arguments}\n")
    with leg_of(stand, arguments, **variables) as leg:
        output, _ = leg.communicate(timeout=LEG_S)
    return leg.returncode, json.loads(output) if output.strip().startswith("{") else {}


def _clock_line(stand: Stand, options: MachineOptions, result: Result, *, fault: str, shift: str) -> None:
    found = [path for pattern in CLOCK_LIBRARIES for path in Path("/").glob(pattern.lstrip("/"))]
    if not found:
        result.notes.append("The clock that jumps was not measured: install Debian's package `faketime`.")
        return
    stamp = stand.settings.root / "clock"
    stamp.write_text("+0", encoding="ascii")
    variables = {
        "LD_PRELOAD": str(found[0]),
        "FAKETIME_TIMESTAMP_FILE": str(stamp),
        "FAKETIME_NO_CACHE": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
    }
    source = _source(stand, options, f"clock{shift[0]}")
    before = stand.endpoint.stats()["requests"]
    with leg_of(stand, ["--input", str(source)], **variables) as leg:
        while stand.endpoint.stats()["requests"] - before < options.records // 2 and leg.poll() is None:
            time.sleep(0.02)
        stamp.write_text(shift, encoding="ascii")
        leg.communicate(timeout=LEG_S)
    code = leg.returncode
    resumed, summary = _leg(stand, ["--resume", run_id_of(stand)], {})
    sent = stand.endpoint.stats()["requests"] - before
    (counts,) = stand.project(in_flight=options.in_flight).warehouse.stream(LANDED, {"run_id": summary["run_id"]})
    lost = options.records - counts["predictions"]
    right = resumed == 0 and lost == 0 and counts["calls"] == sent == options.records
    met = result.wants(right, f"{fault}: exit {code}, {resumed}, {counts}, sent {sent}")
    twice = counts["landed"] - counts["predictions"]
    cells = (f"{options.records:,}", f"{counts['predictions']:,}", lost, twice, sent - options.records)
    result.row(fault, "50%", code, *cells, f"0 lost, none sent again: {met}")
