"""Partitions of a task, materialised in this process against a real emulator and a real HTTP endpoint."""

from __future__ import annotations

from datetime import date
from typing import Any

import dagster as dg
import pytest

from tests.end_to_end.workplace import numbered_rows
from tests.orchestration.daily import DAY, STEPS, Daily, checks_of, materialised, metadata_of

TABLES = ("records", "responses", "contents", "predictions", "scores", "estimates")


def test_partition_lands_everything_under_its_own_day(daily: Daily) -> None:
    task = daily.task("sorting", rows=6)
    result = daily.materialise(task, day="2025-07-14")
    assert result.success
    assert materialised(result) == {f"{task}/{name}" for name in STEPS}
    assert checks_of(result) == {"inputs_gate": True, "completeness": True}
    for table in TABLES:
        assert {row["data_date"] for row in daily.landed(table, task)} == {date(2025, 7, 14)}, table
    assert len(daily.landed("predictions", task)) == 6
    assert daily.workplace.model.count == 6


def test_run_is_started_and_finished_once(daily: Daily) -> None:
    task = daily.task("sorting_events")
    daily.materialise(task)
    events = [(row["event"], row["status"]) for row in daily.landed("runs", task)]
    assert events == [("started", "running"), ("finished", "completed")]


def test_materialising_a_partition_again_asks_nothing_again(daily: Daily) -> None:
    task = daily.task("sorting_again")
    daily.materialise(task)
    again = daily.materialise(task)
    assert again.success
    assert daily.workplace.model.count == 6
    shown = metadata_of(again, task, "predictions")
    assert (shown["reused"], shown["openai.calls"]) == (6, 0)
    assert len({row["run_id"] for row in daily.landed("predictions", task)}) == 2


def test_the_records_say_what_asking_them_will_cost(daily: Daily) -> None:
    task = daily.task("sorting_forecast")
    first = metadata_of(daily.materialise(task), task, "records")
    assert first["forecast"].startswith("forecast: $0.")
    assert first["forecast/requests"] == 6
    assert 0 <= first["forecast/low_usd"] < first["forecast/high_usd"]
    again = metadata_of(daily.materialise(task), task, "records")
    assert (again["forecast/requests"], "forecast/low_usd" in again) == (0, False)


def test_reuse_never_asks_everything_again(daily: Daily) -> None:
    task = daily.task("sorting_afresh")
    daily.materialise(task)
    assert daily.materialise(task, reuse="never").success
    assert set(daily.workplace.model.prompts.values()) == {2}


def test_materialising_the_answers_alone_goes_on_with_the_run_of_the_partition(daily: Daily) -> None:
    task = daily.task("sorting_later")
    assert daily.materialise(task, only=("records",)).success
    assert daily.workplace.model.count == 0
    assert daily.materialise(task, only=("responses", "predictions", "scores")).success
    assert daily.workplace.model.count == 6
    assert len({row["run_id"] for row in daily.landed("runs", task)}) == 1


def test_other_day_of_a_task_is_another_run(daily: Daily) -> None:
    task = daily.task("sorting_days")
    for day in (DAY, "2026-03-03"):
        assert daily.materialise(task, day=day, reuse="never").success
    runs = {(row["run_id"], row["data_date"]) for row in daily.landed("predictions", task)}
    assert {day for _, day in runs} == {date(2026, 3, 2), date(2026, 3, 3)}
    assert len(runs) == 2


def test_too_many_rejected_rows_stop_the_task_before_a_call(daily: Daily) -> None:
    task = daily.task("sorting_dirty")
    rows = numbered_rows(6)
    daily.workplace.rows(f"{task}.csv", [{**row, "id": "" if n < 3 else row["id"]} for n, row in enumerate(rows)])
    result = daily.materialise(task)
    assert not result.success
    assert checks_of(result) == {"inputs_gate": False}
    assert "3 of 6 rows rejected" in gate_reason(result)
    assert {event.step_key for event in result.all_events if event.is_step_start} == {f"{task}__records"}
    assert daily.workplace.model.count == 0
    assert len(daily.landed("rejected_records", task)) == 3


def test_answers_of_a_refused_input_cannot_be_materialised_afterwards(daily: Daily) -> None:
    task = daily.task("sorting_refused")
    rows = numbered_rows(6)
    daily.workplace.rows(f"{task}.csv", [{**row, "id": "" if n < 3 else row["id"]} for n, row in enumerate(rows)])
    daily.materialise(task)
    later = daily.materialise(task, only=("responses", "predictions"))
    assert "was rejected at input validation" in str(later.failure_data_for_node(f"{task}__answers"))
    assert daily.workplace.model.count == 0


def test_few_rejected_rows_pass_the_gate_with_a_note(daily: Daily) -> None:
    task = daily.task("sorting_nearly")
    rows = numbered_rows(6)
    daily.workplace.rows(f"{task}.csv", [{**row, "id": "" if n < 1 else row["id"]} for n, row in enumerate(rows)])
    result = daily.materialise(task)
    assert result.success
    (gate,) = [each for each in result.get_asset_check_evaluations() if each.check_name == "inputs_gate"]
    assert gate.metadata["rejected_rows"].value == 1
    assert "missing_id" in str(gate.metadata["note"].value)


def test_metadata_has_counts_tokens_cost_and_the_scorecard(daily: Daily) -> None:
    task = daily.task("sorting_shown")
    result = daily.materialise(task)
    shown = metadata_of(result, task, "scores")
    assert shown["openai.calls"] == shown["status/ok"] == shown["dagster/partition_row_count"] == 6
    assert shown["openai.total_tokens"] == shown["openai.prompt_tokens"] + shown["openai.completion_tokens"] > 0
    assert shown["cost_usd"] > 0
    assert "|" in shown["scorecard"]
    assert (shown["first_try/rate"], shown["first_try/n"], shown["delivered/rate"]) == (1.0, 6, 1.0)
    assert 0 < shown["first_try/low"] < shown["first_try/high"] == 1.0
    assert 0 < shown["latency/p50_ms"] <= shown["latency/p99_ms"]
    assert shown["cost_per_correct_usd"] > 0
    assert metadata_of(result, task, "records")["rows"] == 6


def test_metadata_shows_no_content(daily: Daily) -> None:
    task = daily.task("sorting_private")
    result = daily.materialise(task)
    shown = [str(metadata_of(result, task, name)) for name in STEPS]
    assert [text for text in shown if "text number" in text] == []


@pytest.mark.parametrize(("option", "value", "predictions"), [("limit", 2, 2), ("epochs", 2, 12)])
def test_options_of_the_launch_reach_the_run(daily: Daily, option: str, value: int, predictions: int) -> None:
    task = daily.task(f"sorting_{option}")
    config: dict[str, Any] = {option: value}
    assert daily.materialise(task, **config).success
    assert len(daily.landed("predictions", task)) == predictions


def test_wrong_option_of_the_launch_fails_the_run_with_what_was_expected(daily: Daily) -> None:
    task = daily.task("sorting_wrong")
    result = daily.materialise(task, limit=0)
    assert "--limit is 0: expected at least 1" in str(result.failure_data_for_node(f"{task}__records"))


def test_warehouse_that_went_away_fails_the_step_and_says_so(daily: Daily) -> None:
    task = daily.task("sorting_away")
    daily.workplace.environment["ASSAY_BIGQUERY_ENDPOINT"] = "http://127.0.0.1:9"
    result = daily.materialise(task)
    assert "does not respond" in str(result.failure_data_for_node(f"{task}__records"))
    assert daily.workplace.model.count == 0


def gate_reason(result: dg.ExecuteInProcessResult) -> str:
    """Why the inputs gate is closed."""
    (gate,) = [each for each in result.get_asset_check_evaluations() if each.check_name == "inputs_gate"]
    return str(gate.metadata["reason"].value)
