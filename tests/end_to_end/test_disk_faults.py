"""A disk that fails at any step of a run: nothing that was paid for is lost, nothing is sent twice but what was in flight.

Each fault is a real one: the C library's calls on the project's state fail from a given one on, in the command's own
process. The command ends with exit code 5, or goes on without what it does not need; then the disk works again.
"""

from __future__ import annotations

import errno
import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.end_to_end.workplace import CONCURRENCY, Workplace, numbered_rows
from tests.fakes.model_endpoint import ModelEndpoint, late
from tests.faults.disk import FaultyDisk, needs_compiler

ROWS = 60
ERRORS = {"full": errno.ENOSPC, "failing": errno.EIO, "read-only": errno.EROFS, "out of file handles": errno.EMFILE}
POINTS = (0.02, 0.15, 0.3, 0.45, 0.6, 0.75, 0.9, 0.98)
"""Where the disk begins to fail, as a share of the calls of an undisturbed run."""
STEPS = 32


@pytest.fixture
def disk(place: Workplace, tmp_path: Path) -> FaultyDisk:
    return FaultyDisk(place.root / ".assay", tmp_path / "calls")


def task_of(place: Workplace, name: str) -> str:
    place.rows("in.csv", numbered_rows(ROWS))
    return place.task(name, cache={"exact": {"ttl": "1 days"}}, budget={"run_usd": 5.0})


def started(place: Workplace, task: str, disk: FaultyDisk, **faults: Any) -> tuple[int, str]:
    """Runs the command on that disk; returns its exit code and messages."""
    with place.start("run", task, "--input", "in.csv", **disk.variables(**faults)) as process:
        _, told = process.communicate(timeout=120)
    return process.returncode, told


def undisturbed(place: Workplace, task: str, disk: FaultyDisk, error: int) -> int:
    """The number of calls that can fail in a run of the task."""
    code, told = started(place, task, disk, error=error)
    assert code == 0, told
    return disk.calls


@needs_compiler
@pytest.mark.parametrize("error", ERRORS)
def test_a_disk_that_fails_loses_no_paid_answer(
    place: Workplace, model: ModelEndpoint, name: str, disk: FaultyDisk, error: str
) -> None:
    # Without file handles, a run waits half a minute for a warehouse that it cannot reach.
    sweep(place, model, name, disk, ERRORS[error], points=(0.3,) if error == "out of file handles" else (0.3, 0.7))


@needs_compiler
@pytest.mark.verify
@pytest.mark.parametrize("error", ERRORS)
def test_a_disk_that_fails_at_any_step_loses_no_paid_answer(
    place: Workplace, model: ModelEndpoint, name: str, disk: FaultyDisk, error: str
) -> None:
    sweep(place, model, name, disk, ERRORS[error], points=tuple((step + 0.5) / STEPS for step in range(STEPS)))


def sweep(
    place: Workplace, model: ModelEndpoint, name: str, disk: FaultyDisk, error: int, *, points: tuple[float, ...]
) -> None:
    model.react, name = late(0.02), name[-40:].lstrip("_0123456789")
    calls = undisturbed(place, task_of(place, f"{name}_all"), disk, error)
    wrong: list[str] = []
    for number, point in enumerate(points):
        model.asked.clear()
        first = max(1, round(point * calls))
        code, told = started(place, task_of(place, f"{name}_{number}"), disk, error=error, fails_from=first)
        wrong += [
            f"call {first} of {calls}: {reason}" for reason in faults_of(place, model, f"{name}_{number}", code, told)
        ]
    assert not wrong, "\n".join(wrong)


def faults_of(place: Workplace, model: ModelEndpoint, task: str, code: int, told: str) -> list[str]:
    """What is wrong after the run has been resumed on a disk that works."""
    found = []
    if code not in (0, 5):
        found.append(f"exit code {code}")
    if "Traceback" in told or "this is a bug" in told:
        found.append("a traceback")
    if code == 5 and not re.search(r"cannot be (written|read|opened|used|compared)|does not respond", told):
        found.append(f"no cause told: {told}")
    run_id = next(iter(re.findall(r"^run (\S+): ", told, re.MULTILINE)), None)
    sent = model.count
    if run_id is None and sent:
        found.append("requests without a run")
    arguments = ["--resume", run_id] if run_id is not None else ["--input", "in.csv"]
    again = place.command("run", task, "--format", "json", *arguments, timeout_s=120)
    if again.returncode != 0:
        return [*found, f"resume ended with {again.returncode}: {again.stderr}"]
    summary = json.loads(again.stdout)
    sql = """
        select
            (select count(*) from predictions where run_id = @run) as predictions,
            (select count(distinct prediction_id) from predictions where run_id = @run) as different,
            (select count(distinct call_id) from responses where run_id = @run) as calls
    """
    [landed] = place.query(sql, run=summary["run_id"])
    if landed["different"] != ROWS:
        found.append(f"{landed['different']} predictions")
    if landed["calls"] != model.count:
        found.append(f"{landed['calls']} calls landed of {model.count}")
    if model.count > ROWS + CONCURRENCY:
        found.append(f"{model.count - ROWS} requests sent again")
    return [f"{reason}\n{told}" for reason in found]
