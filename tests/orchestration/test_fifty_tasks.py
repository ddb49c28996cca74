"""Fifty tasks keep fifty separate states, schedules, checks and backfills."""

from __future__ import annotations

import shutil
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import dagster as dg
import pytest

from tests.end_to_end.workplace import Workplace
from tests.fakes.model_endpoint import ModelEndpoint
from tests.orchestration.daily import DAY, STEPS, Daily, definitions

NAMES = [f"task_{number:02}" for number in range(50)]
ZONES = ("UTC", "Europe/Berlin", "Asia/Tokyo", "America/Los_Angeles", "Pacific/Auckland")


@pytest.fixture(scope="module")
def fifty(tmp_path_factory: pytest.TempPathFactory, parsed: Path) -> dg.Definitions:
    from tests.orchestration.conftest import NOBODY_LISTENS, with_dbt

    with ModelEndpoint() as model:
        workplace = with_dbt(Workplace(tmp_path_factory.mktemp("fifty"), NOBODY_LISTENS, model), parsed)
    for number, name in enumerate(NAMES):
        workplace.task(name, schedule={"cron": f"{number} 6 * * *", "timezone": ZONES[number % len(ZONES)]})
    return definitions(workplace)


def test_each_task_has_assets_that_depend_on_nothing_of_another(fifty: dg.Definitions) -> None:
    graph = fifty.resolve_asset_graph()
    for name in NAMES:
        own = {dg.AssetKey([name, step]) for step in STEPS}
        assert own <= graph.executable_asset_keys
        assert {parent for key in own for parent in graph.get(key).parent_entity_keys} <= own


def test_each_job_selects_the_assets_and_checks_of_its_task_alone(fifty: dg.Definitions) -> None:
    for name in NAMES:
        layer = fifty.resolve_job_def(name).asset_layer
        assert layer.executable_asset_keys == {dg.AssetKey([name, step]) for step in STEPS}
        assert {key.asset_key.path[0] for key in layer.asset_graph.asset_check_keys} == {name}


def test_each_schedule_is_stopped_until_it_is_turned_on(fifty: dg.Definitions) -> None:
    schedules = list(fifty.schedules or ())
    assert {schedule.name for schedule in schedules} == {f"{name}_schedule" for name in NAMES}
    assert {schedule.default_status for schedule in schedules} == {dg.DefaultScheduleStatus.STOPPED}
    assert {schedule.job_name for schedule in schedules} == set(NAMES)


@pytest.mark.parametrize(("name", "zone"), [*zip(NAMES, ZONES, strict=False)])
def test_tick_runs_the_day_before_it_in_the_zone_of_the_schedule(fifty: dg.Definitions, name: str, zone: str) -> None:
    tick = datetime(2026, 3, 3, 6, 0, tzinfo=ZoneInfo(zone))
    schedule = fifty.resolve_schedule_def(f"{name}_schedule")
    assert schedule.execution_timezone == zone
    for moment in (tick, tick.astimezone(ZoneInfo("UTC"))):
        (request,) = requests_at(fifty, name, moment)
        assert (request.partition_key, request.run_key) == (DAY, f"{name}:{DAY}")


def test_second_tick_of_a_day_has_the_run_key_of_the_first(fifty: dg.Definitions) -> None:
    keys = {
        request.run_key
        for hour in (0, 6, 23)
        for request in requests_at(fifty, NAMES[0], datetime(2026, 3, 3, hour, tzinfo=ZoneInfo("UTC")))
    }
    assert keys == {f"{NAMES[0]}:{DAY}"}


def test_tick_after_the_clocks_changed_runs_the_day_before(fifty: dg.Definitions) -> None:
    (request,) = requests_at(fifty, NAMES[1], datetime(2026, 3, 30, 0, 30, tzinfo=ZoneInfo("Europe/Berlin")))
    assert request.partition_key == "2026-03-29"


def test_partitions_and_failures_of_a_task_leave_the_others_untouched(daily: Daily) -> None:
    first, second, third = (daily.task(name) for name in ("ours", "theirs", "broken_input"))
    (daily.workplace.root / "broken_input.csv").unlink()
    for day in (DAY, "2026-03-01"):
        assert daily.materialise(first, day=day).success
    assert not daily.materialise(third).success
    assert daily.days(first, "scores") == {DAY, "2026-03-01"}
    assert [daily.days(task, step) for task in (second, third) for step in STEPS] == [set()] * 8
    assert daily.landed("runs", second) == []


def test_broken_folder_leaves_the_other_tasks_whole(daily: Daily) -> None:
    good = daily.task("whole")
    daily.workplace.write("tasks/torn/task.yml", "name: torn\ninput: [\n")
    dg.Definitions.validate_loadable(daily.definitions())
    assert daily.materialise(good).success


def test_broken_folder_fails_only_when_run_and_says_its_issues(daily: Daily) -> None:
    task = daily.task("torn", output={"model": "output.py:Nothing"}, description=7)
    result = daily.materialise(task)
    assert not result.success
    failure = str(result.failure_data_for_node(f"{task}__records"))
    assert "tasks/torn/task.yml:" in failure
    assert "description" in failure


@pytest.mark.parametrize(
    "folder", ["marts", "landing", "reporting", "config", "class", "input", "my-task", "Größe", "with space"]
)
def test_folder_whose_name_dagster_cannot_carry_leaves_the_others_whole(away: Workplace, folder: str) -> None:
    away.task("sorting", schedule={"cron": "0 6 * * *"})
    away.task(folder, schedule={"cron": "0 6 * * *"})
    defs = definitions(away)
    dg.Definitions.validate_loadable(defs)
    assert defs.resolve_job_def("sorting").asset_layer.executable_asset_keys == {
        dg.AssetKey(["sorting", step]) for step in STEPS
    }
    own = [key for key in defs.resolve_asset_graph().executable_asset_keys if key.path[0].endswith("_task")]
    assert {key.path[1] for key in own} == {*STEPS, "evaluation"}


def test_folders_that_would_get_the_same_name_get_different_ones(away: Workplace) -> None:
    for folder in ("my-task", "my task", "my_task_task"):
        away.task(folder)
    graph = definitions(away).resolve_asset_graph()
    groups = {graph.get(key).group_name for key in graph.executable_asset_keys if key.path[1] == "records"}
    assert len(groups - {"landing"}) == 3


def test_folder_named_as_the_evaluation_of_another_gets_another_name(away: Workplace) -> None:
    for folder in ("sorting", "sorting_evaluation"):
        away.task(folder)
    defs = definitions(away)
    dg.Definitions.validate_loadable(defs)
    alone = defs.resolve_job_def("sorting_evaluation").asset_layer.executable_asset_keys
    assert alone == {dg.AssetKey(["sorting", "evaluation"])}
    assert defs.resolve_job_def("sorting_evaluation_task").asset_layer.executable_asset_keys


@pytest.mark.parametrize("cron", ["61 6 * * *", "0 6 31 2 *", "a b c d e", "0 6 * * 8"])
def test_cron_that_no_calendar_has_leaves_the_others_whole(away: Workplace, cron: str) -> None:
    away.task("sorting", schedule={"cron": "0 6 * * *"})
    away.task("never", schedule={"cron": cron})
    defs = definitions(away)
    dg.Definitions.validate_loadable(defs)
    assert {schedule.name for schedule in defs.schedules or ()} == {"sorting_schedule"}
    described = defs.resolve_asset_graph().get(dg.AssetKey(["never", "records"])).description
    assert "cron" in (described or "")


def test_folder_that_cannot_be_read_leaves_the_others_whole(away: Workplace) -> None:
    away.task("sorting")
    away.write("tasks/bytes/task.yml", b"name: \xff\xfe")
    (away.root / "tasks" / "folder" / "task.yml").mkdir(parents=True)
    (away.root / "tasks" / "empty").mkdir()
    away.write("tasks/nothing/task.yml", "")
    dg.Definitions.validate_loadable(definitions(away))


def test_deleted_folder_is_gone_from_the_next_definitions(away: Workplace) -> None:
    for name in ("first", "second"):
        away.task(name)
    assert {job.name for job in definitions(away).resolve_all_job_defs()} >= {"first", "second"}
    shutil.rmtree(away.root / "tasks" / "second")
    assert "second" not in {job.name for job in definitions(away).resolve_all_job_defs()}


def requests_at(defs: dg.Definitions, task: str, moment: datetime) -> list[dg.RunRequest]:
    """What the task's schedule asks for at a moment."""
    context = dg.build_schedule_context(
        scheduled_execution_time=moment, repository_def=defs.get_repository_def(), resources=defs.resources
    )
    return list(defs.resolve_schedule_def(f"{task}_schedule").evaluate_tick(context).run_requests or ())
