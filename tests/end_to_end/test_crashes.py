"""Whatever dies in the middle of a run, a resume ends it: nothing lost, nothing twice, little sent again."""

from __future__ import annotations

import logging
import os
import re
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest

from assay.errors import ServiceUnreachable
from assay.project import JOURNALS
from tests.emulator import running_emulator
from tests.end_to_end.stage import migrate_dev
from tests.end_to_end.workplace import CONCURRENCY, Workplace, numbered_rows, until
from tests.fakes.model_endpoint import ModelEndpoint, late, well

ROWS = 300
DELAY_S = 0.15
FLUSHED = 270  # later than the first flush, a second after the first answer, and before the end
RUN_LINE = re.compile(r"run ([0-9a-f]{32}): ")
LOG = logging.getLogger(__name__)


def start(place: Workplace, task: str) -> subprocess.Popen[str]:
    place.model.react = late(DELAY_S)
    file = place.rows("in.csv", numbered_rows(ROWS))
    return place.start("run", place.task(task), "--input", file)


def landed(place: Workplace, task: str) -> int:
    sql = "select count(distinct prediction_id) as n from predictions where task = @task"
    return int(place.query(sql, task=task)[0]["n"])


def run_of(place: Workplace, task: str) -> str:
    [row] = place.query("select distinct run_id from runs where task = @task", task=task)
    return str(row["run_id"])


def whole(place: Workplace, task: str) -> None:
    """Every record has one prediction, whose call and content are there; a row that landed twice has one id."""
    sql = """
    select
        count(distinct predictions.record_id) as records,
        count(distinct predictions.prediction_id) as predictions,
        count(distinct responses.call_id) as calls,
        count(distinct contents.call_id) as contents
    from predictions
    left join responses on predictions.call_id = responses.call_id
    left join contents on predictions.call_id = contents.call_id
    where predictions.task = @task
    """
    assert place.query(sql, task=task) == [dict.fromkeys(("records", "predictions", "calls", "contents"), ROWS)]


def finished(place: Workplace, task: str) -> list[str]:
    sql = "select status from runs where task = @task and event = 'finished' order by occurred_at"
    return [row["status"] for row in place.query(sql, task=task)]


@pytest.mark.parametrize(
    ("sent", "same_machine"),
    [
        pytest.param(3, True, id="at_the_start-here", marks=pytest.mark.verify),
        pytest.param(3, False, id="at_the_start-elsewhere"),
        pytest.param(250, True, id="in_the_middle-here"),
        pytest.param(250, False, id="in_the_middle-elsewhere", marks=pytest.mark.verify),
        pytest.param(ROWS, True, id="at_the_end-here", marks=pytest.mark.verify),
        pytest.param(ROWS, False, id="at_the_end-elsewhere"),
    ],
)
def test_a_killed_run_ends_whole(
    place: Workplace, model: ModelEndpoint, name: str, sent: int, same_machine: bool
) -> None:
    with start(place, name) as process:
        until(lambda: model.count >= sent)
        process.kill()
    assert finished(place, name) == []
    time.sleep(0.5)  # the warehouse may still be at the last append
    before, at_kill = model.count, landed(place, name)
    if not same_machine:
        shutil.rmtree(place.root / ".assay" / JOURNALS)
    model.react = well
    summary = place.run(name, "--resume", run_of(place, name))
    again = model.count - ROWS
    LOG.info("%s requests were sent again", again)
    assert (summary["status"], summary["predictions"]) == ("completed", ROWS)
    # The journal has every answer that came; elsewhere what had not landed is asked again.
    assert again <= CONCURRENCY if same_machine else again == before - at_kill
    assert max(model.prompts.values()) <= 2
    whole(place, name)


def test_the_loser_of_two_resumes_lands_nothing_and_says_who_works(
    place: Workplace, model: ModelEndpoint, name: str
) -> None:
    with start(place, name) as process:
        until(lambda: model.count >= CONCURRENCY)
        model.react = late(8.0)  # it works on while the other one tries
        run_id, before = run_of(place, name), finished(place, name)
        refused = place.command("run", name, "--resume", run_id)
        model.react = well
        assert (refused.returncode, refused.stdout) == (3, "")
        assert f"Another process on this machine is working on run {run_id}" in refused.stderr
        assert "have landed" not in refused.stderr
        assert finished(place, name) == before == []
        process.communicate(timeout=60)
    assert finished(place, name) == ["completed"]
    whole(place, name)


def test_ctrl_c_lands_what_was_sent_and_says_how_to_go_on(place: Workplace, model: ModelEndpoint, name: str) -> None:
    with start(place, name) as process:
        until(lambda: model.count >= 100)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=40)
    assert (process.returncode, out) == (130, "")
    run_id = run_of(place, name)
    assert f"resume with: assay run {name} --resume {run_id}" in err
    assert "Traceback" not in err
    assert landed(place, name) == model.count < ROWS
    assert finished(place, name) == ["interrupted"]
    place.run(name, "--resume", run_id)
    assert model.count == ROWS
    assert finished(place, name) == ["interrupted", "completed"]
    whole(place, name)


def test_a_warehouse_that_is_killed_stops_the_run_and_a_resume_ends_it(
    tmp_path: Path, model: ModelEndpoint, name: str
) -> None:
    with running_emulator(tmp_path / "emulator", as_shipped=True) as endpoints:
        migrate_dev(endpoints)
        place = Workplace(tmp_path / "project", endpoints, model)
        with start(place, name) as process:
            until(lambda: model.count >= FLUSHED)
            os.kill(endpoints.pid, signal.SIGKILL)
            _, err = process.communicate(timeout=60)
    assert process.returncode == 5
    assert "Traceback" not in err
    run_id = RUN_LINE.search(err)
    assert run_id is not None
    assert f"--resume {run_id[1]}" in err
    with pytest.raises(ServiceUnreachable):
        landed(place, name)
    sent = model.count
    model.react = well
    with running_emulator(tmp_path / "emulator", as_shipped=True) as place.endpoints:
        summary = place.run(name, "--resume", run_id[1])
        LOG.info("%s requests were sent again", model.count - ROWS)
        assert (summary["predictions"], summary["records"]) == (ROWS, ROWS)
        assert model.count == ROWS >= sent
        whole(place, name)


def test_at_most_so_many_requests_are_under_way(place: Workplace, model: ModelEndpoint, name: str) -> None:
    model.react = late(0.05)
    place.run(place.task(name), "--input", place.rows("in.csv", numbered_rows(60)))
    assert 1 < model.most_at_a_time <= CONCURRENCY
