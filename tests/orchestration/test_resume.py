"""A run that broke off is re-executed from where it failed: the same Assay run, nothing asked twice."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from tests.emulator import Endpoints
from tests.end_to_end.workplace import Workplace
from tests.fakes.model_endpoint import Asked, ModelEndpoint, Reaction, failing, well
from tests.orchestration.conftest import with_dbt
from tests.orchestration.daily import DAY, Daily
from tests.orchestration.reconstructed import TASK, halfway_job

ROWS, ANSWERED = 60, 25
PARTITION = {"dagster/partition": DAY}


@dataclass(frozen=True)
class Story:
    """What stood in the warehouse after the run broke off, and `daily` as it is after it was re-executed."""

    daily: Daily
    kept: list[dict[str, Any]]
    days_kept: dict[str, set[str]]
    answered: set[str]
    went_on: bool


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory, parsed: Path, emulator: Endpoints) -> Iterator[Story]:
    root: Path = tmp_path_factory.mktemp("halfway")
    with ModelEndpoint(breaks_off) as model, pytest.MonkeyPatch.context() as environment:
        daily = Daily(with_dbt(Workplace(root, emulator, model), parsed), dg.DagsterInstance.ephemeral(str(root)))
        daily.task(TASK, rows=ROWS)
        for name, value in daily.workplace.settings().child_environment().items():
            environment.setenv(name, value)
        first = dg.execute_job(dg.reconstructable(halfway_job), daily.instance, tags=PARTITION)
        assert not first.success
        kept, days = daily.landed("predictions", TASK), {s: daily.days(TASK, s) for s in ("records", "predictions")}
        answered = {asked.prompt for asked in model.asked[:ANSWERED]}
        model.react = well
        yield Story(daily, kept, days, answered, re_executed(daily.instance))


def test_run_that_broke_off_has_landed_what_was_answered(story: Story) -> None:
    assert len(story.kept) == ANSWERED
    assert story.days_kept == {"records": {DAY}, "predictions": set()}


def test_re_execution_from_failure_goes_on_with_the_same_run(story: Story) -> None:
    assert story.went_on
    runs = story.daily.landed("runs", TASK)
    assert [row["status"] for row in runs] == ["running", "failed", "completed"]
    assert len({row["run_id"] for row in runs}) == 1


def test_re_execution_asks_nothing_that_was_answered(story: Story) -> None:
    asked_again = {prompt for prompt, times in story.daily.workplace.model.prompts.items() if times > 1}
    assert asked_again & story.answered == set()


def test_every_record_has_one_answer_in_the_end(story: Story) -> None:
    answered = [row["record_id"] for row in story.daily.landed("predictions", TASK)]
    assert len(answered) == len(set(answered)) == ROWS
    assert story.daily.days(TASK, "scores") == {DAY}


def breaks_off(asked: Asked) -> Reaction:
    """Well at first, then the key is no longer taken."""
    return well(asked) if asked.number <= ANSWERED else failing(401)(asked)


def re_executed(instance: dg.DagsterInstance) -> bool:
    """Whether the failed run ended well when it was executed again from its failure."""
    (failed,) = instance.get_runs()
    options = dg.ReexecutionOptions.from_failure(failed.run_id, instance)
    job = dg.reconstructable(halfway_job)
    with dg.execute_job(job, instance, tags=PARTITION, reexecution_options=options) as result:
        return result.success
