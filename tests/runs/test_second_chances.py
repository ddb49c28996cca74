"""A request that failed may be made again, but its first outcome is the one that counts."""

from __future__ import annotations

from datetime import date
from typing import Any, cast

import pytest

from assay.runs.landed_predictions import LandedPrediction
from tests.end_to_end.workplace import SPEC, numbered_rows
from tests.fakes.model_endpoint import ModelEndpoint, Reaction, well
from tests.runs.bench import Bench

TEN = numbered_rows(10)
SQL = "select * from predictions where run_id = @run order by record_id"


def breaking(*numbers: int) -> Any:
    """Refuses these records and answers the others well."""
    broken = tuple(f"{number:05}" for number in numbers)
    return lambda asked: Reaction(status=400) if asked.prompt.endswith(broken) else well(asked)


def rows(bench: Bench, run_id: str) -> list[dict[str, Any]]:
    return bench.place.query(SQL, run=run_id)


def reliability(bench: Bench, run_id: str) -> float:
    sql = "select value from estimates where run_id = @run and metric = 'reliability' and slice = 'overall'"
    [row] = bench.place.query(sql, run=run_id)
    return float(row["value"])


def test_a_second_chance_is_delivered_and_its_first_outcome_counts(
    bench: Bench, model: ModelEndpoint, name: str
) -> None:
    task, file = bench.place.task(name), bench.place.rows("in.csv", TEN)
    model.react = breaking(2, 5, 7)
    first = bench.run(task, input=file)
    model.react = breaking(5)
    second = bench.run(task, input=file)
    third = bench.run(task, input=file, data_date=date(2024, 5, 2))
    model.react = well
    fourth = bench.run(task, input=file)

    assert [run.statuses["ok"] for run in (first, second, third, fourth)] == [7, 9, 9, 10]
    assert [run.calls for run in (first, second, third, fourth)] == [10, 3, 1, 1]
    assert [reliability(bench, run.run_id) for run in (first, second, third, fourth)] == [0.7] * 4
    ids = [row["prediction_id"] for row in rows(bench, first.run_id)]
    for run in (second, third, fourth):
        assert [row["first_prediction_id"] for row in rows(bench, run.run_id)] == ids
        assert [n for n, row in enumerate(rows(bench, run.run_id)) if row["first_status"] == "failed"] == [2, 5, 7]


def test_requesting_everything_anew_is_a_first_try(bench: Bench, model: ModelEndpoint, name: str) -> None:
    task, file = bench.place.task(name), bench.place.rows("in.csv", TEN)
    model.react = breaking(2, 5, 7)
    bench.run(task, input=file)
    model.react = breaking(0)
    anew = bench.run(task, input=file, reuse="never")
    model.react = well
    again = bench.run(task, input=file)

    assert {row["first_prediction_id"] for row in rows(bench, anew.run_id)} == {None}
    assert (reliability(bench, anew.run_id), reliability(bench, again.run_id)) == (0.9, 0.9)
    assert (again.calls, again.statuses) == (1, {"ok": 10})


def test_a_resumed_run_requests_what_it_had_not_and_nothing_again(
    bench: Bench, model: ModelEndpoint, name: str
) -> None:
    task, file = bench.place.task(name), bench.place.rows("in.csv", TEN)
    model.react = breaking(2, 5, 7)
    run = bench.run(task, input=file)
    model.react = well
    resumed = bench.go_on(run.run_id)

    assert (model.count, resumed.statuses) == (10, {"ok": 7, "failed": 3})
    assert {row["first_status"] for row in rows(bench, run.run_id)} == {None}


def test_a_second_chance_that_the_budget_does_not_cover_still_counts_as_it_failed(
    bench: Bench, model: ModelEndpoint, name: str
) -> None:
    task, file = bench.place.task(name), bench.place.rows("in.csv", TEN)
    model.react = breaking(2, 5, 7)
    bench.run(task, input=file)
    cut_short = bench.run(task, input=file, budget_usd=0)

    assert cut_short.statuses == {"ok": 7, "skipped_budget": 3}
    assert reliability(bench, cut_short.run_id) == 0.7


def test_what_a_second_chance_returns_is_not_cached(bench: Bench, model: ModelEndpoint, name: str) -> None:
    task, file = bench.place.task(name, cache={"exact": {"ttl": "7 days"}}), bench.place.rows("in.csv", TEN)
    model.react = breaking(2)
    bench.run(task, input=file)
    model.react = well
    bench.run(task, input=file)
    others = bench.place.rows("others.csv", [{"id": f"new{row['id']}", "text": row["text"]} for row in TEN])
    summary = bench.run(task, input=others)

    sources = {row["record_id"]: row["answer_source"] for row in rows(bench, summary.run_id)}
    assert [record for record, source in sources.items() if source == "wire"] == ["newr00002"]


def test_a_fallback_that_counts_is_reused_and_one_that_does_not_is_requested_again(
    bench: Bench, model: ModelEndpoint, name: str
) -> None:
    file, value = bench.place.rows("in.csv", TEN), {"label": "question", "note": "none"}
    for counts, calls in ((True, 0), (False, 3)):
        task = bench.place.task(
            f"{name[:50]}_{counts}".lower(), output={**SPEC["output"], "fallback": value}, fallback_counts=counts
        )
        model.react = breaking(2, 5, 7)
        first = bench.run(task, input=file)
        model.react = well
        second = bench.run(task, input=file)

        assert (first.statuses, second.calls) == ({"ok": 7, "fallback": 3}, calls)
        assert reliability(bench, first.run_id) == reliability(bench, second.run_id) == 0.7


@pytest.mark.parametrize(
    ("first_status", "status", "is_shown"),
    [(None, "ok", True), ("ok", "ok", True), ("fallback", "fallback", True), ("failed", "ok", False)],
)
def test_a_judge_that_compares_outputs_sees_those_of_first_outcomes(
    first_status: str | None, status: str, is_shown: bool
) -> None:
    landed = LandedPrediction(
        cast(Any, None), {"first_status": first_status, "status": status, "output": '{"label": "a"}'}
    )
    assert (landed.first_output, landed.output) == ({"label": "a"} if is_shown else None, {"label": "a"})
