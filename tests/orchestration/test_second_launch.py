"""Two launches of one partition: one runs, the other fails before it pays and names the first."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.end_to_end.workplace import until
from tests.fakes.model_endpoint import late, well
from tests.orchestration.daily import DAY, Daily
from tests.orchestration.fleet import home_of, instance_in, job

DEFINITIONS = """
import time
from pathlib import Path
import dagster
from orchestration.second_launch import refuse_second_launch

DAYS = dagster.DailyPartitionsDefinition("2026-01-01", end_offset=1)

@dagster.asset(partitions_def=DAYS)
def paid(context: dagster.AssetExecutionContext):
    refuse_second_launch(context, dagster.AssetKey("paid"))
    with Path(__file__).with_name("paid.txt").open("a") as file:
        file.write(f"{context.run_id} {context.partition_key}\\n")
    gate = Path(__file__).with_name("gate")
    while gate.exists():
        time.sleep(0.05)

defs = dagster.Definitions(assets=[paid], jobs=[dagster.define_asset_job("pay", selection=[paid])])
"""
REFUSED = re.compile(r"Dagster run ([0-9a-f-]{36}) already processes paid of (\S+), so this run stops before it pays")


@pytest.fixture
def launch(tmp_path: Path) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Starts the job of one day in a process of its own, with one storage for all."""
    (tmp_path / "paying_defs.py").write_text(DEFINITIONS)
    home = tmp_path / "home"
    home.mkdir()
    (home / "dagster.yaml").write_text("telemetry: {enabled: false}\n")

    started: list[subprocess.Popen[str]] = []

    def start(day: str) -> subprocess.Popen[str]:
        command = [*(sys.executable, "-m", "dagster", "job", "execute", "-m", "paying_defs", "-j", "pay")]
        tags = ["--tags", json.dumps({"dagster/partition": day})]
        environment = {**os.environ, "DAGSTER_HOME": str(home)}
        out = {"text": True, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
        started.append(subprocess.Popen([*command, *tags], cwd=tmp_path, env=environment, **out))
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.communicate(timeout=10)


def test_of_launches_at_once_one_runs_and_the_others_name_it(
    tmp_path: Path, launch: Callable[..., subprocess.Popen[str]]
) -> None:
    assert ended(launch("2026-03-01"))[0] == 0  # creates Dagster's tables, which several processes cannot do at once
    (tmp_path / "paid.txt").unlink()
    (tmp_path / "gate").touch()
    launched = [launch(DAY), launch(DAY), launch("2026-03-03")]
    until(lambda: sum(each.poll() is not None for each in launched) == 1, within_s=120)  # the one that is refused
    until(lambda: len((tmp_path / "paid.txt").read_text().splitlines()) == 2, within_s=120)
    (tmp_path / "gate").unlink()
    codes, outputs = zip(*map(ended, launched), strict=True)
    paid = dict(reversed(line.split()) for line in (tmp_path / "paid.txt").read_text().splitlines())
    assert sorted(paid) == [DAY, "2026-03-03"]
    assert (sorted(codes[:2]), codes[2]) == ([0, 1], 0)
    (found,) = set(REFUSED.findall(outputs[codes.index(1)]))
    assert found == (paid[DAY], DAY)

    assert ended(launch(DAY))[0] == 0  # the first has finished, so the partition may be materialized again


def ended(process: subprocess.Popen[str]) -> tuple[int, str]:
    """Its exit code and its output."""
    output, _ = process.communicate(timeout=120)
    return process.returncode, output


@pytest.mark.verify
def test_the_second_job_of_a_day_pays_nothing(daily: Daily) -> None:
    daily.workplace.model.react = late(5.0)  # a minute in all: the second job meets the first one on a slow machine too
    task = daily.task("sorting_twice", rows=200)
    home = home_of(daily)
    variables = daily.workplace.variables(DAGSTER_HOME=str(home))
    with job(daily, task, variables) as first:
        until(lambda: daily.workplace.model.count > 0, within_s=300)
        with job(daily, task, variables) as second:
            assert second.wait(300) == 1
        daily.workplace.model.react = well
        assert first.wait(300) == 0
    assert daily.workplace.model.count == 200
    assert len({row["run_id"] for row in daily.landed("runs", task)}) == 1
    with instance_in(home) as instance:
        assert sorted(run.status.value for run in instance.get_runs()) == ["FAILURE", "SUCCESS"]
