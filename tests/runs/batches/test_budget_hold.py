"""What batches may cost is held under every cap, from before they are sent until they are landed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from assay.runs.requests.budget import LEDGERS
from assay.runs.run import Run
from tests.end_to_end.workplace import Workplace, numbered_rows
from tests.fakes.batch_endpoint import BatchEndpoint
from tests.fakes.model_endpoint import well
from tests.runs.batches.bench import BatchBench, Killed, dying_at


@pytest.fixture
def model() -> Iterator[BatchEndpoint]:
    with BatchEndpoint(holds=True) as endpoint:
        yield endpoint


@pytest.fixture
def bench(place: Workplace) -> BatchBench:
    made = BatchBench(place)
    made.provider()
    return made


@pytest.fixture
def one(bench: BatchBench, name: str) -> Decimal:
    """What a request by batch is estimated at; the task's name is in it, so that the lengths of names must be equal."""
    run = started(bench, bench.place.task(f"one_{name[4:]}"), rows=1)
    bench.submit(run)
    return estimates(bench, run)[0]


def started(bench: BatchBench, task: str, *, rows: int = 8, **options: Any) -> Run:
    source = bench.place.rows(f"{task}_{rows}.csv", numbered_rows(rows))
    return bench.admit(task, input=source, **{"batch": True, "reuse": "never", **options})


def estimates(bench: BatchBench, run: Run) -> list[Decimal]:
    sql = "select max(estimate_usd) as usd from batches where run_id = @run group by chunk_hash"
    return [Decimal(row["usd"]) for row in bench.place.query(sql, run=run.run_id)]


def capped(bench: BatchBench, name: str, usd: Decimal) -> str:
    return bench.place.task(name, budget={"task_usd": float(usd)})


def test_a_task_s_cap_holds_for_batches_of_two_runs(bench: BatchBench, name: str, one: Decimal) -> None:
    task = capped(bench, name, one * 11)
    first, second = started(bench, task), started(bench, task)
    assert bench.submit(first).requests == 8
    assert bench.submit(second).requests == 3
    assert bench.submit(second).requests == 3


def test_a_landed_batch_frees_what_it_did_not_cost(bench: BatchBench, name: str, one: Decimal) -> None:
    task = capped(bench, name, one * 11)
    first = started(bench, task)
    bench.submit(first)
    bench.endpoint.finish_all()
    bench.collect(first)
    cost = bench.end(first).cost_usd
    assert cost is not None
    assert cost < one * 4
    assert bench.submit(started(bench, task)).requests == 8


def test_a_run_on_the_wire_leaves_batches_their_money(bench: BatchBench, name: str, one: Decimal) -> None:
    task = capped(bench, name, one * 8 + one / 2)
    bench.submit(started(bench, task))
    online = bench.admit(task, input=bench.place.rows("online.csv", numbered_rows(4)), reuse="never")
    assert bench.end(online).statuses == {"skipped_budget": 4}


@pytest.mark.parametrize("moment", ["before submit", "after submit"])
def test_a_batch_whose_sender_died_is_paid_for_once(bench: BatchBench, name: str, one: Decimal, moment: str) -> None:
    task = capped(bench, name, one * 11)
    run = started(bench, task)
    bench.dies = dying_at(moment)
    with pytest.raises(Killed):
        bench.submit(run)
    bench.dies = lambda _: None
    assert bench.resume(run).requests == 8
    assert len(bench.endpoint.batches) == 2  # with that of the fixture
    assert bench.submit(started(bench, task)).requests == 3


def test_a_ledger_that_is_lost_knows_what_is_out_from_the_warehouse(bench: BatchBench, name: str, one: Decimal) -> None:
    task = capped(bench, name, one * 11)
    bench.submit(started(bench, task))
    (bench.project.settings.state_dir / LEDGERS).rename(bench.place.root / "gone")
    assert bench.submit(started(bench, task)).requests == 3


def test_a_batch_that_a_crash_lands_twice_is_paid_for_once(bench: BatchBench, name: str, one: Decimal) -> None:
    task = capped(bench, name, one * 8)
    run = started(bench, task)
    bench.submit(run)
    bench.endpoint.finish_all()
    bench.dies = dying_at("before download")
    with pytest.raises(Killed):
        bench.collect(run)
    bench.dies = lambda _: None
    bench.collect(run)
    cost = bench.end(run).cost_usd
    assert cost is not None
    left = one * 8 - cost
    sent = bench.submit(started(bench, task)).requests
    assert sent == int(left / one)


def test_a_file_that_was_never_sent_is_given_up_where_its_money_is_gone(
    bench: BatchBench, name: str, one: Decimal
) -> None:
    task = capped(bench, name, one * 8)
    run = started(bench, task)
    bench.dies = dying_at("before submit")
    with pytest.raises(Killed):
        bench.submit(run)
    bench.dies = lambda _: None
    bench.place.task(name, budget={"task_usd": float(one * 9 / 2)})
    stand = bench.resume(run)
    assert (stand.batches, stand.requests) == (1, 4)
    assert list(bench.files(run).glob("*.jsonl")) == []


def test_a_batch_whose_lines_tell_no_usage_counts_with_what_it_may_have_cost(bench: BatchBench, name: str) -> None:
    bench.endpoint.line = lambda asked: replace(well(asked), tells_usage=False)
    run = started(bench, capped(bench, name, Decimal(1)), rows=7)
    bench.submit(run)
    bench.endpoint.finish_all()
    bench.collect(run)
    sql = "select cost_upper_usd, billing from responses where run_id = @run"
    rows = bench.place.query(sql, run=run.run_id)
    total = sum((Decimal(row["cost_upper_usd"]) for row in rows), Decimal(0))
    assert [row["billing"] for row in rows] == ["unknown"] * 7
    assert abs(total - estimates(bench, run)[0]) < Decimal("0.00000001")
