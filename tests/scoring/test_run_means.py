"""The mean of a scorer that measures lands with the run, in the scorer's own unit."""

from __future__ import annotations

import json
from collections.abc import Callable

import numpy as np
import pytest
from scipy import stats

from assay.report.scorecard import ReportedRun, read_scorecard
from tests.fakes.model_endpoint import Asked, ModelEndpoint, Reaction
from tests.runs.bench import Bench

WORDS = {"name": "words", "type": "custom", "function": "checks.py:words"}
CHECKS = """
from assay.checks import measured, unscored


def words(item):
    note = item.output["note"]
    return unscored("no note") if note == "none" else measured(len(note.split()))
"""
FIGURES = "select * from estimates where run_id = @run and scorer = 'words' order by slice"


def notes(asked: Asked) -> Reaction:
    """As many words as the number of the record; every tenth answer is broken, record 11 has no note."""
    number = int(asked.prompt.split()[-1])
    if number % 10 == 9:
        return Reaction(text="broken")
    note = "none" if number == 11 else " ".join(["word"] * (number + 1))
    return Reaction(text=json.dumps({"label": "praise", "note": note}))


def test_a_mean_lands_overall_and_by_slice_and_counts_what_it_lacks(
    bench: Bench, model: ModelEndpoint, name: str
) -> None:
    model.react = notes
    source = {"record_id": "id", "fields": {"text": "text"}, "slices": {"kind": "kind"}}
    bench.place.write(f"tasks/{name}/checks.py", CHECKS)
    task = bench.place.task(name, input=source, checks=[WORDS], correct=[])
    rows = [{"id": f"r{i:02}", "text": f"text {i}", "kind": "ab"[i % 2]} for i in range(40)]
    run_id = bench.run(task, input=bench.place.rows("in.csv", rows)).run_id

    landed = {row["slice"]: row for row in bench.place.query(FIGURES, run=run_id)}

    counted = [i + 1 for i in range(40) if i % 10 != 9 and i != 11]
    overall = landed["overall"]
    assert {row["metric"] for row in landed.values()} == {"mean"} and set(landed) == {"overall", "kind=a", "kind=b"}
    assert overall["value"] == pytest.approx(np.mean(counted))
    assert overall["standard_error"] == pytest.approx(stats.sem(counted))
    assert overall["details"] == {
        "sd": pytest.approx(np.std(counted, ddof=1)),
        "n": 35,
        "n_unscored": 1,
        "n_without_output": 4,
    }
    assert (overall["n"], overall["status"]) == (36, "unscored")
    assert "1 of 36 unscored (2.8%)" in overall["reason"]
    assert "4 of 40 without an output of the model: not in the mean" in overall["reason"]
    even = [value for value in counted if value % 2]
    assert (landed["kind=a"]["value"], landed["kind=a"]["n"]) == (pytest.approx(np.mean(even)), len(even))
    assert landed["kind=a"]["low"] < landed["kind=a"]["value"] < landed["kind=a"]["high"]


RAISING = """
def words(item):
    raise ValueError("no note")
"""


@pytest.mark.parametrize("react", [notes, lambda _: Reaction(text="broken")])
def test_a_check_that_states_a_number_and_raises_everywhere_has_no_rate(
    bench: Bench, model: ModelEndpoint, name: str, react: Callable[[Asked], Reaction]
) -> None:
    model.react = react
    bench.place.write(f"tasks/{name}/checks.py", RAISING)
    source = {"record_id": "id", "fields": {"text": "text"}}
    task = bench.place.task(name, input=source, checks=[{**WORDS, "gives": "number"}], correct=[])
    rows = [{"id": f"r{i:02}", "text": f"text {i}"} for i in range(20)]
    run_id = bench.run(task, input=bench.place.rows("in.csv", rows)).run_id

    (landed,) = bench.place.query(FIGURES, run=run_id)
    card = read_scorecard(bench.project.warehouse, task, ReportedRun(run_id=run_id)).as_dict()

    missing = 2 if react is notes else 20
    assert (landed["metric"], landed["value"], landed["low"], landed["n"]) == ("mean", None, None, 20 - missing)
    assert f"{missing} of 20 without an output of the model" in landed["reason"]
    assert {row["gives"] for row in bench.place.query("select gives from scores where run_id = @run", run=run_id)} == {
        "number"
    }
    (counts,), (mean,) = card["scorers"], card["means"]
    assert (counts["is_measure"], counts["pass_rate"], counts["delivered_pass_rate"]) == (True, None, None)
    assert (mean["n"], mean["mean"], mean["reason"]) == (0, None, landed["reason"])
