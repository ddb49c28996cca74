"""The block `adopt` of task.yml in Dagster: an asset, a job and a schedule that land a table each day."""

from __future__ import annotations

from typing import Any

import dagster as dg

from tests.adoption.scenario import INPUT, label_task
from tests.end_to_end.workplace import Workplace
from tests.orchestration.daily import DAY, Daily, checks_of, definitions, materialised, metadata_of

TABLE = (
    "select concat('r', cast(n as string)) as id, cast(@data_date as string) as text, 'a' as gold, "
    "if(n < 2, null, 'a') as vendor, if(n < 5, 'a', 'b') as other from unnest(generate_array(0, 9)) as n"
)
ADOPT = {"input": TABLE, "answers": {"vendor": "vendor", "second": "other"}}


def adopting(workplace: Workplace, name: str, **block: Any) -> str:
    """A task that adopts a query."""
    source = workplace.rows(f"{name}.csv", [{"id": "r0", "text": "t", "gold": "a"}])
    return label_task(workplace, name, input={**INPUT, "source": source}, adopt={**ADOPT, **block})


def adopt_day(daily: Daily, task: str, day: str = DAY) -> dg.ExecuteInProcessResult:
    """One partition of the job; failures are in the result."""
    job = daily.definitions().resolve_job_def(f"{task}_adoption")
    return job.execute_in_process(instance=daily.instance, partition_key=day, raise_on_error=False)


def test_a_day_is_adopted_with_its_counts_and_repeating_it_lands_nothing(daily: Daily) -> None:
    task = adopting(daily.workplace, "daily_table")
    result = adopt_day(daily, task)

    assert result.success and materialised(result) == {f"{task}/adopted"}
    assert checks_of(result) == {"inputs_gate": True}
    shown = metadata_of(result, task, "adopted")
    assert (shown["vendor/predictions"], shown["vendor/no_answer"], shown["vendor/reliability"]) == (10, 2, 0.8)
    assert (shown["second/valid"], shown["second/reliability"]) == (10, 0.5)
    again = metadata_of(adopt_day(daily, task), task, "adopted")
    assert again["vendor/run_id"] == shown["vendor/run_id"]
    other = adopt_day(daily, task, "2026-03-03")
    assert metadata_of(other, task, "adopted")["vendor/run_id"] != shown["vendor/run_id"]
    assert {str(row["data_date"]) for row in daily.landed("predictions", task)} == {DAY, "2026-03-03"}
    assert len(daily.landed("predictions", task)) == 40
    assert daily.workplace.model.count == 0


def test_a_rejected_input_fails_the_check_and_not_the_process(daily: Daily) -> None:
    task = adopting(daily.workplace, "all_the_same_id", input=TABLE.replace("cast(n as string)", "'1'"))
    result = adopt_day(daily, task)
    assert checks_of(result) == {"inputs_gate": False}
    assert {row["status"] for row in daily.landed("runs", task)} == {"running", "failed"}


def test_the_asset_is_no_part_of_the_job_that_requests_predictions(away: Workplace) -> None:
    task = adopting(away, "sorting")
    plain = away.task("without")
    defs = definitions(away)
    assert dg.AssetKey([task, "adopted"]) not in defs.resolve_job_def(task).asset_layer.executable_asset_keys
    graph = defs.resolve_asset_graph()
    assert not graph.has(dg.AssetKey([plain, "adopted"]))
    assert dg.AssetKey([task, "adopted"]) in graph.get(dg.AssetKey(["landing", "runs"])).parent_entity_keys


def test_the_adoption_has_a_schedule_of_its_own_that_is_off(away: Workplace) -> None:
    task = adopting(away, "sorting", schedule={"cron": "0 5 * * *"})
    schedule = definitions(away).resolve_schedule_def(f"{task}_adoption_schedule")
    assert schedule.default_status == dg.DefaultScheduleStatus.STOPPED
    assert (schedule.cron_schedule, schedule.job_name) == ("0 5 * * *", f"{task}_adoption")
