"""A run in shards: by processes of this machine, and by Celery workers of which one dies in the middle."""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import dagster as dg
import pytest
import yaml

from tests.emulator import Endpoints
from tests.end_to_end.workplace import Workplace, until
from tests.fakes.model_endpoint import Asked, ModelEndpoint, Reaction, failing, well
from tests.orchestration.conftest import with_dbt
from tests.orchestration.daily import Daily, checks_of
from tests.orchestration.fleet import (
    Worker,
    ended,
    home_of,
    job,
    processes_of_shards,
    said,
    worker,
    workers_of_steps,
)
from tests.redis_server import needs_redis, running_redis

SHARDS, ROWS = 4, 360
PER_MINUTE, CONCURRENCY = 1800, 16
LOST_AFTER_S, FLUSH_S = 5, 2
NEAR, FAR = "celery@near", "celery@far"
KEY = "k" * 32


def test_shards_together_answer_every_record_once_and_finish_the_run_once(daily: Daily) -> None:
    task = daily.task("sorting_in_shards", rows=40)
    result = daily.materialise(task, shards=3)
    assert result.success
    assert checks_of(result)["completeness"]
    steps = {event.step_key for event in result.all_events if event.is_step_success}
    assert {f"{task}__answers.{task}__shard[{index}_of_3]" for index in range(3)} <= steps
    assert [row["status"] for row in daily.landed("runs", task)] == ["running", "completed"]
    assert len({row["record_id"] for row in daily.landed("predictions", task)}) == daily.workplace.model.count == 40


def test_shard_that_cannot_go_on_leaves_the_run_open_and_the_run_keeps_its_shards(daily: Daily) -> None:
    task, model = daily.task("sorting_refused_shard", rows=40), daily.workplace.model
    model.react = lambda asked: well(asked) if asked.number <= 20 else failing(401)(asked)
    assert not daily.materialise(task, shards=3).success
    assert [row["event"] for row in daily.landed("runs", task)] == ["started"]
    model.react = well
    again = daily.materialise(task, only=("responses", "predictions", "scores"))
    assert again.success
    assert len({event.step_key for event in again.all_events if "__shard[" in str(event.step_key)}) == 3
    runs = daily.landed("runs", task)
    assert [row["status"] for row in runs] == ["running", "completed"]
    assert len({row["run_id"] for row in runs}) == 1
    assert len({row["record_id"] for row in daily.landed("predictions", task)}) == 40


def test_processes_of_one_machine_answer_the_shards_of_a_run(daily: Daily) -> None:
    task, home = daily.task("sorting_in_processes", rows=40), home_of(daily)
    variables = daily.workplace.variables(ASSAY_DAGSTER_EXECUTOR="multiprocess", DAGSTER_HOME=str(home))
    with job(daily, task, variables, shards=2) as process:
        assert ended(process, within_s=600) == 0, said(daily, task)
    assert len(processes_of_shards(home)) == 2
    assert [row["status"] for row in daily.landed("runs", task)] == ["running", "completed"]
    assert len(daily.landed("predictions", task)) == daily.workplace.model.count == 40


@dataclass
class Loss:
    """What happened in a run of two Celery workers, one of which was killed with kill -9 in the middle."""

    daily: Daily
    endpoint: Timed
    task: str = "sorting_shared"
    workers: dict[str, list[str]] = field(default_factory=dict)
    begun_by_killed: set[str] = field(default_factory=set)
    exit_code: int | None = None

    @property
    def shards(self) -> dict[str, list[str]]:
        return {step: names for step, names in self.workers.items() if "__shard[" in step}


class Timed:
    """Answers well and notes when each request came."""

    def __init__(self) -> None:
        self.at: list[float] = []
        self._lock = threading.Lock()

    def __call__(self, asked: Asked) -> Reaction:
        with self._lock:
            self.at.append(time.monotonic())
        return Reaction(text=well(asked).text, delay_s=0.1)

    def most_within(self, seconds: float) -> int:
        """The most requests that came within so many seconds."""
        return max(sum(begin <= at < begin + seconds for at in self.at) for begin in self.at)


@pytest.fixture(scope="module")
def loss(tmp_path_factory: pytest.TempPathFactory, parsed: Path, emulator: Endpoints) -> Iterator[Loss]:
    root: Path = tmp_path_factory.mktemp("near")
    endpoint = Timed()
    with ModelEndpoint(endpoint) as model, running_redis(tmp_path_factory.mktemp("redis")) as redis:
        daily = Daily(with_dbt(Workplace(root, emulator, model), parsed), dg.DagsterInstance.ephemeral(str(root)))
        story = Loss(daily, endpoint)
        limits = {"limits": {"rpm": PER_MINUTE}, "concurrency": CONCURRENCY, "api_key_env": None}
        daily.workplace.write("providers.yml", yaml.safe_dump({"openai": {"base_url": model.url, **limits}}))
        daily.task(story.task, rows=ROWS, budget={"run_usd": 5})
        far = tmp_path_factory.mktemp("far")
        shutil.copytree(root, far, dirs_exist_ok=True)  # another machine: the same code, a disk of its own
        variables = daily.workplace.variables(
            ASSAY_DAGSTER_EXECUTOR="celery",
            ASSAY_REDIS_URL=redis.url,
            ASSAY_CELERY_LOST_AFTER=str(LOST_AFTER_S),
            ASSAY_HASH_KEY=KEY,
            ASSAY_SHARED_DIR=str(tmp_path_factory.mktemp("shared")),
            ASSAY_DAGSTER_HOME=str(home_of(daily)),
            DAGSTER_HOME=str(home_of(daily)),
        )
        with (
            worker("near", root, variables),
            worker("far", far, {**variables, "ASSAY_ROOT": str(far)}) as doomed,
            job(daily, story.task, variables, shards=SHARDS) as process,
        ):
            kill_in_the_middle(story, doomed)
            story.exit_code = ended(process, within_s=600)
        story.workers = workers_of_steps(home_of(daily))
        yield story


def kill_in_the_middle(story: Loss, doomed: Worker) -> None:
    """The worker is killed while both are at a shard and some answers are landed."""

    def both_at_work() -> bool:
        begun = workers_of_steps(home_of(story.daily), under_way=True)
        busy = {names[-1] for step, names in begun.items() if "__shard[" in step}
        return len(busy) == 2 and len(story.endpoint.at) >= ROWS // 4

    until(both_at_work, within_s=600)
    begun = workers_of_steps(home_of(story.daily), under_way=True)
    story.begun_by_killed = {step for step, names in begun.items() if "__shard[" in step and names[-1] == doomed.name}
    doomed.kill()


@needs_redis
@pytest.mark.verify
def test_run_ends_by_itself_after_a_worker_was_killed(loss: Loss) -> None:
    assert loss.exit_code == 0, said(loss.daily, loss.task)
    assert [row["status"] for row in loss.daily.landed("runs", loss.task)] == ["running", "completed"]


@needs_redis
@pytest.mark.verify
def test_both_workers_had_a_part_and_only_what_the_killed_one_had_was_begun_again(loss: Loss) -> None:
    assert {name for names in loss.shards.values() for name in names} == {NEAR, FAR}
    again = {step for step, names in loss.shards.items() if len(names) > 1}
    assert again <= loss.begun_by_killed
    assert len(again) == 1
    assert all(names == [FAR, NEAR] for step, names in loss.shards.items() if step in again)


@needs_redis
@pytest.mark.verify
def test_every_record_has_one_answer_and_only_a_flush_was_asked_again(loss: Loss) -> None:
    predictions = loss.daily.landed("predictions", loss.task)
    assert len({row["prediction_id"] for row in predictions}) == len({row["record_id"] for row in predictions}) == ROWS
    assert {row["status"] for row in predictions} == {"ok"}
    again = loss.daily.workplace.model.count - ROWS
    assert 0 <= again <= CONCURRENCY + FLUSH_S * PER_MINUTE / 60
    assert len({row["call_id"] for row in loss.daily.landed("responses", loss.task)}) >= ROWS


@needs_redis
@pytest.mark.verify
def test_both_workers_stay_within_one_limit(loss: Loss) -> None:
    seconds = 10.0
    assert loss.endpoint.most_within(seconds) <= 1.1 * seconds * PER_MINUTE / 60  # two limits would be twice as much
