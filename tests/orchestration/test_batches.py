"""A task's run by batch ends without waiting, and the sensor goes on with it when the provider is done."""

from __future__ import annotations

import zlib
from collections.abc import Iterator

import dagster as dg
import pytest
import yaml

from orchestration.batch_sensor import BATCHES_TAG, COLLECTED, OUT, REST, RUN_TAG, SENSOR
from tests.fakes.batch_endpoint import BatchEndpoint
from tests.orchestration.daily import DAY, Daily, checks_of, materialised, metadata_of

TASK = "sorting"
ROWS = 6


@pytest.fixture
def model() -> Iterator[BatchEndpoint]:
    with BatchEndpoint(holds=True) as endpoint:
        yield endpoint


@pytest.fixture
def batches(daily: Daily, request: pytest.FixtureRequest) -> Daily:
    """A project with a task of this test's own whose provider takes batches of four."""
    block = {"base_url": daily.workplace.model.url, "batch": {"max_requests": 4}}
    daily.workplace.write("providers.yml", yaml.safe_dump({"openai": block}))
    daily.task(task_of(request), rows=ROWS)
    return daily


@pytest.fixture
def task(request: pytest.FixtureRequest) -> str:
    return task_of(request)


def task_of(request: pytest.FixtureRequest) -> str:
    return f"{TASK}_{zlib.crc32(request.node.name.encode())}"


def looked(daily: Daily) -> list[dg.RunRequest]:
    """What the sensor asks for, looking now."""
    definitions = daily.definitions()
    context = dg.build_sensor_context(instance=daily.instance, definitions=definitions, resources=definitions.resources)
    tick = definitions.resolve_sensor_def(SENSOR).evaluate_tick(context)
    return list(tick.run_requests or [])


def tags(daily: Daily) -> list[str | None]:
    """What each Dagster run says of batches, newest first."""
    return [run.tags.get(BATCHES_TAG) for run in daily.instance.get_runs()]


def test_run_that_sent_batches_ends_well_and_makes_nothing_that_is_not_there(batches: Daily, task: str) -> None:
    result = batches.materialise(task, batch=True)
    assert result.success
    assert materialised(result) == {f"{task}/records"}
    assert checks_of(result) == {"inputs_gate": True, "completeness": False}
    assert batches.days(task, "predictions") == batches.days(task, "scores") == set()
    assert len(batches.landed("runs", task)) == 1


def test_sensor_asks_nobody_while_no_run_awaits_batches(batches: Daily, model: BatchEndpoint, task: str) -> None:
    assert looked(batches) == []
    assert batches.materialise(task).success
    assert looked(batches) == []
    assert not model.requests


def test_sensor_waits_until_every_batch_is_done_and_then_asks_for_the_rest_once(
    batches: Daily, model: BatchEndpoint, task: str
) -> None:
    batches.materialise(task, batch=True)
    assert looked(batches) == []
    model.finish("batch_1")
    assert looked(batches) == []
    model.finish("batch_2")
    [request] = looked(batches)
    assert (request.job_name, request.partition_key) == (task, DAY)
    assert request.asset_selection == [dg.AssetKey([task, name]) for name in REST]
    assert [again.run_key for again in looked(batches)] == [request.run_key]  # Dagster launches a key once


def test_rest_of_the_job_collects_scores_and_ends_the_waiting(batches: Daily, model: BatchEndpoint, task: str) -> None:
    batches.materialise(task, batch=True)
    [waiting] = batches.instance.get_runs()
    assert waiting.tags[BATCHES_TAG] == OUT
    model.finish_all()
    result = batches.materialise(task, only=REST)
    assert result.success
    assert materialised(result) == {f"{task}/{name}" for name in REST}
    assert metadata_of(result, task, "predictions")["run_id"] == waiting.tags[RUN_TAG]
    assert [row["status"] for row in batches.landed("runs", task)] == ["running", "completed"]
    assert len(batches.landed("predictions", task)) == ROWS
    assert model.count == 0
    assert tags(batches) == [None, COLLECTED]
    assert looked(batches) == []


def test_run_that_still_waits_after_a_second_look_is_asked_for_again(
    batches: Daily, model: BatchEndpoint, task: str
) -> None:
    batches.materialise(task, batch=True)
    model.finish("batch_1")
    assert batches.materialise(task, only=REST).success
    assert tags(batches) == [OUT, OUT]
    model.finish("batch_2")
    [request] = looked(batches)
    assert request.run_key == batches.instance.get_runs()[0].run_id


def test_sensor_survives_a_provider_that_does_not_answer(batches: Daily, task: str) -> None:
    batches.materialise(task, batch=True)
    batches.workplace.write(
        "providers.yml", "openai:\n  base_url: http://127.0.0.1:9/v1\n  api_key_env: GONE_API_KEY\n"
    )
    assert looked(batches) == []
