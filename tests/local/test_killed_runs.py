"""Dagster runs whose process is killed: they fail, are repeated, and block nothing."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # what Dagster warns about while it is imported is its own
    import dagster as dg

from assay.local import dagster_parts, processes, stack
from assay.local.part import post_json
from assay.settings import Settings
from orchestration.instance.run_launcher import LocalRunLauncher, is_running

Up = Callable[..., dict[str, stack.PartStatus]]
MODULE = "killed_defs"
DEFINITIONS = '''
import time
from pathlib import Path
import dagster

def waits(name):
    """The first run of the asset goes on until it is killed; later ones end at once."""
    marker = Path(__file__).with_name(name + ".begun")
    if not marker.exists():
        marker.touch()
        time.sleep(600)

@dagster.asset
def first(): ...

@dagster.asset(deps=[first], pool="dbt")
def slot():
    waits("slot")

@dagster.asset
def fails():
    raise ValueError("the same again")

defs = dagster.Definitions(
    assets=[first, slot, fails],
    jobs=[
        dagster.define_asset_job("build", selection=[first, slot]),
        dagster.define_asset_job("broken", selection=[fails]),
    ],
)
'''
LAUNCH = """
mutation ($params: ExecutionParams!) {
  launchRun(executionParams: $params) { __typename ... on LaunchRunSuccess { run { runId } } ... on PythonError { message } }
}
"""
PARTS = ("dagster-webserver", "dagster-daemon")


@pytest.fixture
def home(settings: Settings) -> Path:
    """Dagster's folder as the stack writes it, but monitoring looks every second."""
    (settings.root / f"{MODULE}.py").write_text(DEFINITIONS)
    folder = settings.state_dir / "dagster"
    dagster_parts.write_instance(folder)
    text = (folder / "dagster.yaml").read_text()
    quick, count = re.subn(r"(poll_interval_seconds|free_slots_after_run_end_seconds): 15", r"\1: 1", text)
    assert count == 2
    (folder / "dagster.yaml").write_text(quick)
    return folder


def test_a_killed_run_is_repeated_and_its_slot_is_free(settings: Settings, home: Path, up: Up) -> None:
    up(*PARTS, definitions_module=MODULE)
    killed = launch(settings, "build")
    begun(settings, "slot")
    with instance_in(home) as instance:
        kill_worker(instance, killed)
        again = repeated(instance, killed)
        assert ended(instance, again) == dg.DagsterRunStatus.SUCCESS
        assert instance.get_run_by_id(killed).status == dg.DagsterRunStatus.FAILURE
        assert steps(instance, again) == {"slot"}
        assert instance.event_log_storage.get_concurrency_info("dbt").active_slot_count == 0


@pytest.mark.verify
def test_a_run_that_died_with_the_whole_stack_is_repeated_when_it_is_up_again(
    settings: Settings, home: Path, up: Up
) -> None:
    up(*PARTS, definitions_module=MODULE)
    killed = launch(settings, "build")
    begun(settings, "slot")
    for process in members(settings):
        os.kill(process.pid, signal.SIGKILL)
    wait_for(lambda: not members(settings), "a killed process is still there")
    up(*PARTS, definitions_module=MODULE)
    with instance_in(home) as instance:
        assert ended(instance, repeated(instance, killed)) == dg.DagsterRunStatus.SUCCESS


@pytest.mark.verify
def test_a_killed_run_of_the_command_line_fails_and_an_error_is_not_repeated(
    settings: Settings, home: Path, up: Up
) -> None:
    command = [*(sys.executable, "-m", "dagster", "job", "execute", "-m", MODULE, "-j", "build")]
    environment = {**os.environ, "DAGSTER_HOME": str(home)}
    running = subprocess.Popen(command, cwd=settings.root, env=environment, stderr=subprocess.DEVNULL)
    begun(settings, "slot")
    running.kill()
    running.wait(10)
    up(*PARTS, definitions_module=MODULE)
    with instance_in(home) as instance:
        (killed,) = [run.run_id for run in instance.get_runs()]
        assert ended(instance, killed) == dg.DagsterRunStatus.FAILURE
        assert ended(instance, launch(settings, "build")) == dg.DagsterRunStatus.SUCCESS
        broken = launch(settings, "broken")
        assert ended(instance, broken) == dg.DagsterRunStatus.FAILURE
        time.sleep(5)
        assert [run.run_id for run in instance.get_runs(dg.RunsFilter(job_name="broken"))] == [broken]


def test_a_later_process_with_the_same_pid_does_not_count() -> None:
    own = os.getpid()
    assert is_running(own, since=time.time())
    assert not is_running(own, since=time.time() - 30 * 86_400)
    child = subprocess.Popen([sys.executable, "-c", ""])
    deadline = time.monotonic() + 20
    while is_running(child.pid, since=time.time()) and time.monotonic() < deadline:
        time.sleep(0.05)  # it becomes a zombie, because nobody has waited for it
    assert not is_running(child.pid, since=time.time())
    child.wait(10)
    assert not is_running(child.pid, since=time.time())


@contextmanager
def instance_in(home: Path) -> Iterator[dg.DagsterInstance]:
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("DAGSTER_HOME", str(home))
        with dg.DagsterInstance.from_config(str(home)) as instance:
            yield instance


def launch(settings: Settings, job: str) -> str:
    """Launches the job as the page does; returns the id of the run."""
    selector = {"repositoryLocationName": MODULE, "repositoryName": "__repository__", "pipelineName": job}
    answer = post_json(
        settings.ports.dagster,
        "/graphql",
        {"query": LAUNCH, "variables": {"params": {"selector": selector, "mode": "default", "runConfigData": {}}}},
        token=settings.local_token,
    )
    assert answer is not None
    assert answer["data"]["launchRun"]["__typename"] == "LaunchRunSuccess", answer
    return str(answer["data"]["launchRun"]["run"]["runId"])


def members(settings: Settings) -> list[processes.Process]:
    """Every process of Dagster, also those of runs."""
    markers = [str(settings.state_dir / "run" / f"{name}.json") for name in PARTS]
    return [process for marker in markers for process in processes.members(marker, None)]


def begun(settings: Settings, name: str) -> None:
    wait_for((settings.root / f"{name}.begun").exists, f"{name} has not begun")


def kill_worker(instance: dg.DagsterInstance, run_id: str) -> None:
    launcher = instance.run_launcher
    assert isinstance(launcher, LocalRunLauncher)
    process = launcher.process_of(instance.get_run_by_id(run_id))
    assert process is not None
    os.kill(process.pid, signal.SIGKILL)


def repeated(instance: dg.DagsterInstance, run_id: str) -> str:
    """The run that repeats it."""

    def children() -> list[str]:
        return [run.run_id for run in instance.get_runs() if run.parent_run_id == run_id]

    wait_for(lambda: bool(children()), "the run is not repeated")
    (again,) = children()
    return again


def ended(instance: dg.DagsterInstance, run_id: str) -> dg.DagsterRunStatus:
    wait_for(lambda: instance.get_run_by_id(run_id).is_finished, f"run {run_id} has not ended")
    return instance.get_run_by_id(run_id).status


def steps(instance: dg.DagsterInstance, run_id: str) -> set[str]:
    events = [entry.dagster_event for entry in instance.all_logs(run_id)]
    return {str(event.step_key) for event in events if event and event.is_step_start}


def wait_for(condition: Callable[[], bool], message: str, *, seconds: float = 120) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, message
        time.sleep(0.2)
