"""Caps hold for a run, a task and a month, over runs, processes, batches and a ledger that forgets."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from assay.errors import UsageError
from assay.inference.budgets.protocol import Budget
from assay.inference.budgets.run_budget import RunBudget
from assay.inference.budgets.worker_lease import Caps
from assay.runs.requests.budget import LEDGERS, caps_of, open_budget
from assay.runs.run import Run
from tests.emulator import running_emulator
from tests.end_to_end.stage import migrate_dev
from tests.end_to_end.workplace import Workplace, numbered_rows
from tests.fakes.model_endpoint import Asked, ModelEndpoint, Reaction, well
from tests.paths import ROOT
from tests.redis_server import needs_redis, running_redis
from tests.runs.bench import Bench

CENT = Decimal("0.01")


def spent(place: Workplace, task: str) -> Decimal:
    sql = "select sum(coalesce(cost_usd, cost_upper_usd)) as usd from responses where task = @task"
    return Decimal(place.query(sql, task=task)[0]["usd"] or 0)


def entries(place: Workplace, task: str) -> list[dict[str, Any]]:
    return place.query("select * from budget_entries where task = @task order by occurred_at", task=task)


async def looked_at(bench: Bench, run: Run) -> tuple[Decimal, Decimal | None]:
    """What the run's budget says as it opens."""
    budget: Budget = await open_budget(bench.project, run)
    try:
        return budget.spent_usd, budget.cap_usd
    finally:
        await budget.close()


def price_of_one(bench: Bench, name: str) -> Decimal:
    """What a call of these tests costs."""
    cost = bench.run(bench.place.task(name), input=bench.place.rows("one.csv", numbered_rows(1))).cost_usd
    assert cost is not None
    return cost


@pytest.fixture(params=["sqlite", pytest.param("redis", marks=needs_redis)])
def shared(request: pytest.FixtureRequest, place: Workplace, tmp_path: Path) -> Iterator[Workplace]:
    """A project whose budgets are on either ledger."""
    if request.param == "sqlite":
        yield place
        return
    with running_redis(tmp_path) as server:
        place.environment["ASSAY_REDIS_URL"] = server.url
        yield place


def test_without_a_cap_there_is_no_ledger_and_no_row(bench: Bench, name: str) -> None:
    task = bench.place.task(name)
    run = bench.admit(task, input=bench.place.rows("in.csv", numbered_rows(2)))
    assert isinstance(asyncio.run(open_budget(bench.project, run)), RunBudget)
    bench.end(run)
    assert entries(bench.place, task) == []
    assert not (bench.project.settings.state_dir / LEDGERS).exists()


def test_the_option_goes_before_the_task_s_own_cap_for_a_run(bench: Bench, name: str) -> None:
    task = bench.project.task(bench.place.task(name, budget={"run_usd": 5, "task_usd": 0.1}))
    project = replace(bench.project, settings=replace(bench.project.settings, month_budget_usd=Decimal(7)))
    assert caps_of(project.settings, task, budget_usd=None) == Caps(
        run_usd=Decimal(5), task_usd=Decimal("0.1"), month_usd=Decimal(7)
    )
    assert caps_of(project.settings, task, budget_usd=2.5).run_usd == Decimal("2.5")


@pytest.fixture
def alone(tmp_path: Path, model: ModelEndpoint) -> Iterator[Bench]:
    """A project in a warehouse of its own, for the project's cap counts what everybody spends."""
    with running_emulator(tmp_path / "emulator") as endpoints:
        migrate_dev(endpoints)
        yield Bench(Workplace(tmp_path / "alone", endpoints, model))


def test_a_second_run_has_what_the_first_left_of_the_task_s_month(bench: Bench, name: str) -> None:
    one = price_of_one(bench, f"one_{name[4:]}")
    second_has_the_rest(bench, bench.place.task(name, budget={"task_usd": float(one * 120)}, reuse="never"), one)


def test_a_second_run_has_what_the_first_left_of_the_project_s_month(alone: Bench, name: str) -> None:
    one = price_of_one(alone, f"one_{name[4:]}")
    alone.place.environment["ASSAY_MONTH_BUDGET_USD"] = str(one + one * 120)  # that one is spent already
    second_has_the_rest(alone, alone.place.task(name, reuse="never"), one)


def second_has_the_rest(bench: Bench, task: str, one: Decimal) -> None:
    file = bench.place.rows("in.csv", numbered_rows(90))
    first, second = bench.run(task, input=file), bench.run(task, input=file)
    assert first.statuses == {"ok": 90}
    assert set(second.statuses) == {"ok", "skipped_budget"}
    assert spent(bench.place, task) <= one * 120
    assert 100 <= 90 + second.statuses["ok"] <= 120  # a call must fit at the most it can cost
    assert {row["event"] for row in entries(bench.place, task)} == {"reserve", "settle"}


def test_a_resume_starts_from_what_was_spent_and_from_what_may_have_been(
    bench: Bench, model: ModelEndpoint, name: str
) -> None:
    def react(asked: Asked) -> Reaction:
        return replace(well(asked), tells_usage=False) if asked.prompt.endswith("3") else well(asked)

    model.react = react
    task = bench.place.task(name, budget={"run_usd": 1})
    run = bench.admit(task, input=bench.place.rows("in.csv", numbered_rows(6)))
    bench.end(run)
    rows = bench.place.query("select * from responses where run_id = @run", run=run.run_id)
    assert [row["billing"] for row in rows].count("unknown") == 1
    paid = sum((Decimal(row["cost_usd"] or row["cost_upper_usd"]) for row in rows), Decimal(0))
    assert asyncio.run(looked_at(bench, run)) == (paid, Decimal(1))
    (bench.project.settings.state_dir / LEDGERS).rename(bench.place.root / "gone")
    assert asyncio.run(looked_at(bench, run)) == (paid, Decimal(1))


def test_a_cap_for_a_month_needs_a_price_too(bench: Bench, model: ModelEndpoint, name: str) -> None:
    routes = [{"name": "first", "provider": "openai", "model": "a-model-of-my-own"}]
    task = bench.place.task(name, routes=routes, budget={"task_usd": 1})
    with pytest.raises(UsageError, match=r"openai:a-model-of-my-own .* has no price"):
        bench.run(task, input=bench.place.rows("in.csv", numbered_rows(2)))
    assert model.count == 0


def test_two_processes_with_runs_of_one_task_do_not_overspend_its_cap(shared: Workplace, name: str) -> None:
    bench, name = Bench(shared), f"{name[:40]}_{'redis' if 'ASSAY_REDIS_URL' in shared.environment else 'sqlite'}"
    one = price_of_one(bench, f"one_{name[:50]}")
    cap = one * 120
    task = shared.task(name, budget={"task_usd": float(cap)}, reuse="never")
    runs = [bench.admit(task, input=shared.rows("in.csv", numbered_rows(150))) for _ in range(2)]
    both = [started(shared, run) for run in runs]
    for process in both:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in both:
        _, err = process.communicate("go\n", timeout=100)
        assert process.returncode == 0, err
    sql = "select status, count(*) as n from predictions where task = @task group by status"
    counts = {row["status"]: row["n"] for row in shared.query(sql, task=task)}
    assert sum(counts.values()) == 300
    assert set(counts) == {"ok", "skipped_budget"}
    assert cap * Decimal("0.85") <= spent(shared, task) <= cap
    settled = [row for row in entries(shared, task) if row["event"] == "settle"]
    assert sum((Decimal(row["amount_usd"]) for row in settled), Decimal(0)) == spent(shared, task)


def started(place: Workplace, run: Run) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "tests.runs.requests.spending_process", run.run_id],
        cwd=ROOT,
        env=place.variables(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_the_command_says_what_a_run_will_cost_and_a_dry_run_says_no_more(
    bench: Bench, model: ModelEndpoint, name: str
) -> None:
    task, file = bench.place.task(name), bench.place.rows("in.csv", numbered_rows(4))
    dry = bench.place.command("run", task, "--input", file, "--dry-run", "--budget", "0.0000001", "--format", "json")
    assert (dry.returncode, model.count) == (0, 0)
    said = json.loads(dry.stdout)
    assert (said["basis"], said["requests"], said["stops_at"]) == ("bound", 4, "run")
    done = bench.place.command("run", task, "--input", file)
    assert done.returncode == 0
    assert "forecast: $0.0000" in done.stderr
    assert "for 4 requests, one call each" in done.stderr
