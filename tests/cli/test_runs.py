"""`assay runs`, and the run that `assay report` is asked for."""

from __future__ import annotations

import json

import pytest

from tests.end_to_end.stage import endpoints, model, name, place
from tests.end_to_end.workplace import Workplace, numbered_rows

__all__ = ["endpoints", "model", "name", "place"]


@pytest.fixture
def task(place: Workplace, name: str) -> str:
    """A task with a whole run, a limited one and one cut short by its budget, in that order."""
    place.rows("in.csv", numbered_rows(6))
    place.task(name)
    for options, code in (([], 0), (["--limit", "2"], 0), (["--budget", "0", "--reuse", "never"], 3)):
        assert place.command("run", name, "--input", "in.csv", *options).returncode == code
    return name


def test_runs_are_listed_newest_first_with_what_each_covers(place: Workplace, task: str) -> None:
    done = place.command("runs", task, "--format", "json")
    assert done.returncode == 0, done.stderr
    listed = json.loads(done.stdout)
    reasons = [(run["partial_reason"], run["is_whole"], run["predictions"], run["answered"]) for run in listed]
    assert reasons == [("out_of_budget", False, 6, 0), ("limited", False, 2, 2), (None, True, 6, 6)]
    assert [run["calls"] for run in listed] == [0, 0, 6]
    assert float(listed[2]["cost_usd"]) > 0

    shown = place.command("runs", task, "--last", "2")
    assert "no: limit 2" in shown.stdout and "no: budget" in shown.stdout
    assert [run["run_id"] in shown.stdout for run in listed] == [True, True, False]


def test_runs_of_all_tasks_are_listed_without_a_task(place: Workplace, task: str) -> None:
    found = json.loads(place.command("runs", "--last", "1000", "--format", "json").stdout)
    assert task in {run["task"] for run in found}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["runs", "--last", "0"], "0 is not in the range"),
        (["runs", "no_such_task"], "no_such_task"),
        (["runs", "--format", "csv"], "'csv' is not one of"),
        (["report", "TASK", "--run", "nothing"], "has no completed run (run nothing); `assay runs"),
        (["report", "TASK", "--variant", "other"], "has no completed run (variant other)"),
        (["report", "TASK", "--data-date", "1999-01-01"], "has no completed run (data date 1999-01-01)"),
        (["report", "TASK", "--data-date", "today"], "does not match the format"),
    ],
)
def test_an_option_that_selects_nothing_exits_3(
    place: Workplace, task: str, arguments: list[str], message: str
) -> None:
    done = place.command(*(task if argument == "TASK" else argument for argument in arguments))
    assert (done.returncode, message in " ".join(done.stderr.split())) == (3, True), done.stderr


def test_a_report_needs_no_marts_and_shows_as_many_wrong_answers_as_wanted(place: Workplace, task: str) -> None:
    shown = json.loads(place.command("report", task, "--format", "json").stdout)
    assert shown["run"]["is_complete"]
    assert shown["version"]["models"][0]["n_calls"] > 0
    assert len(shown["wrong"]) == min(10, shown["n_wrong_records"])
    hidden = json.loads(place.command("report", task, "--format", "json", "--wrong", "0").stdout)
    assert (hidden["wrong"], hidden["n_wrong_records"]) == ([], None)
    assert place.command("report", task, "--wrong", "1000").returncode == 3


def test_a_warehouse_that_does_not_respond_exits_5(place: Workplace, name: str) -> None:
    assert place.command("runs", place.task(name), ASSAY_BIGQUERY_ENDPOINT="http://127.0.0.1:9").returncode == 5
