"""The cost per correct prediction is that of the first outcomes, whatever later runs request, reuse or take from a cache."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from assay.evaluation.outcomes import read_outcomes
from assay.report.block import Scorecard
from assay.report.blocks.cost import facts
from assay.report.blocks.run import RunBlock
from assay.report.scorecard import ReportedRun, read_scorecard
from assay.runs.summary import RunSummary
from tests.fakes.model_endpoint import Asked, ModelEndpoint, Reaction, well
from tests.runs.bench import DAY, Bench

TEN = [{"id": f"r{number}", "text": f"{'long ' * (3 * number)}question {number}"} for number in range(10)]
PAID = "select distinct call_id, request_key, cost_usd from responses where run_id = @run"


def breaking(*numbers: int) -> Any:
    """Returns text that is no JSON for these records, at the price of its tokens, and answers the others well."""

    def react(asked: Asked) -> Reaction:
        is_broken = any(asked.prompt.endswith(f"question {number}") for number in numbers)
        return Reaction(text="no JSON " * 9) if is_broken else well(asked)

    return react


def paid(bench: Bench, run: RunSummary) -> Decimal:
    return sum((row["cost_usd"] for row in bench.place.query(PAID, run=run.run_id)), Decimal(0))


def card(bench: Bench, task: str, run: RunSummary) -> Scorecard:
    return read_scorecard(bench.place.warehouse(), task, ReportedRun(run_id=run.run_id))


def assert_everywhere(bench: Bench, task: str, run: RunSummary, wanted: Decimal) -> tuple[float | None, float | None]:
    """The scorecard, `--variants` and the gate state this cost per correct prediction; returns its interval."""
    shown = card(bench, task, run).of(RunBlock).run
    outcomes = read_outcomes(bench.place.warehouse(), bench.project.task(task), run_id=run.run_id, data_date=DAY)
    variant = outcomes.cost_per_correct("overall", level=0.95)
    gate = outcomes.gate_cost_per_correct("overall").measured
    interval = shown["cost_per_correct_interval"]

    assert float(shown["cost_per_correct_usd"]) == pytest.approx(float(wanted), abs=1e-9)
    assert [variant.value, gate.value, interval["value"]] == pytest.approx([float(wanted)] * 3, rel=1e-9)
    assert [interval["low"], interval["high"]] == pytest.approx([variant.low, variant.high], rel=1e-9)
    return interval["low"], interval["high"]


@pytest.mark.parametrize("epochs", [1, 3])
def test_a_rerun_changes_neither_the_cost_per_correct_prediction_nor_its_interval(
    bench: Bench, model: ModelEndpoint, name: str, epochs: int
) -> None:
    task, file = bench.place.task(name), bench.place.rows("in.csv", TEN)
    runs = []
    for broken in ((2, 5, 7), (5,), ()):
        model.react = breaking(*broken)
        runs.append(bench.run(task, input=file, epochs=epochs))

    assert [run.statuses["ok"] for run in runs] == [7 * epochs, 9 * epochs, 10 * epochs]
    costs = [paid(bench, run) for run in runs]
    assert costs[0] > costs[1] > costs[2] > 0
    intervals = {assert_everywhere(bench, task, run, costs[0] / (7 * epochs)) for run in runs}
    assert len(intervals) == 1 and None not in intervals.pop()
    shown = [card(bench, task, run).of(RunBlock).run for run in runs]
    assert [run["cost_usd"] for run in shown] == costs
    assert len({run["reference_cost_per_correct_usd"] for run in shown}) == 1


def test_a_cached_prediction_costs_what_its_request_did_also_when_it_is_reused(
    bench: Bench, model: ModelEndpoint, name: str
) -> None:
    task, file = bench.place.task(name, cache={"exact": {"ttl": "7 days"}}), bench.place.rows("in.csv", TEN)
    first = bench.run(task, input=file)
    others = bench.place.rows("others.csv", [{**row, "id": f"new{row['id']}"} for row in TEN])
    cached, again = bench.run(task, input=others), bench.run(task, input=others)

    assert (cached.calls, again.calls) == (0, 0)
    for run in (first, cached, again):
        assert_everywhere(bench, task, run, paid(bench, first) / 10)
    shown = dict(facts(card(bench, task, cached)))
    assert shown["cost per correct prediction"].endswith("with 10 reused predictions at the cost of their request")


def test_requesting_everything_anew_has_a_cost_of_its_own(bench: Bench, model: ModelEndpoint, name: str) -> None:
    task, file = bench.place.task(name), bench.place.rows("in.csv", TEN)
    model.react = breaking(2, 5, 7)
    bench.run(task, input=file)
    model.react = breaking(0)
    anew = bench.run(task, input=file, reuse="never")

    assert_everywhere(bench, task, anew, paid(bench, anew) / 9)
