"""An adoption that is killed: repeating the command loses nothing and lands nothing twice."""

from __future__ import annotations

import json
import signal
from typing import Any

import pytest

from tests.adoption.scenario import INPUT, label_task, labelled_rows, lines
from tests.end_to_end.workplace import Workplace, until

ROWS = 9_000
OF_RUN = "select count(*) as n, count(distinct prediction_id) as distinct_n from predictions where task = @task"


def answer(number: int) -> Any:
    """A valid answer, NULL or an invalid one."""
    return None if number % 10 == 0 else "c" if number % 10 == 1 else "a"


@pytest.mark.processes
@pytest.mark.parametrize("table", ["records", "predictions", "scores"])
def test_a_killed_adoption_is_resumed_by_repeating_the_command(place: Workplace, name: str, table: str) -> None:
    label_task(place, name, input={**INPUT, "max_rejected": 0})
    rows = labelled_rows(ROWS, first=answer, second=lambda n: "ab"[n % 2])
    command = ["adopt", name, "--input", lines(place, "in.jsonl", rows), "--answer", "first", "--answer", "second"]
    command += ["--format", "json"]

    with place.start(*command) as process:
        until(lambda: place.query(f"select 1 from {table} where task = @task limit 1", task=name))
        process.send_signal(signal.SIGKILL)
        process.wait(timeout=30)
    done = place.command(*command, timeout_s=180)

    assert done.returncode == 0, done.stderr
    first, second = json.loads(done.stdout)
    assert first["summary"]["statuses"] == {"ok": 7200, "failed": 900, "invalid_output": 900}
    assert (first["without_answer"], second["without_answer"]) == (900, 0)
    assert second["summary"]["statuses"] == {"ok": ROWS}
    runs = place.query("select run_id, event, status from runs where task = @task", task=name)
    assert (
        sorted((row["event"], row["status"]) for row in runs)
        == [("finished", "completed")] * 2 + [("started", "running")] * 2
    )
    assert place.query(OF_RUN, task=name) == [{"n": 2 * ROWS, "distinct_n": 2 * ROWS}]
    for run in (first, second):
        assert run["reliability"]["n"] == ROWS
    assert list((place.root / ".assay" / "adoptions").glob("*")) == []
    assert list((place.root / ".assay" / "snapshots").glob("*adopting-*")) == []


def command_of(place: Workplace, name: str) -> list[str]:
    """The command that adopts one column of many rows."""
    label_task(place, name, input={**INPUT, "max_rejected": 0})
    rows = labelled_rows(ROWS, first=lambda n: "ab"[n % 2])
    return ["adopt", name, "--input", lines(place, "in.jsonl", rows), "--answer", "first", "--format", "json"]


@pytest.mark.processes
def test_a_run_that_another_process_adopts_is_not_resumed(place: Workplace, name: str) -> None:
    command = command_of(place, name)
    with place.start(*command) as process:
        until(lambda: place.query("select 1 from predictions where task = @task limit 1", task=name))
        process.send_signal(signal.SIGSTOP)
        run_id = place.query("select run_id from runs where task = @task", task=name)[0]["run_id"]
        other = place.command(*command, timeout_s=120)
        folders = list((place.root / ".assay" / "snapshots").glob("adopting-*"))
        process.send_signal(signal.SIGCONT)
        out, error = process.communicate(timeout=120)

    assert other.returncode == 3, other.stderr
    assert f"first: another process on this machine is adopting the same rows as run {run_id}" in other.stderr
    assert len(folders) == 1, "the snapshot of the process that runs is kept"
    assert process.returncode == 0, error
    assert json.loads(out)[0]["summary"]["statuses"] == {"ok": ROWS}
    assert place.query(OF_RUN, task=name) == [{"n": ROWS, "distinct_n": ROWS}]
    again = place.command(*command, timeout_s=120)
    assert again.returncode == 0 and json.loads(again.stdout)[0]["is_known"]


@pytest.mark.processes
def test_two_adoptions_that_start_together_are_one_run(place: Workplace, name: str) -> None:
    command = command_of(place, name)
    with place.start(*command) as one, place.start(*command) as other:
        told = [process.communicate(timeout=180) for process in (one, other)]

    codes = sorted([one.returncode, other.returncode])
    assert codes in ([0, 0], [0, 3]), told  # 0 and 0 if one started after the other had ended
    runs = place.query("select run_id from runs where task = @task and event = 'started'", task=name)
    assert len(runs) == 1
    assert place.query(OF_RUN, task=name) == [{"n": ROWS, "distinct_n": ROWS}]
