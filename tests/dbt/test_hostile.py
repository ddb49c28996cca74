"""Hostile runs: estimates, marts, report JSON and gate state the same, and it is what statsmodels makes of the rows."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd
import pytest
from statsmodels.stats.proportion import proportion_confint

from assay.evaluation.outcomes import Outcomes, read_outcomes
from assay.report.scorecard import ReportedRun, read_scorecard
from assay.settings import load_settings
from assay.statistics.measured import Measured
from assay.warehouse.client import Warehouse
from orchestration.scorecard_metadata import scorecard_numbers
from tests.dbt.conftest import Built
from tests.dbt.expected import Frame, Tables, kleene_and
from tests.dbt.hostile_scenario import REQUIRED, RUNS, SCORERS, SLA_MS, engine_task

TOLERANCE = 1e-9
FEWEST = 5
HOSTILE = {run.task: run for run in RUNS if run.run_id != "h00"}
INDEPENDENT = [name for name in HOSTILE if name != "hostile_clusters"]
OWN, DELIVERED = ("ok", "repaired"), ("ok", "repaired", "fallback")


@dataclass(frozen=True, slots=True)
class Counts:
    """Passes, unscored rows and all rows of a rate."""

    passed: int
    unscored: int
    n: int

    @classmethod
    def of(cls, outcomes: list[bool | None]) -> Counts:
        return cls(outcomes.count(True), outcomes.count(None), len(outcomes))

    @property
    def worst(self) -> float:
        return self.passed / self.n

    @property
    def best(self) -> float:
        return (self.passed + self.unscored) / self.n

    @property
    def value(self) -> float | None:
        return None if self.unscored == self.n else self.worst

    def bounds(self, *, alpha: float, method: str | None = None) -> list[float]:
        """The lower bound of the worst and the upper bound of the best case, of independent rows."""
        cases = (self.passed, self.passed + self.unscored)
        methods = [method or ("beta" if min(k, self.n - k) < FEWEST else "wilson") for k in cases]
        pairs = [proportion_confint(k, self.n, alpha=alpha, method=m) for k, m in zip(cases, methods, strict=True)]
        return [float(pairs[0][0]), float(pairs[1][1])]


@dataclass(frozen=True, slots=True)
class Run:
    """One hostile run as every place states it, and its raw rows."""

    task: str
    rows: list[dict[str, Any]]
    scores: Mapping[str, Mapping[str, Any]]
    estimates: Mapping[tuple[str, str | None], Any]
    gate: Outcomes
    report: Mapping[str, Any]
    marts: Mapping[str, Frame]
    plotted: Mapping[str, float | int]
    """The numbers that Dagster plots."""

    @property
    def requested(self) -> list[dict[str, Any]]:
        return [row for row in self.rows if row["status"] != "skipped_budget"]

    @property
    def judged(self) -> list[dict[str, Any]]:
        """What the judge was to score: outside its sample it has no row."""
        return [row for row in self.requested if "tone" in self.scores[row["prediction_id"]]]

    def correct(self, row: Mapping[str, Any]) -> bool | None:
        able = DELIVERED if self.task == "hostile_lenient" else OWN
        if row["status"] not in able:
            return False
        return kleene_and([self.passed(row, scorer) for scorer in REQUIRED])

    def passed(self, row: Mapping[str, Any], scorer: str) -> bool | None:
        score = self.scores[row["prediction_id"]].get(scorer)
        return None if score is None or score["status"] != "scored" else score["passed"]

    def pass_counts(self, scorer: str, *, of: tuple[str, ...]) -> Counts:
        due = [row for row in self.requested if scorer in self.scores[row["prediction_id"]]]
        return Counts.of([self.passed(row, scorer) if row["status"] in of else False for row in due])


@pytest.fixture(scope="module")
def warehouse(built: Built) -> Warehouse:
    endpoints = {"ASSAY_BIGQUERY_ENDPOINT": built.endpoints.rest, "ASSAY_BIGQUERY_GRPC_ENDPOINT": built.endpoints.grpc}
    return Warehouse(load_settings({**endpoints, "ASSAY_LOCAL_TOKEN": built.endpoints.token}))


@pytest.fixture(scope="module")
def runs(built: Built, warehouse: Warehouse) -> dict[str, Run]:
    marts = {name: built.frame(f"reporting.{name}") for name in MARTS}
    return {name: _read(built.tables, warehouse, marts, name) for name in HOSTILE}


MARTS = (
    "rpt_reliability",
    "rpt_run_reliability",
    "rpt_scores",
    "rpt_run_scores",
    "rpt_latency",
    "rpt_cost_per_correct",
)


def _read(tables: Tables, warehouse: Warehouse, marts: Mapping[str, Frame], name: str) -> Run:
    run_id = HOSTILE[name].run_id
    rows = tables["predictions"][tables["predictions"].run_id == run_id].to_dict("records")
    scores: dict[str, dict[str, Any]] = {row["prediction_id"]: {} for row in rows}
    for score in tables["scores"][tables["scores"].run_id == run_id].to_dict("records"):
        scores[score["prediction_id"]][score["scorer"]] = score
    found = tables["estimates"][(tables["estimates"].run_id == run_id) & (tables["estimates"].slice == "overall")]
    estimates = {
        (row.metric, None if pd.isna(row.scorer) else row.scorer): row for row in found.itertuples(index=False)
    }
    gate = read_outcomes(warehouse, engine_task(name), run_id=run_id, data_date=rows[0]["data_date"])
    card = read_scorecard(warehouse, name, ReportedRun(run_id=run_id))
    report = json.loads(json.dumps(card.as_dict(), default=str))
    plotted = {key: number.value for key, number in scorecard_numbers(card).items() if number.value is not None}
    return Run(name, rows, scores, estimates, gate, report, marts, plotted)


def test_the_runs_are_hostile(runs: dict[str, Run]) -> None:
    for run in runs.values():
        assert {row["status"] for row in run.rows} == {
            *DELIVERED,
            "invalid_output",
            "failed",
            "refused",
            *(["skipped_budget"] if HOSTILE[run.task].is_out_of_budget else []),
        }
        said = {score["status"] for scores in run.scores.values() for score in scores.values()}
        assert said == {"scored", "unscored", "failed", "refused"}
        assert {row["tenant_id"] for row in run.rows} == {"north", "south"}
        assert any(
            run.passed(row, "exact") is False and run.passed(row, "tone") is None
            for row in run.judged
            if row["status"] in OWN
        )


@pytest.mark.parametrize("task", HOSTILE)
def test_reliability_is_the_same_everywhere(runs: dict[str, Run], task: str) -> None:
    run = runs[task]
    wanted = Counts.of([run.correct(row) for row in run.judged])
    marts, report = _rates(run, "reliability", slice="overall"), _reported(run, "reliability", slice="overall")

    assert 0 < wanted.unscored < wanted.n
    assert run.report["run"]["n_unjudged"] == len(run.requested) - len(run.judged)
    _same(_of_estimate(run.estimates["reliability", None]), wanted)
    _same(_of_gate(run.gate.rate("reliability", "overall").measured), wanted)
    for row in (*marts, report):
        _same((row["n_eligible"], row["reliability"], row["worst_case"], row["best_case"]), wanted)
    plotted = run.plotted["first_try/n"], run.plotted["first_try/n_unscored"]
    assert (*plotted, run.plotted["first_try/rate"]) == (wanted.n, wanted.unscored, pytest.approx(wanted.value))
    assert [run.plotted["first_try/low"], run.plotted["first_try/high"]] == [report["low"], report["high"]]


@pytest.mark.parametrize("task", HOSTILE)
@pytest.mark.parametrize("scorer", [name for name in SCORERS if name != "words"])
def test_a_pass_rate_is_the_same_everywhere(runs: dict[str, Run], task: str, scorer: str) -> None:
    run = runs[task]
    own, delivered = run.pass_counts(scorer, of=OWN), run.pass_counts(scorer, of=DELIVERED)
    marts, report = _rates(run, "scores", scorer=scorer), _reported(run, "scorers", scorer=scorer)

    _same(_of_estimate(run.estimates["pass_rate", scorer]), own)
    _same(_of_estimate(run.estimates["delivered_pass_rate", scorer]), delivered)
    _same(_of_gate(run.gate.rate(scorer, "overall").measured), own)
    for row in (*marts, report):
        assert (row["n_judgements"], row["n_passed"]) == (own.n, own.passed)
        assert row["pass_rate"] == pytest.approx(own.worst, abs=TOLERANCE)
        assert row["delivered_pass_rate"] == pytest.approx(delivered.worst, abs=TOLERANCE)
    if scorer == "schema":
        valid = sum(row["status"] in OWN for row in run.requested)
        assert own == delivered == Counts(valid, 0, len(run.requested))


def test_a_scorer_that_only_measures_has_no_pass_rate_anywhere(runs: dict[str, Run]) -> None:
    for run in runs.values():
        assert ("pass_rate", "words") not in run.estimates and ("delivered_pass_rate", "words") not in run.estimates
        assert run.gate.rate("words", "overall").measured.n == 0
        for row in (*_rates(run, "scores", scorer="words"), _reported(run, "scorers", scorer="words")):
            assert row["n_judgements"] > 0 and row["pass_rate"] is None and row["delivered_pass_rate"] is None


@pytest.mark.parametrize("task", INDEPENDENT)
def test_the_bounds_of_independent_rows_are_those_of_statsmodels(runs: dict[str, Run], task: str) -> None:
    run = runs[task]
    reliability = Counts.of([run.correct(row) for row in run.judged])
    tone, given = run.pass_counts("tone", of=OWN), run.pass_counts("tone", of=DELIVERED)
    marts = _rates(run, "reliability", slice="overall"), _rates(run, "scores", scorer="tone")
    reports = _reported(run, "reliability", slice="overall"), _reported(run, "scorers", scorer="tone")

    for wanted, key, found in ((reliability, ("reliability", None), 0), (tone, ("pass_rate", "tone"), 1)):
        bounds = pytest.approx(wanted.bounds(alpha=0.05), abs=TOLERANCE)
        estimate = run.estimates[key]
        assert [estimate.low, estimate.high] == bounds
        for mart in marts[found]:
            assert ([mart["low"], mart["high"]], mart["interval_status"]) == (bounds, "unscored")
        assert [reports[found]["low"], reports[found]["high"]] == bounds
        metric = "tone" if found else "reliability"
        gate = run.gate.rate(metric, "overall").measured
        assert [gate.low, gate.high] == pytest.approx(wanted.bounds(alpha=0.1, method="beta"), abs=1e-6)
        assert {estimate.status, reports[found]["interval_status"]} == {"unscored"}
    delivered = pytest.approx(given.bounds(alpha=0.05), abs=TOLERANCE)
    for mart in marts[1]:
        assert [mart["delivered_low"], mart["delivered_high"]] == delivered


def test_equal_cluster_ids_of_two_tenants_are_two_clusters_everywhere(runs: dict[str, Run]) -> None:
    run = runs["hostile_clusters"]
    marts = _rates(run, "reliability", slice="overall")
    estimate, gate = run.estimates["reliability", None], run.gate.rate("reliability", "overall").measured

    for mart in marts:
        assert {int(mart["n_clusters"]), int(estimate.clusters), gate.clusters} == {40}
        assert [mart["low"], mart["high"]] == pytest.approx([estimate.low, estimate.high], abs=TOLERANCE)
        assert estimate.low < mart["worst_case"] < mart["best_case"] < estimate.high


@pytest.mark.parametrize("task", HOSTILE)
def test_the_share_within_the_sla_is_the_same_everywhere(built: Built, runs: dict[str, Run], task: str) -> None:
    run = runs[task]
    wire = built.tables["predictions"].query("answer_source == 'wire'")
    origins = dict(zip(wire.call_id, wire.end_to_end_ms, strict=True))
    latencies = [
        origins[row["call_id"]] if row["answer_source"] == "reused" else row["end_to_end_ms"] for row in run.requested
    ]
    share = sum(latency is not None and latency <= SLA_MS for latency in latencies) / len(latencies)

    gate = run.gate.within(SLA_MS, "overall").measured
    assert (gate.n, gate.value) == (len(latencies), pytest.approx(share, abs=TOLERANCE))
    mart = _mart(run, "rpt_latency", run_id=HOSTILE[task].run_id)
    for row in (mart, run.report["run"]):
        assert (row["n_requested"], row["share_within_sla"]) == (len(latencies), pytest.approx(share, abs=TOLERANCE))
    assert (run.plotted["sla/n"], run.plotted["sla/share"]) == (len(latencies), pytest.approx(share, abs=TOLERANCE))


@pytest.mark.parametrize("task", HOSTILE)
def test_the_cost_per_correct_prediction_counts_unscored_ones_as_not_correct(
    built: Built, runs: dict[str, Run], task: str
) -> None:
    run, paid = runs[task], _paid(built.tables)
    wanted = Counts.of([run.correct(row) for row in run.judged])
    origins = {row["call_id"]: row["prediction_id"] for row in _records(built.tables["predictions"], "h00")}
    ids = [origins.get(row["call_id"], row["prediction_id"]) for row in run.judged]
    total = sum(paid.get(one, 0.0) for one in ids)

    for row in (_mart(run, "rpt_cost_per_correct", run_id=HOSTILE[task].run_id), run.report["run"]):
        assert float(row["first_cost_usd"]) == pytest.approx(total, abs=2e-9)
        assert float(row["cost_per_correct_usd"]) == pytest.approx(total / wanted.passed, abs=2e-9)
        low = total / (wanted.passed + wanted.unscored)
        assert float(row["cost_per_correct_low_usd"]) == pytest.approx(low, abs=2e-9)
        assert (row["cost_status"], row["n_unscored"]) == ("unscored", wanted.unscored)
    assert run.plotted["cost_per_correct_usd"] == pytest.approx(total / wanted.passed, abs=2e-9)
    gate = run.gate.cost_per_correct("overall", level=0.95)
    assert gate.value == pytest.approx(total / wanted.passed, rel=1e-6)
    shown = run.report["run"]["cost_per_correct_interval"]
    assert [shown["low"], shown["high"]] == pytest.approx([gate.low, gate.high], rel=1e-6)


def _paid(tables: Tables) -> dict[str, float]:
    """Prediction id, which is its request key in this scenario, to the cost of its call."""
    calls = tables["responses"][tables["responses"].run_id.str.startswith("h0")]
    return {key: float(usd) for key, usd in zip(calls.request_key, calls.cost_usd, strict=True)}


def _records(frame: Frame, run_id: str) -> Iterator[dict[str, Any]]:
    yield from frame[frame.run_id == run_id].to_dict("records")


def _same(found: tuple[Any, ...], wanted: Counts) -> None:
    assert found[0] == wanted.n
    assert list(found[1:]) == pytest.approx([wanted.value, wanted.worst, wanted.best], abs=TOLERANCE)


def _of_estimate(row: Any) -> tuple[Any, ...]:
    worst, best = (row.value if pd.isna(case) else case for case in (row.worst, row.best))
    return row.n, row.value, worst, best


def _of_gate(found: Measured) -> tuple[Any, ...]:
    worst, best = (found.value if case is None else case for case in (found.worst, found.best))
    return found.n, found.value, worst, best


def _rates(run: Run, name: str, **key: str) -> list[dict[str, Any]]:
    """The row of the run, and the row of the current predictions: a run that ran out of budget has none."""
    planned = HOSTILE[run.task]
    of_run = _mart(run, f"rpt_run_{name}", run_id=planned.run_id, **key)
    return [of_run] if planned.is_out_of_budget else [of_run, _mart(run, f"rpt_{name}", **key)]


def _mart(run: Run, name: str, **key: str) -> dict[str, Any]:
    frame = run.marts[name]
    frame = frame[
        (frame.task == run.task) & (frame.inference_version == "i1" if "inference_version" in frame else True)
    ]
    for column, value in key.items():
        frame = frame[frame[column] == value]
    (row,) = frame.to_dict("records")
    return {name: None if pd.isna(value) else value for name, value in row.items()}


def _reported(run: Run, part: str, **key: str) -> dict[str, Any]:
    (row,) = [row for row in run.report[part] if all(row[name] == value for name, value in key.items())]
    return dict(row)
