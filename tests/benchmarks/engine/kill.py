"""kill -9 of `assay run` at random moments, resumed each time: nothing lost, nothing doubled, almost nothing paid twice.

On the same machine the journal of answers is there; on a new one it is not. What was answered and sent again is counted
by the endpoint. Runs by batch are killed in `kill_batch.py`.
"""

from __future__ import annotations

import json
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from assay.project import JOURNALS
from assay.runs.requests.answer_buffer import FLUSH_ROWS
from tests.benchmarks.engine import workload
from tests.benchmarks.engine.stand import PLAIN, Stand
from tests.benchmarks.engine.tables import Result

Keys = dict[str, list[int]]
"""By row: requests, and good answers written."""
SAME_MACHINE_RESENT = 10
LATENCY_S = 0.1
PROBE_S = 0.005
LEG_S = 600.0
RUN_ID = re.compile(r"^run (\w+):", re.MULTILINE)
LANDED = """
select
    count(*) as landed,
    count(distinct prediction_id) as predictions,
    count(distinct record_id) as records
from predictions
where run_id = @run_id
"""


@dataclass(frozen=True, slots=True)
class KillOptions:
    """Records of the run, kills, calls in flight; the moments come from `seed`."""

    records: int = 5_000
    kills: int = 10
    in_flight: int = 32
    seed: int = 20261125


@dataclass(slots=True)
class _Killed:
    """One run that was killed and resumed until it was complete."""

    run_id: str
    resent: list[int]
    final: dict[str, Any]


def measure(stand: Stand, options: KillOptions) -> list[Result]:
    """A line for the same machine, and one for a new one, which has no journal."""
    columns = (
        "run",
        "kills",
        "records",
        "predictions",
        "landed twice",
        "re-sent after an answer",
        "second run sends",
        "target",
    )
    result = Result(f"kill -9, {options.records:,} records, {options.in_flight} in flight", columns)
    for journal in (True, False):
        _line(stand, options, result, journal=journal)
    result.notes.append(
        "Re-sent: requests for rows whose whole answer the endpoint had written already, after each kill in turn. A row "
        "that landed twice has one id and is read once."
    )
    return [result]


def _line(stand: Stand, options: KillOptions, result: Result, *, journal: bool) -> None:
    name = f"online, {'same machine' if journal else 'new machine'}"
    source = _source(stand, options, prefix=f"o{'j' if journal else 'n'}")
    killed = _killed(stand, source, options, journal=journal)
    project = stand.project(in_flight=options.in_flight)
    (counts,) = project.warehouse.stream(LANDED, {"run_id": killed.run_id})
    again = second_run(stand, source)
    limit = SAME_MACHINE_RESENT if journal else FLUSH_ROWS
    resent = sum(killed.resent) if journal else max(killed.resent, default=0)
    bound = f"at most {limit} {'over all kills' if journal else 'a kill (the flush window)'}"
    whole = counts["predictions"] == counts["records"] == killed.final["predictions"] == options.records
    right = whole and resent <= limit and again == 0 and len(killed.resent) == options.kills
    met = result.wants(right, f"{name}: {counts}, re-sent {killed.resent}, second run {again}")
    cells = (f"{counts['records']:,}", f"{counts['predictions']:,}", counts["landed"] - counts["predictions"])
    shown = f"{sum(killed.resent)} ({', '.join(map(str, killed.resent))})"
    result.row(name, len(killed.resent), *cells, shown, again, f"predictions = records, {bound}, then 0: {met}")


def _source(stand: Stand, options: KillOptions, *, prefix: str) -> Path:
    stand.project(in_flight=options.in_flight)
    stand.endpoint.configure(latency=LATENCY_S)
    return workload.write_rows(stand.settings.root / f"{prefix}.csv", options.records, prefix=prefix)


def _killed(stand: Stand, source: Path, options: KillOptions, *, journal: bool) -> _Killed:
    chance = random.Random(options.seed + journal)
    moments = sorted(chance.sample(range(options.records // 50, options.records), options.kills))
    arguments: list[str] = ["--input", str(source)]
    run_id, total = "", 0
    resent: list[int] = []
    before: Keys = {}
    for moment in moments:
        with leg_of(stand, arguments) as leg:
            _wait_for_requests(stand, leg, moment + total)
            time.sleep(chance.uniform(0, 2 * LATENCY_S))
            # From here on it does nothing any more. Closing its sockets takes the system longer, and what is written to them
            # meanwhile nobody could have kept: what counts as answered is what was written by now.
            leg.send_signal(signal.SIGSTOP)
            answered = stand.endpoint.keys()
            leg.kill()
        run_id = run_id or run_id_of(stand)
        if not journal:
            shutil.rmtree(stand.settings.state_dir / JOURNALS)
        arguments = ["--resume", run_id]
        if before:
            resent.append(_sent_again(before, answered))
        before, total = answered, sum(requests - 1 for requests, _ in answered.values())
    with leg_of(stand, arguments) as leg:
        output, _ = leg.communicate(timeout=LEG_S)
    if leg.returncode:
        raise SystemExit(f"assay run --resume ended with {leg.returncode}:\n{log_of(stand).read_text()[-3000:]}")
    resent.append(_sent_again(before, stand.endpoint.keys()))
    return _Killed(run_id, resent, json.loads(output))


def _sent_again(before: Keys, after: Keys) -> int:
    """Requests in the leg that has just ended for rows that were answered before the kill that it follows."""
    return sum(after[row][0] - requests for row, (requests, answers) in before.items() if answers)


@contextmanager
def leg_of(stand: Stand, arguments: Sequence[str], **variables: str) -> Iterator[subprocess.Popen[str]]:
    """The command under way, with these variables besides; it has ended after the block."""
    assay = str(Path(sys.executable).with_name("assay"))
    with log_of(stand).open("a") as log:
        process = subprocess.Popen(
            [assay, "run", PLAIN, *arguments, "--format", "json"],
            cwd=stand.settings.root,
            env={**stand.environment(), **variables},
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )
        try:
            yield process
        finally:
            process.kill()
            process.wait(timeout=10)
            if process.stdout is not None:
                process.stdout.close()


def _wait_for_requests(stand: Stand, leg: subprocess.Popen[str], wanted: int) -> None:
    deadline = time.monotonic() + LEG_S
    while stand.endpoint.stats()["requests"] < wanted:
        if leg.poll() is not None or time.monotonic() > deadline:
            log = log_of(stand).read_text(encoding="utf-8")[-3000:]
            raise SystemExit(f"assay run ended with {leg.returncode} before it could be killed:\n{log}")
        time.sleep(PROBE_S)


def second_run(stand: Stand, source: Path) -> int:
    """Requests of an unchanged second run."""
    before = stand.endpoint.stats()["requests"]
    with leg_of(stand, ["--input", str(source)]) as leg:
        leg.communicate(timeout=LEG_S)
    if leg.returncode:
        raise SystemExit(f"The second run ended with {leg.returncode}:\n{log_of(stand).read_text()[-3000:]}")
    return int(stand.endpoint.stats()["requests"] - before)


def run_id_of(stand: Stand) -> str:
    found: str = RUN_ID.findall(log_of(stand).read_text(encoding="utf-8"))[-1]
    return found


def log_of(stand: Stand) -> Path:
    return stand.settings.root / "kill.log"
