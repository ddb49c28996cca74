"""Celery workers on this machine, each as if on one of its own, and a job that they work on; processes of their own.

Belongs here: starting, looking at and ending them. Nothing is judged here.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import dagster as dg
import pytest
import yaml

from assay.local.dagster_parts import write_instance
from tests.end_to_end.workplace import until
from tests.orchestration.daily import DAY, Daily

DAGSTER = Path(sys.executable).with_name("dagster")
READY_WITHIN_S = 300.0
OPTIONS = ("--concurrency", "1", "--loglevel", "INFO", "--without-gossip", "--without-mingle")


@dataclass
class Worker:
    """One Celery worker, in a session of its own; `name` is what Celery calls it."""

    name: str
    process: subprocess.Popen[bytes]
    log: Path

    def is_ready(self) -> bool:
        """True when it takes steps; an error when it has ended."""
        said = self.log.read_text(encoding="utf-8")
        assert self.process.poll() is None, said[-3000:]
        return " ready." in said

    def kill(self) -> None:
        """As by `kill -9` on the process that was started."""
        self.process.kill()
        self.process.wait(timeout=10)


@contextmanager
def worker(name: str, root: Path, variables: dict[str, str]) -> Iterator[Worker]:
    """A worker that takes steps, on the project in `root`; it has ended after the block."""
    log = root / f"{name}.log"
    command = [sys.executable, "-m", "celery", "--app", "orchestration.celery_worker", "worker"]
    with log.open("wb") as out:
        process = _started([*command, "--hostname", name, *OPTIONS], root, variables, out)
    made = Worker(f"celery@{name}", process, log)
    try:
        until(made.is_ready, within_s=READY_WITHIN_S)
        yield made
    finally:
        if process.poll() is None:
            made.kill()


@contextmanager
def job(daily: Daily, task: str, variables: dict[str, str], **config: Any) -> Iterator[subprocess.Popen[bytes]]:
    """The task's job of one day, running as `dagster job execute` runs it; it has ended after the block."""
    root = daily.workplace.root
    run_config = {"ops": {f"{task}__records": {"config": config}}}
    file = daily.workplace.write(f"{task}.run.yml", yaml.safe_dump(run_config))
    command = [str(DAGSTER), "job", "execute", "--module-name", "orchestration.definitions", "--job", task]
    tags = ["--config", str(file), "--tags", json.dumps({"dagster/partition": DAY})]
    with (root / f"{task}.log").open("wb") as out:
        process = _started([*command, *tags], root, variables, out)
    try:
        yield process
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait(timeout=10)


def said(daily: Daily, task: str) -> str:
    """The last words of the job."""
    return (daily.workplace.root / f"{task}.log").read_text(encoding="utf-8")[-4000:]


def home_of(daily: Daily) -> Path:
    """Dagster's own folder in the project, with its configuration."""
    home = daily.workplace.root / ".assay" / "dagster"
    write_instance(home)
    return home


@contextmanager
def instance_in(home: Path) -> Iterator[dg.DagsterInstance]:
    """Dagster's storage in the folder."""
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("DAGSTER_HOME", str(home))
        with dg.DagsterInstance.from_config(str(home)) as instance:
            yield instance


def workers_of_steps(home: Path, *, under_way: bool = False) -> dict[str, list[str]]:
    """Step of the latest run to the workers that began it, in their order; of those `under_way` alone, if so."""
    begun: dict[str, list[str]] = defaultdict(list)
    with instance_in(home) as instance:
        for run in instance.get_runs(limit=1):
            for entry in instance.all_logs(run.run_id):
                event = entry.dagster_event
                metadata = event.engine_event_data.metadata if event and event.is_engine_event else {}
                if event and "Celery worker" in metadata:
                    begun[str(event.step_key)].append(str(metadata["Celery worker"].value))
                if event and under_way and (event.is_step_success or event.is_step_failure):
                    begun.pop(str(event.step_key), None)
    return begun


def processes_of_shards(home: Path) -> set[int | None]:
    """The processes that began a shard of the latest run."""
    with instance_in(home) as instance:
        [run] = instance.get_runs(limit=1)
        events = [entry.dagster_event for entry in instance.all_logs(run.run_id)]
        return {each.pid for each in events if each and each.is_step_start and "__shard[" in str(each.step_key)}


def ended(process: subprocess.Popen[bytes], *, within_s: float) -> int:
    """How the process ended, in that time."""
    deadline = time.monotonic() + within_s
    while (code := process.poll()) is None and time.monotonic() < deadline:
        time.sleep(0.1)
    assert code is not None, f"still running after {within_s:.0f} s"
    return code


def _started(command: list[str], root: Path, variables: dict[str, str], out: IO[bytes]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        command,
        cwd=root,
        env=variables,
        stdin=subprocess.DEVNULL,
        stdout=out,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
