"""A batch run that is killed, at any moment: no batch is sent twice, no answer is lost, none is doubled."""

from __future__ import annotations

import json
import os
import shutil
import signal
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from assay.errors import ServiceUnreachable
from assay.records import Batch
from assay.runs.batches.collection import land_batch
from assay.runs.batches.ledger import BatchLedger
from assay.runs.batches.session import open_batch_session
from assay.runs.resume import reopen
from assay.runs.run import Run
from tests.end_to_end.workplace import Workplace, numbered_rows
from tests.fakes.batch_endpoint import BatchEndpoint, Fault
from tests.runs.batches.bench import BatchBench, Killed, dying_at

CHUNK = 4
ROWS, BATCHES = 12, 3


class KillingEndpoint(BatchEndpoint):
    """Kills process `victim` as soon as it has made a batch for it."""

    victim = 0

    def create(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        made = super().create(asked)
        if self.victim:
            os.kill(self.victim, signal.SIGKILL)
        return made


@pytest.fixture
def model() -> Iterator[KillingEndpoint]:
    with KillingEndpoint(holds=True) as endpoint:
        yield endpoint


@pytest.fixture
def bench(place: Workplace) -> BatchBench:
    made = BatchBench(place)
    made.provider(max_requests=CHUNK)
    return made


def admitted(bench: BatchBench, name: str) -> Run:
    return bench.admit(bench.place.task(name), input=bench.place.rows("in.csv", numbered_rows(ROWS)), batch=True)


def killed(bench: BatchBench, name: str, moment: str, *, time: int = 1) -> Run:
    """A run whose process was killed at that moment of its submission."""
    run, bench.dies = admitted(bench, name), dying_at(moment, time=time)
    with pytest.raises(Killed):
        bench.submit(run)
    bench.dies = lambda _: None
    return run


def ends_well(bench: BatchBench, run: Run) -> None:
    """The run goes on to its end; every record has one answer, and no record was in two batches or asked online."""
    bench.resume(run)
    bench.endpoint.finish_all()
    assert bench.resume(run).open == 0
    assert bench.go_on(run.run_id).statuses == {"ok": ROWS}
    places = [custom_id.rsplit(".", 1)[0] for custom_id in bench.endpoint.custom_ids]
    assert sorted(Counter(places).values()) == [1] * ROWS
    assert len(set(bench.endpoint.chunks)) == len(bench.endpoint.chunks) == BATCHES
    assert bench.endpoint.count == 0


@pytest.mark.parametrize("time", [1, 2, 3])
def test_a_batch_that_was_intended_and_not_sent_is_sent_once(bench: BatchBench, name: str, time: int) -> None:
    run = killed(bench, name, "before submit", time=time)
    assert bench.states(run) == [("intent", "submitted")] * (time - 1) + [("intent",)]
    ends_well(bench, run)
    assert bench.clock.waits == [20.0]


@pytest.mark.parametrize("time", [1, 2, 3])
def test_a_batch_that_was_sent_and_not_noted_is_adopted(bench: BatchBench, name: str, time: int) -> None:
    run = killed(bench, name, "after submit", time=time)
    assert bench.states(run)[-1] == ("intent",)
    assert len(bench.endpoint.batches) == time
    ends_well(bench, run)
    assert bench.clock.waits == []


def test_a_batch_that_was_sent_is_adopted_on_a_machine_without_its_file(bench: BatchBench, name: str) -> None:
    run = killed(bench, name, "after submit")
    shutil.rmtree(bench.files(run))
    ends_well(bench, run)


def test_an_intent_whose_file_is_gone_is_abandoned_and_its_requests_are_sent_anew(bench: BatchBench, name: str) -> None:
    run = killed(bench, name, "before submit", time=2)
    shutil.rmtree(bench.files(run))
    ends_well(bench, run)
    assert ("intent", "abandoned") in bench.states(run)


def test_a_batch_whose_answer_was_lost_is_known_without_a_crash(bench: BatchBench, name: str) -> None:
    run = admitted(bench, name)
    bench.endpoint.faults = [Fault("POST /batches", None, after=True)]
    assert bench.submit(run).batches == BATCHES
    ends_well(bench, run)


def test_a_provider_that_is_away_leaves_an_intent_that_a_resume_takes_up(bench: BatchBench, name: str) -> None:
    run = admitted(bench, name)
    bench.endpoint.faults = [Fault("POST /files", 503, times=100)]
    with pytest.raises(ServiceUnreachable, match="uploading the file failed"):
        bench.submit(run)
    assert bench.states(run) == [("intent",)]
    bench.endpoint.faults = []
    ends_well(bench, run)


def test_an_orphan_is_adopted_by_a_look_that_only_collects(bench: BatchBench, name: str) -> None:
    run = killed(bench, name, "after submit")
    bench.endpoint.finish_all()
    stand = bench.collect(run)
    assert (stand.open, stand.answered) == (0, CHUNK)
    ends_well(bench, run)


def test_a_process_killed_while_it_fetches_answers_fetches_them_again(bench: BatchBench, name: str) -> None:
    run = admitted(bench, name)
    bench.submit(run)
    bench.endpoint.finish_all()
    bench.dies = dying_at("before download", time=2)
    with pytest.raises(Killed):
        bench.collect(run)
    bench.dies = lambda _: None
    assert bench.states(run)[1] == ("intent", "submitted", "finished")
    ends_well(bench, run)


@pytest.mark.parametrize("same_machine", [True, False])
def test_answers_landed_twice_are_the_same_calls_and_predictions(
    bench: BatchBench, name: str, same_machine: bool
) -> None:
    run = admitted(bench, name)
    bench.submit(run)
    bench.endpoint.finish_all()
    with open_batch_session(bench.project, run, bench.tools) as desk:
        desk.ledger = DyingLedger.of(bench.project, run)
        [first, *_] = desk.ledger.open()
        finished = desk.ledger.finished(
            first, desk.wait_for(desk.api("openai").retrieve(first.provider_batch_id or ""))
        )
        with pytest.raises(Killed):
            land_batch(desk, finished)
    if not same_machine:
        shutil.rmtree(bench.files(run))
    ends_well(bench, run)
    for table, key in (("responses", "call_id"), ("predictions", "prediction_id"), ("contents", "call_id")):
        rows = bench.place.query(COUNTED[table, key], run=run.run_id)
        assert rows == [{"landed": ROWS + CHUNK, "kept": ROWS}]


def test_kill_9_after_the_provider_took_a_batch_sends_none_twice(bench: BatchBench, name: str) -> None:
    place, endpoint = bench.place, bench.endpoint
    task, source = place.task(name), place.rows("in.csv", numbered_rows(ROWS))
    assert isinstance(endpoint, KillingEndpoint)

    def dies_at_second(request: str) -> None:
        if endpoint.requests["POST /batches"] == 2:
            endpoint.victim = process.pid

    endpoint.told = dies_at_second
    with place.start("run", task, "--input", source, "--batch") as process:
        process.communicate(timeout=60)
    assert process.returncode == -signal.SIGKILL
    endpoint.told, endpoint.victim, endpoint.holds = lambda _: None, 0, False
    [row] = place.query("select run_id from runs where task = @task", task=task)
    endpoint.finish_all()
    summary = place.run(task, "--resume", row["run_id"], "--wait")
    assert (summary["status"], summary["statuses"]) == ("completed", {"ok": ROWS})
    ends_well(bench, reopen(bench.project, row["run_id"]))


def test_the_command_submits_says_how_to_collect_and_collects(bench: BatchBench, name: str) -> None:
    place = bench.place
    task, source = place.task(name), place.rows("in.csv", numbered_rows(ROWS))
    sent = place.command("run", task, "--input", source, "--batch", "--format", "json")
    assert sent.returncode == 0, sent.stderr
    told = json.loads(sent.stdout)
    assert (told["status"], told["batches"], told["open_requests"]) == ("submitted", BATCHES, ROWS)
    assert f"collect the results with: assay run {task} --resume {told['run_id']}" in sent.stderr
    again = place.command("run", task, "--resume", told["run_id"], "--format", "json")
    assert json.loads(again.stdout)["status"] == "submitted"
    bench.endpoint.finish_all()
    summary = place.run(task, "--resume", told["run_id"])
    assert (summary["status"], summary["predictions"], bench.endpoint.count) == ("completed", ROWS, 0)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--wait"], "--wait has no effect without --batch"),
        (["--resume", "RUN", "--batch"], "because it was started without --batch"),
    ],
)
def test_options_of_a_batch_are_refused_where_there_is_none(
    bench: BatchBench, name: str, arguments: list[str], message: str
) -> None:
    task, source = bench.place.task(name), bench.place.rows("in.csv", numbered_rows(2))
    run_id = bench.run(task, input=source).run_id
    done = bench.place.command("run", task, *[run_id if word == "RUN" else word for word in arguments])
    assert done.returncode == 3
    assert message in done.stderr


class DyingLedger(BatchLedger):
    """Of a process that is killed when all answers are landed, before it can say so."""

    def landed(self, batch: Batch, *, answered: int, failed: int, missing: int) -> Batch:
        raise Killed


COUNTED = {
    (table, key): f"select count(*) as landed, count(distinct {key}) as kept from {table} where run_id = @run"
    for table, key in (("responses", "call_id"), ("predictions", "prediction_id"), ("contents", "call_id"))
}
