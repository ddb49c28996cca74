"""The rates of a run land with the interval that its clusters and epochs allow."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from typing import Any

from assay.runs.resume import reopen
from assay.scoring.score_stage import read_estimates, score_run
from assay.statistics.rates import rate
from assay.statistics.sampling import Sampling
from tests.fakes.model_endpoint import Asked, ModelEndpoint, Reaction
from tests.runs.bench import Bench
from tests.statistics.named_repeats import pass_hat_k

ASKS = {"name": "asks", "type": "allowed_value", "field": "label", "values": ["question"]}
CLUSTERS, RECORDS = 12, 48
FIGURES = "select * from estimates where run_id = @run and evaluation_id = @run"


def rows_of_customers() -> list[dict[str, str]]:
    return [
        {"id": f"r{number:02}", "text": f"text {number}", "customer": f"c{number % CLUSTERS}", "kind": "ab"[number % 2]}
        for number in range(RECORDS)
    ]


class Wavering:
    """Answers right always, never, or every second time, as the number of the record says."""

    def __init__(self) -> None:
        self.asked: Counter[str] = Counter()

    def __call__(self, asked: Asked) -> Reaction:
        self.asked[asked.prompt] += 1
        number = int(asked.prompt.split()[-1])
        right = (True, False, self.asked[asked.prompt] % 2 == 0)[number % 3]
        return Reaction(text=json.dumps({"label": "question" if right else "praise", "note": "n"}))


def run_of_customers(bench: Bench, model: ModelEndpoint, name: str, *, epochs: int) -> str:
    model.react = Wavering()
    source = {"record_id": "id", "fields": {"text": "text"}, "cluster_id": "customer", "slices": {"kind": "kind"}}
    task = bench.place.task(name, input=source, checks=[ASKS], correct=["asks"])
    return bench.run(task, input=bench.place.rows("in.csv", rows_of_customers()), epochs=epochs).run_id


def passed(bench: Bench, run_id: str) -> tuple[list[bool], Sampling]:
    sql = "select distinct record_id, epoch, passed from scores where run_id = @run order by record_id, epoch"
    rows = bench.place.query(sql, run=run_id)
    records = [row["record_id"] for row in rows]
    clusters = [int(record[1:]) % CLUSTERS for record in records]
    return [row["passed"] for row in rows], Sampling(records=records, clusters=clusters)


def figures(row: dict[str, Any]) -> Sequence[Any]:
    names = ("value", "low", "high", "method", "n", "clusters", "effective_n", "standard_error", "status", "reason")
    return [round(row[name], 9) if isinstance(row[name], float) else row[name] for name in names]


def test_a_run_with_clusters_and_epochs_has_the_interval_of_both(bench: Bench, model: ModelEndpoint, name: str) -> None:
    run_id = run_of_customers(bench, model, name, epochs=3)
    outcomes, sampling = passed(bench, run_id)

    landed = {(row["metric"], row["slice"]): row for row in bench.place.query(FIGURES, run=run_id)}

    expected = vars_of(rate(outcomes, sampling))
    for metric in ("reliability", "quality_when_answered", "pass_rate"):
        assert figures(landed[metric, "overall"]) == figures(expected)
    assert (expected["n"], expected["clusters"], expected["status"]) == (144, 12, "warning")
    assert figures(landed["pass_hat_3", "overall"]) == figures(vars_of(pass_hat_k(outcomes, sampling, k=3)))
    assert {metric for metric, _ in landed} == {
        *("reliability", "quality_when_answered", "pass_rate", "slice_difference"),
        *(f"pass_{kind}_{k}" for kind in ("at", "hat") for k in (1, 2, 3)),
    }
    assert {slice for _, slice in landed} == {"overall", "kind=a", "kind=b"}
    variance = landed["reliability", "overall"]["details"]["variance"]
    assert (variance["records"], variance["answers"]) == (48, 144)
    assert 0 < variance["epoch"] < variance["record"]


def test_what_is_read_for_a_run_is_its_reliability_only(bench: Bench, model: ModelEndpoint, name: str) -> None:
    run_id = run_of_customers(bench, model, name, epochs=2)

    rows = read_estimates(bench.project.warehouse, reopen(bench.project, run_id))

    assert [(row["slice"], row["n"], row["clusters"]) for row in rows] == [
        ("overall", 96, 12),
        ("kind=a", 48, 6),
        ("kind=b", 48, 6),
    ]
    assert [row["status"] for row in rows] == ["warning", "inconclusive", "inconclusive"]


def test_scoring_again_replaces_the_estimates(bench: Bench, model: ModelEndpoint, name: str) -> None:
    run_id = run_of_customers(bench, model, name, epochs=1)

    score_run(bench.project, reopen(bench.project, run_id), report=lambda _: None)

    ids = [row["estimate_id"] for row in bench.place.query(FIGURES, run=run_id)]
    assert len(ids) == 2 * len(set(ids)) == 2 * (3 * 3 + 2)


def vars_of(measured: Any) -> dict[str, Any]:
    return {name: getattr(measured, name) for name in measured.__slots__}
