"""A run by batch ends as one on the wire does, at half the price, whatever a provider leaves out."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from assay.errors import UsageError
from assay.runs.batches.batch_run import batches_running
from assay.runs.batches.session import open_batch_session, refuse_unbatchable
from assay.runs.run import Run
from tests.end_to_end.workplace import PRICED_MODEL, Workplace, numbered_rows
from tests.fakes.batch_endpoint import EXPIRED, NO_LINE, BatchEndpoint
from tests.fakes.model_endpoint import Asked, Reaction, well
from tests.runs.batches.bench import BatchBench, filled
from tests.runs.bench import DAY

EIGHT = numbered_rows(8)
CASCADE = [
    {"name": "first", "provider": "openai", "model": PRICED_MODEL, "escalate": {"checks": ["schema_kept"]}},
    {"name": "second", "provider": "openai", "model": "gpt-4.1-mini"},
]


@pytest.fixture
def model() -> Iterator[BatchEndpoint]:
    with BatchEndpoint(holds=True) as endpoint:
        yield endpoint


@pytest.fixture
def bench(place: Workplace) -> BatchBench:
    made = BatchBench(place)
    made.provider()
    return made


def started(bench: BatchBench, name: str, *, rows: int = 8, **options: Any) -> Run:
    source = bench.place.rows(f"{name}.csv", numbered_rows(rows))
    return bench.admit(bench.place.task(name), input=source, **{"batch": True, **options})


def landed(bench: BatchBench, table: str, run_id: str) -> list[dict[str, Any]]:
    sql = {
        "responses": "select * from responses where run_id = @run order by record_id, occurred_at, landed_at",
        "predictions": "select * from predictions where run_id = @run order by record_id, epoch",
        "contents": "select * from contents where run_id = @run order by record_id",
        "batches": "select * from batches where run_id = @run order by first_position, occurred_at",
    }
    return bench.place.query(sql[table], run=run_id)


def some(reactions: dict[int, Reaction]) -> Any:
    """Reacts by the number in the record's text, well to the others."""
    return lambda asked: reactions.get(int(asked.prompt.split()[-1])) or well(asked)


def test_a_batch_run_lands_the_same_columns_as_a_run_on_the_wire(bench: BatchBench, name: str) -> None:
    task, source = bench.place.task(name, reuse="never"), bench.place.rows("in.csv", EIGHT)
    online = bench.run(task, input=source).run_id
    run = bench.admit(task, input=source, batch=True)
    bench.submit(run)
    bench.endpoint.finish_all()
    bench.collect(run)
    assert bench.end(run).statuses == {"ok": 8}
    for table in ("predictions", "contents", "responses"):
        ours, theirs = landed(bench, table, run.run_id), landed(bench, table, online)
        assert len(ours) == len(theirs) == 8
        differ = {*filled(ours[0]) ^ filled(theirs[0])}
        assert differ == ({"latency_ms", "queue_ms", "service_tier"} if table == "responses" else set())
    assert [row["output"] for row in landed(bench, "predictions", run.run_id)] == [
        row["output"] for row in landed(bench, "predictions", online)
    ]


def test_a_batch_is_priced_at_half(bench: BatchBench, name: str) -> None:
    task, source = bench.place.task(name, reuse="never"), bench.place.rows("in.csv", EIGHT)
    online = bench.run(task, input=source)
    run = bench.admit(task, input=source, batch=True)
    bench.submit(run)
    bench.endpoint.finish_all()
    bench.collect(run)
    batched = bench.end(run)
    assert online.cost_usd is not None
    assert (batched.input_tokens, batched.output_tokens) == (online.input_tokens, online.output_tokens)
    assert batched.cost_usd == online.cost_usd / 2
    row = landed(bench, "responses", run.run_id)[0]
    assert (row["is_batch"], row["service_tier"], row["billing"]) == (True, "batch", "known")


def test_requests_go_in_files_of_the_providers_size_in_the_order_of_the_input(bench: BatchBench, name: str) -> None:
    bench.provider(max_requests=3)
    stand = bench.submit(run := started(bench, name))
    assert (stand.batches, stand.open, stand.requests, stand.open_requests) == (3, 3, 8, 8)
    assert [len(held.lines) for held in bench.endpoint.batches.values()] == [3, 3, 2]
    assert [int(custom_id.split(".")[0]) for custom_id in bench.endpoint.custom_ids] == list(range(8))
    assert bench.states(run) == [("intent", "submitted")] * 3


def test_a_file_is_never_larger_than_the_provider_takes(bench: BatchBench, name: str) -> None:
    bench.submit(started(bench, name, rows=2))
    size = len(bench.endpoint.files["file-1"]) // 2
    most = 3 * size + 20  # the second task's name is longer
    bench.provider(max_file_bytes=most)
    bench.submit(started(bench, f"{name}_2"))
    sizes = [len(content) for content in list(bench.endpoint.files.values())[1:]]
    assert [content // size for content in sizes] == [3, 3, 2]
    assert max(sizes) <= most


def test_epochs_are_requests_of_their_own(bench: BatchBench, name: str) -> None:
    run = started(bench, name, epochs=2)
    bench.submit(run)
    bench.endpoint.finish_all()
    assert bench.collect(run).answered == 16
    assert Counter(row["epoch"] for row in landed(bench, "predictions", run.run_id)) == {0: 8, 1: 8}


def test_collecting_waits_for_nothing_and_lands_what_is_finished(bench: BatchBench, name: str) -> None:
    bench.provider(max_requests=4)
    bench.submit(run := started(bench, name))
    stand = bench.collect(run)
    assert (stand.open, stand.answered, bench.clock.waits) == (2, 0, [])
    bench.endpoint.finish("batch_2")
    stand = bench.collect(run)
    assert (stand.open, stand.open_requests, stand.answered) == (1, 4, 4)
    assert bench.states(run) == [("intent", "submitted"), ("intent", "submitted", "finished", "landed")]
    assert [row["record_id"] for row in landed(bench, "predictions", run.run_id)] == [row["id"] for row in EIGHT[4:]]


def test_batches_that_still_run_are_counted_without_touching_anything(bench: BatchBench, name: str) -> None:
    bench.provider(max_requests=4)
    bench.submit(run := started(bench, name))
    bench.endpoint.finish("batch_1")
    assert batches_running(bench.project, run.run_id, data_date=DAY) == (1, 2)
    bench.endpoint.finish("batch_2")
    assert batches_running(bench.project, run.run_id, data_date=DAY) == (0, 2)
    assert bench.states(run) == [("intent", "submitted")] * 2


def test_what_a_batch_did_not_answer_is_asked_online_and_nothing_else(bench: BatchBench, name: str) -> None:
    invalid = Reaction(text=json.dumps({"label": "none of them"}))
    bench.endpoint.line = some({1: EXPIRED, 2: NO_LINE, 3: Reaction(status=500), 4: invalid})
    bench.submit(run := started(bench, name))
    bench.endpoint.finish_all()
    stand = bench.collect(run)
    assert (stand.open, stand.answered, stand.failed, stand.missing) == (0, 5, 2, 1)
    assert bench.endpoint.count == 0
    summary = bench.end(run)
    assert (summary.status, summary.statuses) == ("completed", {"ok": 8})
    assert sorted(asked.prompt[-1] for asked in bench.endpoint.asked) == ["1", "2", "3", "4"]


def test_calls_that_a_batch_failed_stay_in_the_record_with_why_and_cost_nothing(bench: BatchBench, name: str) -> None:
    bench.endpoint.line = some({1: EXPIRED, 2: NO_LINE, 3: Reaction(status=500)})
    bench.submit(run := started(bench, name, rows=4))
    bench.endpoint.finish_all()
    bench.collect(run)
    failed = [row for row in landed(bench, "responses", run.run_id) if row["status"] != "ok"]
    assert [row["error_message"].split(":")[0] for row in failed] == [
        "batch_expired",
        "the batch ended (completed) without a result for this request",
        "HTTP 500",
    ]
    assert {(row["is_batch"], row["billing"], row["cost_usd"]) for row in failed} == {(True, "known", 0)}


def test_a_batch_that_expired_half_way_keeps_what_it_answered(bench: BatchBench, name: str) -> None:
    bench.submit(run := started(bench, name))
    bench.endpoint.finish_all("expired", answered=5)
    stand = bench.collect(run)
    assert (stand.answered, stand.missing) == (5, 3)
    assert bench.end(run).statuses == {"ok": 8}
    assert bench.endpoint.count == 3


@pytest.mark.parametrize("status", ["cancelled", "failed"])
def test_a_batch_that_brought_nothing_goes_online(bench: BatchBench, name: str, status: str) -> None:
    bench.submit(run := started(bench, name))
    if status == "failed":
        bench.endpoint.fail("batch_1", "token_limit_exceeded", "too much in the queue")
    bench.endpoint.finish_all(status, answered=0)
    assert bench.collect(run).missing == 8
    [row] = [row for row in landed(bench, "batches", run.run_id) if row["state"] == "landed"]
    assert row["provider_status"] == status
    assert bench.end(run).statuses == {"ok": 8}


def test_what_a_batch_did_not_answer_may_go_by_another_batch(bench: BatchBench, name: str) -> None:
    bench.endpoint.line = some({1: EXPIRED, 5: EXPIRED})
    bench.submit(run := started(bench, name))
    bench.endpoint.finish_all()
    bench.endpoint.line = well
    assert bench.resume(run).batches == 1
    assert bench.resume(run, again=True).open_requests == 2
    assert [line["custom_id"].split(".")[0] for line in bench.endpoint.batches["batch_2"].lines] == ["1", "5"]
    bench.endpoint.finish_all()
    assert bench.resume(run).open == 0
    assert len(set(bench.endpoint.chunks)) == 2
    assert (bench.end(run).statuses, bench.endpoint.count) == ({"ok": 8}, 0)


def test_no_more_batches_are_open_than_the_provider_takes(bench: BatchBench, name: str) -> None:
    bench.provider(max_requests=3, max_open=2)
    run = started(bench, name)
    assert bench.submit(run).requests == 6
    assert bench.resume(run).batches == 2
    bench.endpoint.finish("batch_1")
    stand = bench.resume(run)
    assert (stand.batches, stand.open, stand.requests) == (3, 2, 8)
    bench.endpoint.finish_all()
    assert bench.resume(run).answered == 8
    assert len(set(bench.endpoint.custom_ids)) == len(bench.endpoint.custom_ids) == 8


def test_submitting_again_sends_nothing_again(bench: BatchBench, name: str) -> None:
    bench.submit(run := started(bench, name))
    assert bench.submit(run).batches == 1
    assert bench.submit(run, again=True).batches == 1
    assert len(bench.endpoint.batches) == 1


def test_a_second_chance_by_batch_keeps_its_first_outcome(bench: BatchBench, name: str) -> None:
    bench.place.model.react = some({3: Reaction(status=400)})
    task, source = bench.place.task(name), bench.place.rows("in.csv", EIGHT)
    first = landed(bench, "predictions", bench.run(task, input=source).run_id)
    bench.place.model.react = well
    run = bench.admit(task, input=source, batch=True)
    bench.submit(run)
    bench.endpoint.finish_all()
    bench.collect(run)

    again = landed(bench, "predictions", bench.end(run).run_id)

    assert [row["first_prediction_id"] for row in again] == [row["prediction_id"] for row in first]
    assert (again[3]["status"], again[3]["first_status"], again[3]["answer_source"]) == ("ok", "failed", "wire")


def test_answers_of_an_earlier_run_are_reused_and_not_sent(bench: BatchBench, name: str) -> None:
    task = bench.place.task(name, reuse="always")
    bench.run(task, input=bench.place.rows("in.csv", EIGHT[:5]))
    run = bench.admit(task, input=bench.place.rows("in.csv", EIGHT), batch=True)
    assert bench.submit(run).requests == 3
    bench.endpoint.finish_all()
    bench.collect(run)
    summary = bench.end(run)
    assert (summary.reused, summary.predictions, bench.endpoint.count) == (5, 8, 5)


def test_a_budget_holds_for_what_is_out(bench: BatchBench, name: str) -> None:
    bench.submit(full := started(bench, name))
    estimate = landed(bench, "batches", full.run_id)[0]["estimate_usd"]
    run = started(bench, f"{name}_2", budget_usd=float(estimate) * 0.6)
    assert bench.submit(run).requests == 4
    assert bench.submit(run).requests == 4


def test_a_cascade_is_asked_online(bench: BatchBench, name: str) -> None:
    task = bench.place.task(name, routes=CASCADE)
    run = bench.admit(task, input=bench.place.rows("in.csv", EIGHT), batch=True)
    assert bench.submit(run).batches == 0
    assert (bench.end(run).statuses, bench.endpoint.count) == ({"ok": 8}, 8)


def test_a_record_that_no_prompt_can_be_made_of_fails_online(bench: BatchBench, name: str) -> None:
    task = bench.place.task(name, prompt="{{ 1 / (text | length - 19) }}{{ text }}")
    rows = [*EIGHT, {"id": "odd", "text": "x" * 19}]
    run = bench.admit(task, input=bench.place.rows("in.csv", rows), batch=True)
    assert bench.submit(run).requests == 8
    bench.endpoint.finish_all()
    bench.collect(run)
    assert bench.end(run).statuses == {"ok": 8, "failed": 1}


def test_masked_details_stay_masked_in_the_file_and_its_answers_are_restored_later(
    bench: BatchBench, name: str
) -> None:
    task = bench.place.task(name, masking={"enabled": True})
    rows = [{"id": "a", "text": "write to ann@example.com"}]
    bench.submit(run := bench.admit(task, input=bench.place.rows("in.csv", rows), batch=True))
    assert b"ann@example.com" not in bench.endpoint.files["file-1"]
    bench.endpoint.finish_all()
    bench.collect(run)
    assert "ann@example.com" not in json.dumps(landed(bench, "contents", run.run_id), default=str)


def test_nothing_is_left_on_disk_of_what_is_landed(bench: BatchBench, name: str) -> None:
    bench.submit(run := started(bench, name))
    assert len(list(bench.files(run).glob("*.names"))) == 1
    bench.endpoint.finish_all()
    bench.collect(run)
    assert [path.name for path in bench.files(run).iterdir()] == ["lock"]


def test_two_processes_do_not_have_the_same_batches(bench: BatchBench, name: str) -> None:
    run = started(bench, name)
    with (
        open_batch_session(bench.project, run, bench.tools),
        pytest.raises(UsageError, match=f"Another process .* --resume {run.run_id}"),
    ):
        bench.submit(run)


def test_a_task_without_a_provider_that_takes_batches_is_refused(bench: BatchBench, name: str) -> None:
    project = bench.project
    refuse_unbatchable(project, project.task(bench.place.task(name)))
    bench.place.write("providers.yml", f"openai:\n  base_url: {bench.endpoint.url}\n")
    with pytest.raises(UsageError, match=r"providers\.yml has no `batch` block for 'openai'"):
        refuse_unbatchable(bench.project, bench.project.task(name))


def test_an_answer_is_taken_for_its_own_record(bench: BatchBench, name: str) -> None:
    def labeled(asked: Asked) -> Reaction:
        return Reaction(text=json.dumps({"label": "praise", "note": asked.prompt}))

    bench.endpoint.line = labeled
    bench.provider(max_requests=3)
    bench.submit(run := started(bench, name))
    bench.endpoint.finish_all()
    bench.collect(run)
    outputs = {row["record_id"]: row["output"] for row in landed(bench, "predictions", run.run_id)}
    notes = {
        record: json.loads(value)["note"] if isinstance(value, str) else value["note"]
        for record, value in outputs.items()
    }
    assert notes == {row["id"]: row["text"] for row in EIGHT}
