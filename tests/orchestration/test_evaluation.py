"""The gate of task.yml as a blocking check: from beta on a version that may not ship asks for no row of the day."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import dagster as dg
import pytest

from tests.end_to_end.workplace import Workplace, numbered_rows
from tests.evaluation.scenario import cases, evaluated_task, obeying
from tests.fakes.model_endpoint import ModelEndpoint
from tests.orchestration.daily import DAY, STEPS, Daily, checks_of, definitions, materialised, metadata_of

ROWS = 3


@pytest.fixture(autouse=True)
def _obeying(model: ModelEndpoint) -> None:
    model.react = obeying


def task_at(daily: Daily, stage: str, name: str, *, labeled: int = 60, **edits: Any) -> str:
    """A task at that stage with labeled cases and some rows of its own; returns its name."""
    source = daily.workplace.rows(f"{name}.csv", numbered_rows(ROWS))
    given = {"record_id": "id", "fields": {"text": "text"}, "source": source}
    return evaluated_task(daily.workplace, name, cases(labeled), stage=stage, input=given, **edits)


def job(daily: Daily, name: str, *, day: str = DAY, **config: Any) -> dg.ExecuteInProcessResult:
    """One partition of the job of that name, with `config` for the evaluation; failures are in the result."""
    ops = {f"{name.removesuffix('_evaluation')}__evaluation": {"config": config}}
    return (
        daily.definitions()
        .resolve_job_def(name)
        .execute_in_process(
            instance=daily.instance,
            partition_key=day,
            run_config={"ops": ops} if config else None,
            raise_on_error=False,
        )
    )


def gate_of(result: dg.ExecuteInProcessResult) -> Any:
    """What the check of the evaluation said."""
    (gate,) = [each for each in result.get_asset_check_evaluations() if each.check_name == "gate"]
    return gate


def failure_of(result: dg.ExecuteInProcessResult, task: str) -> str:
    """Why the evaluation's step failed."""
    return str(result.failure_data_for_node(f"{task}__evaluation"))


@pytest.mark.parametrize("stage", ["beta", "ga"])
def test_a_gate_that_passes_lets_the_day_be_asked(daily: Daily, stage: str) -> None:
    task = task_at(daily, stage, f"good_at_{stage}")
    result = job(daily, task)
    assert result.success
    assert materialised(result) == {f"{task}/{name}" for name in (*STEPS, "evaluation")}
    assert checks_of(result) == {"gate": True, "inputs_gate": True, "completeness": True}
    assert daily.workplace.model.count == 60 + ROWS


def test_a_gate_that_fails_stops_the_day_before_a_row_is_asked(daily: Daily) -> None:
    task = task_at(daily, "beta", "bad_at_beta", right=10)
    result = job(daily, task)
    assert not result.success
    assert materialised(result) == {f"{task}/evaluation"}
    assert f"{task}/evaluation: gate" in failure_of(result, task)
    assert (gate_of(result).severity, gate_of(result).description[:11]) == (dg.AssetCheckSeverity.ERROR, "FAIL; floor")
    numbers = {key: value.value for key, value in gate_of(result).metadata.items() if key.startswith("rule/floor/")}
    assert numbers["rule/floor/n"] == 60
    assert 0 <= numbers["rule/floor/lower"] < numbers["rule/floor/value"] < numbers["rule/floor/threshold"] <= 1
    assert daily.workplace.model.count == 60
    assert {row["purpose"] for row in daily.landed("runs", task)} == {"eval"}


def test_a_gate_that_fails_in_shadow_stops_nothing_but_itself(daily: Daily) -> None:
    task = task_at(daily, "shadow", "bad_in_shadow", right=10)
    alone = job(daily, f"{task}_evaluation")
    assert not alone.success
    assert f"{task}/evaluation: gate" in failure_of(alone, task)
    result = job(daily, task)
    assert result.success
    assert materialised(result) == {f"{task}/{name}" for name in STEPS}


@pytest.mark.parametrize(
    ("stage", "on_inconclusive", "blocks"),
    [("beta", {}, True), ("beta", {"beta": "warn"}, False), ("shadow", {}, False), ("shadow", {"shadow": "block"}, True)],
)  # fmt: skip
def test_an_inconclusive_gate_does_what_the_task_says_for_its_stage(
    daily: Daily, stage: str, on_inconclusive: dict[str, str], blocks: bool
) -> None:
    name = f"unsure_{stage}_{'_'.join(on_inconclusive.values()) or 'as_is'}"
    floor = {"name": "floor", "type": "lower_bound", "at_least": 0.8}
    gate = {"rules": [floor], "on_inconclusive": on_inconclusive}
    task = task_at(daily, stage, name, labeled=8, gate=gate)
    result = job(daily, f"{task}_evaluation" if stage == "shadow" else task)
    expected = dg.AssetCheckSeverity.ERROR if blocks else dg.AssetCheckSeverity.WARN
    assert (gate_of(result).passed, gate_of(result).severity) == (False, expected)
    assert gate_of(result).description.startswith("INCONCLUSIVE; floor: ")
    assert result.success is not blocks
    assert (f"{task}/scores" in materialised(result)) is (stage == "beta" and not blocks)


def test_a_gate_in_which_no_rule_has_a_say_says_so(daily: Daily) -> None:
    not_worse = {"name": "not_worse", "type": "no_regression", "margin": 0.05}
    task = task_at(daily, "beta", "silent", labeled=8, rules=[not_worse])
    result = job(daily, task)
    assert not result.success
    assert gate_of(result).description == "INCONCLUSIVE; no rule counts toward the decision"


def test_the_page_of_an_evaluation_shows_rules_comparisons_and_what_it_cost(daily: Daily) -> None:
    task = task_at(daily, "shadow", "shown", variants={"reworded": 96})
    shown = metadata_of(job(daily, f"{task}_evaluation", candidate="reworded", champion="default"), task, "evaluation")
    assert "| floor | reliability at least 80.0% |" in shown["rules"]
    assert "| reliability | overall |" in shown["comparisons"]
    assert (shown["candidate"], shown["champion"], shown["stage"]) == ("reworded", "default", "shadow")
    assert (shown["openai.calls"], shown["reused_runs"], shown["dagster/partition_row_count"]) == (120, 0, 60)
    assert shown["openai.total_tokens"] == shown["openai.prompt_tokens"] + shown["openai.completion_tokens"] > 0
    assert shown["cost_usd"] > 0
    [landed] = daily.workplace.query("select * from gates where gate_id = @id", id=shown["gate_id"])
    assert (landed["data_date"].isoformat(), landed["decision"]) == (DAY, shown["decision"])
    assert {landed["candidate_run_id"], landed["champion_run_id"]} == {shown["candidate_run_id"], shown["champion_run_id"]}  # fmt: skip
    assert "text number" not in str(shown)


def test_a_rule_on_robustness_is_measured_without_an_option(daily: Daily) -> None:
    robust = {"name": "robust", "type": "robustness", "kind": "whitespace", "margin": 0.1}
    task = task_at(daily, "beta", "robust", rules=[robust])
    result = job(daily, task)
    assert (result.success, gate_of(result).passed) == (True, True)
    shown = metadata_of(result, task, "evaluation")
    assert "| whitespace | reliability | overall |" in shown["robustness"]
    assert (shown["openai.calls"], daily.workplace.model.count) == (120, 120 + ROWS)


def test_the_next_day_asks_the_rows_and_no_case_again(daily: Daily) -> None:
    task = task_at(daily, "beta", "steady")
    assert job(daily, task).success
    asked = daily.workplace.model.count
    result = job(daily, task, day="2026-03-03")
    assert result.success
    shown = metadata_of(result, task, "evaluation")
    assert (shown["openai.calls"], shown["reused_runs"]) == (0, 1)
    assert daily.workplace.model.count == asked  # rows are taken over as well
    days = daily.workplace.query("select data_date from gates where task = @task", task=task)
    assert {row["data_date"].isoformat() for row in days} == {DAY, "2026-03-03"}


def test_a_task_that_cannot_be_judged_is_not_asked_at_beta(daily: Daily) -> None:
    task = task_at(daily, "beta", "without_cases", labeled=0)
    result = job(daily, task)
    assert not result.success
    assert "can never score, because no expected value of 'label' is declared" in failure_of(result, task)
    assert daily.workplace.model.count == 0


def test_an_evaluation_needs_no_main_thread(daily: Daily) -> None:
    task = task_at(daily, "shadow", "threaded")
    with ThreadPoolExecutor(1) as threads:
        result = threads.submit(job, daily, f"{task}_evaluation").result()
    assert result.success


@pytest.mark.parametrize(("stage", "waits"), [("shadow", False), ("beta", True), ("ga", True)])
def test_records_wait_for_the_gate_where_answers_are_acted_on(away: Workplace, stage: str, waits: bool) -> None:
    away.task("sorting", stage=stage)
    defs = definitions(away)
    evaluation, records = (dg.AssetKey(["sorting", name]) for name in ("evaluation", "records"))
    assert defs.resolve_asset_graph().get(records).parent_entity_keys == ({evaluation} if waits else set())
    chosen = defs.resolve_job_def("sorting").asset_layer.executable_asset_keys
    assert (evaluation in chosen) is waits
    assert defs.resolve_job_def("sorting_evaluation").asset_layer.executable_asset_keys == {evaluation}


@pytest.mark.parametrize("edits", [{"stage": "gold"}, {"stage": "beta", "description": 7}])
def test_a_folder_whose_stage_cannot_be_read_is_loaded_and_asks_nothing(daily: Daily, edits: dict[str, Any]) -> None:
    task = daily.task("torn", **edits)
    dg.Definitions.validate_loadable(daily.definitions())
    result = job(daily, task)
    assert not result.success
    assert f"tasks/{task}/task.yml:" in str(result.failure_data_for_node(f"{task}__records"))
    assert daily.workplace.model.count == 0
