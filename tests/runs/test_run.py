"""A run asks what it should, once, and everything it says adds up in the warehouse."""

from __future__ import annotations

import re
from datetime import date
from typing import Any

import orjson
import pytest

from assay.errors import UsageError
from assay.runs.run import RunOptions, oldest_reused
from tests.end_to_end.workplace import Workplace, numbered_rows
from tests.fakes.model_endpoint import Asked, ModelEndpoint, Reaction, failing, well
from tests.runs.bench import DAY, Bench

EIGHT = numbered_rows(8)


def by_record(place: Workplace, run_id: str) -> dict[str, dict[str, Any]]:
    rows = place.query("select * from predictions where run_id = @run", run=run_id)
    assert len(rows) == len({(row["record_id"], row["epoch"]) for row in rows})
    return {row["record_id"]: row for row in rows}


def test_every_row_is_rejected_or_a_record_and_every_record_has_its_predictions(bench: Bench, name: str) -> None:
    place = bench.place
    rows = [*EIGHT, EIGHT[0], {"id": "", "text": "without an id"}]
    summary = bench.run(place.task(name), input=place.rows("in.csv", rows), epochs=3)
    assert (summary.rows_read, summary.rejected, summary.records) == (10, 3, 7)
    assert summary.predictions == summary.expected_predictions == 7 * 3
    counted = {
        table: place.query(f"select count(*) as n from {table} where run_id = @run", run=summary.run_id)[0]["n"]
        for table in ("records", "rejected_records", "predictions", "responses", "contents", "scores")
    }
    assert counted == {
        "records": 7, "rejected_records": 3, "predictions": 21, "responses": 21, "contents": 21, "scores": 21,
    }  # fmt: skip


def test_a_finished_run_has_a_started_and_a_finished_row_that_agree(bench: Bench, name: str) -> None:
    summary = bench.run(bench.place.task(name), input=bench.place.rows("in.csv", EIGHT))
    sql = "select * from runs where run_id = @run order by event desc"
    started, finished = bench.place.query(sql, run=summary.run_id)
    assert (started["event"], started["status"], started["predictions"]) == ("started", "running", None)
    assert (finished["event"], finished["status"], finished["predictions"]) == ("finished", "completed", 8)
    for row in (started, finished):
        assert (row["rows_read"], row["rows_rejected"], row["records"]) == (8, 0, 8)


def test_every_prediction_names_its_call_and_every_call_its_messages(bench: Bench, name: str) -> None:
    place = bench.place
    run_id = bench.run(place.task(name), input=place.rows("in.csv", EIGHT)).run_id
    sql = """
    select contents.messages as messages, predictions.output as output, responses.cost_usd as cost
    from predictions
    join responses on predictions.call_id = responses.call_id
    join contents on contents.call_id = responses.call_id
    where predictions.run_id = @run and predictions.record_id = 'r00003'
    """
    [row] = place.query(sql, run=run_id)
    assert row["messages"] == [{"role": "user", "content": "text number 00003"}]
    assert row["output"] == {"label": "question", "note": "text"}
    assert row["cost"] > 0


def test_a_second_run_reuses_every_answer_and_sends_nothing(bench: Bench, model: ModelEndpoint, name: str) -> None:
    place = bench.place
    task, file = place.task(name), place.rows("in.csv", EIGHT)
    first = by_record(place, bench.run(task, input=file).run_id)
    summary = bench.run(task, input=file, data_date=date(2024, 5, 2))
    again = by_record(place, summary.run_id)
    assert (model.count, summary.reused, summary.calls) == (8, 8, 0)
    for record_id, row in again.items():
        assert row["answer_source"] == "reused"
        assert (row["output"], row["call_id"]) == (first[record_id]["output"], first[record_id]["call_id"])


def test_reuse_never_asks_everything_again(bench: Bench, model: ModelEndpoint, name: str) -> None:
    task, file = bench.place.task(name), bench.place.rows("in.csv", EIGHT)
    for _ in range(2):
        bench.run(task, input=file, reuse="never")
    assert set(model.prompts.values()) == {2}


def test_only_a_row_that_changed_is_asked_again(bench: Bench, model: ModelEndpoint, name: str) -> None:
    place, task = bench.place, bench.place.task(name)
    bench.run(task, input=place.rows("in.csv", EIGHT))
    changed = [*EIGHT[:5], {"id": EIGHT[5]["id"], "text": "other words"}, *EIGHT[6:]]
    summary = bench.run(task, input=place.rows("in.csv", changed))
    assert (summary.reused, summary.calls) == (7, 1)
    assert model.asked[-1].prompt == "other words"


def test_an_answer_that_failed_is_not_reused(bench: Bench, model: ModelEndpoint, name: str) -> None:
    task, file = bench.place.task(name), bench.place.rows("in.csv", EIGHT)
    model.react = failing(400)
    assert bench.run(task, input=file).statuses == {"failed": 8}
    model.react = well
    summary = bench.run(task, input=file)
    assert (summary.statuses, summary.reused) == ({"ok": 8}, 0)


def test_a_changed_prompt_asks_everything_again(bench: Bench, model: ModelEndpoint, name: str) -> None:
    place, file = bench.place, bench.place.rows("in.csv", EIGHT)
    bench.run(place.task(name), input=file)
    bench.run(place.task(name, prompt="Sort: {{ text }}"), input=file)
    assert model.count == 16


def test_each_epoch_is_asked_and_reused_by_itself(bench: Bench, model: ModelEndpoint, name: str) -> None:
    task, file = bench.place.task(name), bench.place.rows("in.csv", EIGHT)
    bench.run(task, input=file, epochs=2)
    assert set(model.prompts.values()) == {2}
    summary = bench.run(task, input=file, epochs=3)
    assert (summary.reused, summary.calls) == (16, 8)


def test_limit_takes_the_first_rows(bench: Bench, model: ModelEndpoint, name: str) -> None:
    summary = bench.run(bench.place.task(name), input=bench.place.rows("in.csv", EIGHT), limit=3)
    assert (summary.rows_read, summary.records) == (3, 3)
    assert set(model.prompts) == {f"text number 0000{n}" for n in range(3)}


def test_a_variant_sends_its_own_parameters_and_is_recorded(bench: Bench, model: ModelEndpoint, name: str) -> None:
    place = bench.place
    task = place.task(name, variants={"warm": {"parameters": {"temperature": 1}}})
    summary = bench.run(task, input=place.rows("in.csv", EIGHT), variant="warm")
    assert {asked.body["temperature"] for asked in model.asked} == {1}
    assert {row["variant"] for row in by_record(place, summary.run_id).values()} == {"warm"}


def test_a_budget_of_nothing_sends_nothing_and_says_so_for_each_record(
    bench: Bench, model: ModelEndpoint, name: str
) -> None:
    summary = bench.run(bench.place.task(name), input=bench.place.rows("in.csv", EIGHT), budget_usd=0)
    assert (model.count, summary.statuses) == (0, {"skipped_budget": 8})


def test_a_budget_for_a_model_without_a_price_is_refused(bench: Bench, model: ModelEndpoint, name: str) -> None:
    routes = [{"name": "first", "provider": "openai", "model": "a-model-of-my-own"}]
    task = bench.place.task(name, routes=routes)
    with pytest.raises(UsageError, match=r"openai:a-model-of-my-own .* has no price"):
        bench.run(task, input=bench.place.rows("in.csv", EIGHT), budget_usd=1)
    assert model.count == 0


def test_golden_cases_are_an_input_by_themselves_and_by_split(bench: Bench, name: str) -> None:
    cases = [
        {"case_id": f"g{n}", "split": split, "input": {"text": f"case {n}"}, "expected": {"label": "question"}}
        for n, split in enumerate(("dev", "gate", "gate"))
    ]
    task = bench.place.task(name, cases=cases)
    assert bench.run(task).records == 3
    summary = bench.run(task, input="golden:gate")
    assert summary.records == 2
    rows = bench.place.query("select population, expected from records where run_id = @run", run=summary.run_id)
    assert rows == [{"population": "golden:gate", "expected": {"label": "question"}}] * 2


def test_a_table_of_the_warehouse_is_an_input(bench: Bench, model: ModelEndpoint, name: str) -> None:
    place = bench.place
    sql = f"create table `{name}` as select cast(n as string) as id, concat('row ', n) as text from unnest([1, 2, 3]) as n"
    place.warehouse().query(sql)
    assert bench.run(place.task(name), input=f"assay-local.dev_landing.{name}").records == 3
    assert set(model.prompts) == {"row 1", "row 2", "row 3"}


def test_a_query_is_an_input_and_knows_the_day(bench: Bench, model: ModelEndpoint, name: str) -> None:
    sql = "select 'one' as id, concat('the day is ', cast(@data_date as string)) as text"
    summary = bench.run(bench.place.task(name), input=sql, data_date=DAY)
    assert list(model.prompts) == ["the day is 2024-05-01"]
    [row] = bench.place.query(
        "select input_source, data_date from runs where run_id = @run limit 1", run=summary.run_id
    )
    assert row["input_source"].startswith("query:")
    assert row["data_date"] == DAY


def test_numbers_dates_and_nulls_of_the_warehouse_reach_the_prompt_as_text(
    bench: Bench, model: ModelEndpoint, name: str
) -> None:
    sql = """
    select 7 as id, date '2024-02-29' as d, numeric '7.125' as m, cast(null as string) as n, [1, 2] as a, true as b,
        json '{"k": 1}' as j
    """
    fields = {column: column for column in "dmnabj"}
    task = bench.place.task(
        name, input={"record_id": "id", "fields": fields}, prompt="{{ d }}|{{ m }}|{{ n }}|{{ a }}|{{ b }}|{{ j }}"
    )
    bench.run(task, input=sql)
    assert list(model.prompts) == ['2024-02-29|7.125||[1,2]|true|{"k":1}']


def test_a_record_whose_answer_is_never_valid_ends_with_a_status_and_the_run_goes_on(
    bench: Bench, model: ModelEndpoint, name: str
) -> None:
    def react(asked: Asked) -> Reaction:
        return Reaction(text="no JSON") if asked.prompt.endswith("3") else well(asked)

    model.react = react
    summary = bench.run(bench.place.task(name), input=bench.place.rows("in.csv", EIGHT))
    assert summary.statuses == {"ok": 7, "invalid_output": 1}
    assert model.count == 9  # one repair turn


@pytest.mark.parametrize(
    "text", ["\ud800", '{"label": "question", "note": "\\u0000\\ud83d"}', '{"label": 1e400}', "[" * 5000]
)
def test_a_hostile_answer_costs_its_own_record_only(bench: Bench, model: ModelEndpoint, name: str, text: str) -> None:
    def react(asked: Asked) -> Reaction:
        return Reaction(text=text) if asked.prompt.endswith("3") else well(asked)

    model.react = react
    summary = bench.run(bench.place.task(name), input=bench.place.rows("in.csv", EIGHT), reuse="never")
    assert (summary.predictions, summary.statuses["ok"]) == (8, 7)


def test_composite_ids_are_hashed_and_stay_the_same(bench: Bench, name: str) -> None:
    place = bench.place
    task = place.task(name, input={"record_id": ["id", "text"], "fields": {"text": "text"}})
    file = place.rows("in.csv", EIGHT)
    first = set(by_record(place, bench.run(task, input=file).run_id))
    assert first == set(by_record(place, bench.run(task, input=file).run_id))
    assert not any("r0000" in record_id for record_id in first)


@pytest.mark.parametrize(
    ("option", "value"),
    [("limit", 0), ("epochs", 0), ("budget_usd", -1), ("budget_usd", float("nan")), ("budget_usd", float("inf"))],
)
def test_a_number_that_makes_no_sense_is_refused(option: str, value: float) -> None:
    with pytest.raises(UsageError, match=rf"--{option.removesuffix('_usd')} is {value}: expected at least"):
        RunOptions(**{"data_date": DAY, option: value})


@pytest.mark.parametrize("policy", ["sometimes", "within 3 weeks", "within -1 days", "within ٣ days", ""])
def test_a_reuse_policy_that_is_none_is_refused_before_anything_is_read(policy: str) -> None:
    with pytest.raises(
        UsageError, match=re.escape("expected one of `always`, `never`, `within N hours`, `within N days`")
    ):
        RunOptions(data_date=DAY, reuse=policy)


def test_an_empty_input_is_not_taken_for_the_task_s_own() -> None:
    with pytest.raises(UsageError, match="--input is empty"):
        RunOptions(data_date=DAY, input=" ")


def test_reuse_within_longer_than_99999_days_is_refused() -> None:
    from datetime import UTC, datetime

    now = datetime(2024, 5, 1, tzinfo=UTC)
    with pytest.raises(UsageError, match="expected one of `always`"):
        oldest_reused(f"within {10**30} days", now=now)
    assert oldest_reused("within 24 hours", now=now) == datetime(2024, 4, 30, tzinfo=UTC)


def test_options_of_a_run_come_back_from_its_row(bench: Bench, name: str) -> None:
    run = bench.admit(bench.place.task(name), input=bench.place.rows("in.csv", EIGHT), epochs=2, reuse="never")
    [row] = bench.place.query("select config from runs where run_id = @run", run=run.run_id)
    config = row["config"] if isinstance(row["config"], dict) else orjson.loads(row["config"])
    assert (config["epochs"], config["reuse"], config["input"]) == (2, "never", "in.csv")
