"""A forecast says what a run will cost before its first call, from the run's own requests, and pays for nothing."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from assay.errors import InputRejected
from assay.runs.admission import previewed
from assay.runs.forecast.cost_model import LEAST_PAST
from assay.runs.forecast.forecast import BOUND, LANDED, NOTHING, UNPRICED, Forecast, forecast
from assay.runs.forecast.render import forecast_lines, money
from assay.runs.run import RunOptions
from tests.end_to_end.workplace import numbered_rows
from tests.fakes.model_endpoint import ModelEndpoint
from tests.runs.bench import DAY, Bench

MANY = LEAST_PAST + 10


def looked_ahead(bench: Bench, task: str, **options: Any) -> Forecast:
    """A forecast of a run that never begins."""
    project, chosen = bench.project, RunOptions(**{"data_date": DAY, **options})
    with previewed(project, project.task(task), chosen, report=lambda _: None) as run:
        return forecast(project, run, is_landed=False)


def of_several_sizes(count: int, *, least: int) -> list[dict[str, str]]:
    """Rows whose texts are repeated `least` times to seven times more."""
    rows = numbered_rows(count)
    return [{"id": row["id"], "text": row["text"] * (least + at * at % 8)} for at, row in enumerate(rows)]


def test_without_earlier_answers_the_cost_lies_between_what_one_call_each_can_cost(
    bench: Bench, model: ModelEndpoint, name: str
) -> None:
    run = bench.admit(bench.place.task(name), input=bench.place.rows("in.csv", numbered_rows(8)))
    found = forecast(bench.project, run)
    summary = bench.end(run)
    assert (found.basis, found.requests, found.expected_usd, found.most_output_tokens) == (BOUND, 8, None, 60)
    assert summary.cost_usd is not None
    assert found.low_usd is not None
    assert found.high_usd is not None
    assert found.low_usd < summary.cost_usd < found.high_usd
    assert model.count == 8


def test_with_earlier_answers_the_interval_holds_what_the_next_run_costs(bench: Bench, name: str) -> None:
    task = bench.place.task(name, reuse="never")
    bench.run(task, input=bench.place.rows("in.csv", of_several_sizes(MANY, least=1)))
    run = bench.admit(task, input=bench.place.rows("next.csv", of_several_sizes(300, least=6)))
    found = forecast(bench.project, run)
    cost = bench.end(run).cost_usd
    assert (found.basis, found.requests, found.sampled, found.past_requests) == (LANDED, 300, 200, MANY)
    assert None not in (found.low_usd, found.expected_usd, found.high_usd, cost)
    assert found.low_usd <= cost <= found.high_usd  # type: ignore[operator]
    assert found.expected_usd == pytest.approx(cost, rel=Decimal("0.05"))
    assert found.bytes_per_token is not None


def test_what_is_reused_is_not_counted(bench: Bench, name: str) -> None:
    task = bench.place.task(name)
    bench.run(task, input=bench.place.rows("in.csv", numbered_rows(MANY)), epochs=2)
    more = bench.place.rows("more.csv", numbered_rows(MANY + 5))
    run = bench.admit(task, input=more, epochs=3)
    found = forecast(bench.project, run)
    assert (found.requests, found.reused, found.is_counted) == (MANY + 15, 2 * MANY, True)
    ahead = looked_ahead(bench, task, input=more, epochs=3)
    assert (ahead.requests, ahead.reused, ahead.is_counted) == (found.requests, found.reused, True)
    assert (ahead.low_usd, ahead.high_usd) == (found.low_usd, found.high_usd)


def test_when_everything_is_answered_nothing_is_left_to_pay(bench: Bench, name: str) -> None:
    task, file = bench.place.task(name), bench.place.rows("in.csv", numbered_rows(8))
    bench.run(task, input=file)
    run = bench.admit(task, input=file)
    found = forecast(bench.project, run)
    assert (found.basis, found.requests, found.reused, found.low_usd) == (NOTHING, 0, 8, None)
    assert looked_ahead(bench, task, input=file).basis == NOTHING
    assert forecast_lines(found) == ["forecast: $0.00, because no request is left; 8 more are reused and cost nothing"]


def test_a_look_ahead_sends_nothing_lands_nothing_and_leaves_no_copy(
    bench: Bench, model: ModelEndpoint, name: str
) -> None:
    task = bench.place.task(name)
    found = looked_ahead(bench, task, input=bench.place.rows("in.csv", numbered_rows(8)))
    assert (found.basis, found.requests) == (BOUND, 8)
    assert model.count == 0
    for table in ("runs", "records", "task_versions"):
        assert bench.place.query(f"select count(*) as n from {table} where task = @task", task=task) == [{"n": 0}]
    assert list(bench.project.snapshots_dir.iterdir()) == []


def test_an_input_that_is_stopped_at_the_door_is_so_at_a_look_ahead(bench: Bench, name: str) -> None:
    rows = [{"id": "", "text": "no id"}, *numbered_rows(1), {"id": "", "text": "none"}]
    with pytest.raises(InputRejected, match="Nothing was sent or landed"):
        looked_ahead(bench, bench.place.task(name), input=bench.place.rows("in.csv", rows))
    assert list(bench.project.snapshots_dir.iterdir()) == []


def test_a_batch_is_forecast_at_its_tier(bench: Bench, name: str) -> None:
    task = bench.place.task(name, reuse="never")
    source = bench.place.rows("in.csv", numbered_rows(8))
    online = looked_ahead(bench, task, input=source)
    bench.place.write(
        "providers.yml", f"openai:\n  base_url: {bench.place.model.url}\n  api_key_env: null\n  batch: {{}}\n"
    )
    batch = looked_ahead(bench, task, input=source, batch=True)
    assert online.high_usd is not None
    assert batch.high_usd == pytest.approx(online.high_usd / 2, rel=Decimal("0.001"))


def test_a_model_without_a_price_has_no_forecast(bench: Bench, name: str) -> None:
    routes = [{"name": "first", "provider": "openai", "model": "a-model-of-my-own"}]
    task = bench.place.task(name, routes=routes)
    found = looked_ahead(bench, task, input=bench.place.rows("in.csv", numbered_rows(2)))
    assert (found.basis, found.high_usd) == (UNPRICED, None)
    assert forecast_lines(found) == [
        "forecast: unknown for 2 requests, because a model of the task has no price (add one to assay/inference/prices.yml)"
    ]


def test_a_run_that_its_cap_will_stop_is_told_how_far_it_comes(bench: Bench, name: str) -> None:
    task = bench.place.task(name, reuse="never")
    first = bench.run(task, input=bench.place.rows("in.csv", numbered_rows(MANY)))
    assert first.cost_usd is not None
    cap = float(first.cost_usd) * 5
    run = bench.admit(task, input=bench.place.rows("in.csv", numbered_rows(10 * MANY)), budget_usd=cap)
    found = forecast(bench.project, run)
    answered = bench.end(run).statuses["ok"]
    assert found.stops_at == "run"
    assert found.reaches is not None
    assert found.reaches[0] * 0.97 <= answered <= found.reaches[1] * 1.03
    assert forecast_lines(found)[2].startswith("the run will stop at the run's budget: $")


def test_a_run_that_is_cut_off_is_forecast_for_what_is_left(bench: Bench, name: str) -> None:
    task = bench.place.task(name, budget={"task_usd": 100})
    bench.run(task, input=bench.place.rows("some.csv", numbered_rows(6)))
    run = bench.admit(task, input=bench.place.rows("in.csv", numbered_rows(8)), reuse="never")
    found = forecast(bench.project, run)
    bench.end(run)
    assert (found.requests, forecast(bench.project, run).requests) == (8, 0)
    assert [(cap.what, cap.cap_usd) for cap in found.caps] == [("task", Decimal(100))]
    assert found.caps[0].left_usd < 100


@pytest.mark.parametrize(
    ("usd", "text"),
    [("0", "0.00"), ("1234.5", "1,234.50"), ("0.01", "0.01"), ("0.00995", "0.0100"), ("0.000123456", "0.00012")],
)
def test_small_amounts_keep_two_digits(usd: str, text: str) -> None:
    assert money(Decimal(usd)) == text
