"""A process that is killed while it judges: a resume ends the run, no verdict is lost, doubled or paid for twice."""

from __future__ import annotations

import shutil
import signal
import time
from typing import Any

import pytest

from assay.project import JOURNALS
from tests.end_to_end.workplace import CONCURRENCY, Workplace, numbered_rows, until
from tests.fakes.model_endpoint import Asked, ModelEndpoint, Reaction
from tests.scoring.judges.scenario import SAFE, calls, is_judge, judged_by, judging, says, scores

ROWS = 120
DELAY_S = 0.1


def slowly(asked: Asked) -> Reaction:
    return Reaction(text=says("pass")(asked).text, delay_s=DELAY_S)


def judged(model: ModelEndpoint) -> list[str]:
    """The questions to judges so far."""
    return [asked.prompt for asked in model.asked if is_judge(asked)]


def run_of(place: Workplace, task: str) -> str:
    [row] = place.query("select distinct run_id from runs where task = @task", task=task)
    return str(row["run_id"])


@pytest.mark.parametrize("same_machine", [True, False], ids=["here", "elsewhere"])
def test_a_run_that_is_killed_while_it_judges_ends_whole(
    place: Workplace, model: ModelEndpoint, name: str, same_machine: bool
) -> None:
    model.react = judged_by(slowly)
    task = judging(place, name, SAFE)
    with place.start("run", task, "--input", place.rows("in.csv", numbered_rows(ROWS))) as process:
        until(lambda: len(judged(model)) >= ROWS // 2)
        process.kill()
    time.sleep(0.5)  # the warehouse may still be at the last append
    run_id, before = run_of(place, task), len(judged(model))
    known = len(scores(place, run_id))
    if not same_machine:
        shutil.rmtree(place.root / ".assay" / JOURNALS)
    model.react = judged_by(says("pass"))

    summary: dict[str, Any] = place.run(task, "--resume", run_id)

    rows = scores(place, run_id)
    assert (summary["status"], summary["predictions"]) == ("completed", ROWS)
    assert [row["record_id"] for row in rows] == [row["id"] for row in numbered_rows(ROWS)]
    assert {row["status"] for row in rows} == {"scored"}
    again = len(judged(model)) - ROWS
    assert again <= CONCURRENCY if same_machine else again == before - known
    assert {row["call_id"] for row in rows} <= {row["call_id"] for row in calls(place, run_id, "judge")}
    told = len(calls(place, run_id, "judge"))
    assert told == len(judged(model)) if same_machine else told == ROWS


def test_ctrl_c_lands_what_was_said_and_a_resume_asks_the_rest(
    place: Workplace, model: ModelEndpoint, name: str
) -> None:
    model.react = judged_by(slowly)
    task = judging(place, name, SAFE)
    with place.start("run", task, "--input", place.rows("in.csv", numbered_rows(ROWS))) as process:
        until(lambda: len(judged(model)) >= ROWS // 2)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    run_id = run_of(place, task)
    assert (process.returncode, out) == (130, "")
    assert f"resume with: assay run {task} --resume {run_id}" in err
    assert "Traceback" not in err
    asked, known = len(judged(model)), len(scores(place, run_id))
    assert 0 < known <= asked < ROWS

    model.react = judged_by(says("pass"))
    place.run(task, "--resume", run_id)

    assert len(judged(model)) - asked == ROWS - known
    assert len(scores(place, run_id)) == ROWS
