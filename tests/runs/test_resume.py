"""A run that was cut off goes on as it stood, or says what is not as it was."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from assay.errors import InputRejected, ServiceUnreachable, UsageError
from assay.records.row import Row
from assay.runs.requests.journal.journal import Journal
from assay.runs.requests.request_stage import Interrupted, RequestStage
from assay.runs.resume import reopen
from assay.runs.run import Run
from assay.runs.shards import WHOLE
from assay.runs.summary import open_requests
from tests.end_to_end.workplace import Workplace, numbered_rows
from tests.fakes.model_endpoint import Asked, ModelEndpoint, Reaction, failing, hanging, well
from tests.runs.bench import Bench, Told

TWENTY = numbered_rows(20)


def interrupted(bench: Bench, name: str, **edits: Any) -> str:
    """A run of twenty rows whose key is refused from the tenth request on; returns its id."""
    place = bench.place
    run = bench.admit(place.task(name, **edits), input=place.rows("in.csv", TWENTY))
    place.model.react = lambda asked: well(asked) if asked.number < 10 else failing(401)(asked)
    with pytest.raises(UsageError, match="HTTP 401"):
        bench.end(run)
    place.model.react = well
    return run.run_id


def refused(bench: Bench, run_id: str, match: str, **options: Any) -> None:
    before = bench.place.model.count
    with pytest.raises(UsageError, match=match):
        bench.go_on(run_id, **options)
    assert bench.place.model.count == before


def snapshot_of(place: Workplace, run_id: str) -> Path:
    return place.root / ".assay" / "snapshots" / run_id


def test_a_resume_asks_what_has_no_prediction_and_nothing_else(bench: Bench, model: ModelEndpoint, name: str) -> None:
    run_id = interrupted(bench, name)
    project = bench.project
    answered = model.count
    still_open = open_requests(project.warehouse, reopen(project, run_id))
    assert 0 < still_open < 20
    summary = bench.go_on(run_id)
    assert (summary.status, summary.predictions, summary.records) == ("completed", 20, 20)
    assert model.count == answered + still_open


def test_a_stopped_run_is_recorded_as_failed_and_its_completion_later(bench: Bench, name: str) -> None:
    run_id = interrupted(bench, name)
    sql = "select status, reason from runs where run_id = @run and event = 'finished' order by occurred_at"
    [stopped] = bench.place.query(sql, run=run_id)
    assert stopped["status"] == "failed"
    assert "HTTP 401" in stopped["reason"]
    bench.go_on(run_id)
    assert [row["status"] for row in bench.place.query(sql, run=run_id)] == ["failed", "completed"]


def test_calls_that_a_stop_broke_off_are_landed_too(bench: Bench, model: ModelEndpoint, name: str) -> None:
    run_id = interrupted(bench, name)
    [row] = bench.place.query("select count(distinct call_id) as calls from responses where run_id = @run", run=run_id)
    assert row["calls"] == model.count


def test_a_finished_run_can_be_reopened_and_asks_nothing(bench: Bench, model: ModelEndpoint, name: str) -> None:
    summary = bench.run(bench.place.task(name), input=bench.place.rows("in.csv", TWENTY))
    assert bench.go_on(summary.run_id).predictions == 20
    assert model.count == 20


def ends(bench: Bench, run_id: str) -> list[str]:
    sql = "select status from runs where run_id = @run and event = 'finished' order by occurred_at"
    return [row["status"] for row in bench.place.query(sql, run=run_id)]


@pytest.mark.parametrize(
    ("obstacle", "code"),
    [("no key", 3), ("another process", 3), ("journals cannot be written", 3), ("stopped at once", 130)],
)
def test_a_run_that_completed_stays_completed(bench: Bench, name: str, obstacle: str, code: int) -> None:
    place = bench.place
    run_id = bench.run(place.task(name), input=place.rows("in.csv", TWENTY)).run_id
    journal = bench.project.journal_dir(run_id) / str(WHOLE)
    if obstacle == "no key":
        place.write("providers.yml", f"openai: {{base_url: '{place.model.url}', api_key_env: NO_SUCH_API_KEY}}\n")
    elif obstacle == "another process":
        held = Journal(journal)
        held.open()
    elif obstacle == "journals cannot be written":
        journal.parent.mkdir(parents=True, exist_ok=True)
        journal.write_text("a file where a folder is expected")
    if obstacle == "stopped at once":
        stop = asyncio.Event()
        stop.set()
        answering = RequestStage(bench.project, reopen(bench.project, run_id), Told(), stop=stop)
        with pytest.raises(Interrupted):
            asyncio.run(answering.answer_all())
    else:
        done = place.command("run", name, "--resume", run_id)
        assert done.returncode == code, done.stderr
    assert ends(bench, run_id) == ["completed"]


def test_a_changed_input_file_is_refused_and_the_right_one_taken(bench: Bench, name: str) -> None:
    run_id = interrupted(bench, name)
    bench.place.rows("in.csv", TWENTY[:19])
    refused(bench, run_id, r"in\.csv has changed since the run started")
    bench.place.rows("in.csv", TWENTY)
    assert bench.go_on(run_id).predictions == 20


def test_a_missing_input_file_is_refused(bench: Bench, name: str) -> None:
    run_id = interrupted(bench, name)
    (bench.place.root / "in.csv").unlink()
    refused(bench, run_id, r"'in\.csv' does not exist")


def test_another_input_is_refused(bench: Bench, name: str) -> None:
    run_id = interrupted(bench, name)
    bench.place.rows("other.csv", TWENTY)
    refused(bench, run_id, r"was started with 'in\.csv', not 'other\.csv'", input_spec="other.csv")


def test_a_snapshot_that_is_gone_is_refused(bench: Bench, name: str) -> None:
    run_id = interrupted(bench, name)
    shutil.rmtree(snapshot_of(bench.place, run_id))
    refused(bench, run_id, r"Input snapshot .* does not exist on this machine; .* start a new run")


@pytest.mark.parametrize("file", ["rows.parquet", "rejected.parquet", "manifest.json"])
def test_a_snapshot_with_a_changed_byte_is_refused(bench: Bench, name: str, file: str) -> None:
    run_id = interrupted(bench, name)
    path = snapshot_of(bench.place, run_id) / file
    path.chmod(0o600)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0x01
    path.write_bytes(content)
    refused(bench, run_id, rf"Input snapshot .*{run_id}")


def test_a_snapshot_of_another_run_is_refused(bench: Bench, name: str) -> None:
    run_id = interrupted(bench, name)
    place = bench.place
    other = bench.admit(name, input=place.rows("other.csv", numbered_rows(20, start=100))).run_id
    shutil.rmtree(snapshot_of(place, run_id))
    snapshot_of(place, other).rename(snapshot_of(place, run_id))
    refused(bench, run_id, "differs from the one it was started with")


@pytest.mark.parametrize(
    ("edits", "what"),
    [
        ({"prompt": "Now: {{ text }}"}, "inference version"),
        ({"parameters": {"temperature": 1, "max_tokens": 60}}, "inference version"),
        ({"cases": [{"case_id": "c", "split": "dev", "input": {"text": "t"}}]}, "golden set"),
    ],
)
def test_a_changed_task_is_refused_with_what_changed(bench: Bench, name: str, edits: dict[str, Any], what: str) -> None:
    run_id = interrupted(bench, name)
    bench.place.task(name, **edits)
    refused(bench, run_id, rf"Task '{name}' has changed since run {run_id} started \({what}: ")


def test_a_changed_threshold_does_not_stop_a_resume(bench: Bench, name: str) -> None:
    run_id = interrupted(bench, name)
    bench.place.task(name, thresholds={"reliability": 0.9})
    assert bench.go_on(run_id).predictions == 20


def test_an_unknown_run_is_named_with_how_to_find_runs(bench: Bench) -> None:
    refused(bench, "nosuchrun", r"Run 'nosuchrun' does not exist in dev_landing\.runs; .*from dev_landing\.runs")


def test_a_run_stopped_at_the_door_cannot_be_resumed_past_it(bench: Bench, model: ModelEndpoint, name: str) -> None:
    rows = [{"id": "same", "text": str(number)} for number in range(10)]
    with pytest.raises(InputRejected) as stopped:
        bench.run(bench.place.task(name), input=bench.place.rows("in.csv", rows))
    refused(bench, stopped.value.run_id, "was rejected at input validation and cannot be resumed")
    sql = "select event, status, predictions from runs where run_id = @run order by event"
    found = bench.place.query(sql, run=stopped.value.run_id)
    assert [(row["event"], row["status"]) for row in found] == [("finished", "failed"), ("started", "running")]


def test_an_admission_that_fails_leaves_no_copy_of_the_input(bench: Bench, name: str) -> None:
    place = bench.place
    task, file = place.task(name), place.rows("in.csv", TWENTY)
    place.environment["ASSAY_ENV"] = "staging"  # where no table was made
    with pytest.raises(UsageError, match="assay warehouse migrate"):
        bench.run(task, input=file)
    assert list((place.root / ".assay" / "snapshots").iterdir()) == []


def test_an_endpoint_that_is_down_stops_the_run_and_a_resume_ends_it(
    bench: Bench, model: ModelEndpoint, name: str
) -> None:
    run = bench.admit(bench.place.task(name), input=bench.place.rows("in.csv", TWENTY))
    model.close()
    with pytest.raises(ServiceUnreachable, match="No endpoint accepts connections"):
        bench.end(run)
    assert bench.place.query("select count(*) as n from predictions where run_id = @run", run=run.run_id) == [{"n": 0}]
    model.open()
    assert bench.go_on(run.run_id).predictions == 20


def test_an_endpoint_that_leaves_in_the_middle_stops_the_run_and_a_resume_ends_it(
    bench: Bench, model: ModelEndpoint, name: str
) -> None:
    run = bench.admit(bench.place.task(name), input=bench.place.rows("in.csv", numbered_rows(60)))

    def leaves(asked: Asked) -> Reaction:
        if asked.number == 30:
            model.close()
        return well(asked)

    model.react = leaves
    with pytest.raises(ServiceUnreachable):
        bench.end(run)
    model.react = well
    model.open()
    summary = bench.go_on(run.run_id)
    # A request that broke off was sent and may be answered by a failure of its own, never by nothing.
    assert summary.predictions == 60
    assert sum(summary.statuses.values()) == 60


def test_a_run_that_is_told_to_stop_does_not_wait_for_an_endpoint_that_hangs(
    bench: Bench, model: ModelEndpoint, name: str
) -> None:
    run = bench.admit(bench.place.task(name), input=bench.place.rows("in.csv", TWENTY))
    model.react = lambda asked: hanging(asked) if asked.number > 4 else well(asked)

    async def stopped() -> None:
        answering = RequestStage(bench.project, run, Told(), grace_s=0.1)
        asyncio.get_running_loop().call_later(1.0, answering.stop.set)
        await asyncio.wait_for(answering.answer_all(), timeout=10)

    with pytest.raises(Interrupted, match=f"--resume {run.run_id}"):
        asyncio.run(stopped())
    sql = "select billing, count(*) as n from responses where run_id = @run group by billing order by billing"
    assert bench.place.query(sql, run=run.run_id) == [{"billing": "known", "n": 4}, {"billing": "unknown", "n": 16}]
    model.react = well
    assert bench.go_on(run.run_id).predictions == 20


class AwaySink:
    """A warehouse that takes nothing; `refused` is how often."""

    def __init__(self) -> None:
        self.refused = 0

    def append(self, rows: Sequence[Row]) -> int:
        if not rows:
            return 0
        self.refused += 1
        raise ServiceUnreachable("the warehouse is away")


def answered_without_warehouse(bench: Bench, run: Run) -> None:
    sink = AwaySink()
    with pytest.raises(ServiceUnreachable, match="the warehouse is away"):
        asyncio.run(RequestStage(bench.project, run, Told(), sink=sink, grace_s=5.0).answer_all())
    assert sink.refused


def test_answers_that_were_recovered_are_not_lost_when_the_warehouse_refuses_them(
    bench: Bench, model: ModelEndpoint, name: str
) -> None:
    run = bench.admit(bench.place.task(name), input=bench.place.rows("in.csv", TWENTY))
    for _ in range(3):  # the first leaves its answers in the journal, the others find them there and cannot land them
        answered_without_warehouse(bench, run)
        assert model.count == 20

    assert bench.go_on(run.run_id).predictions == 20
    assert model.count == 20
