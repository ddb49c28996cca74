"""The scorecard, which reads landing rows, and the reporting views state the same of every completed run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from assay.report.block import Scorecard
from assay.report.blocks import gate
from assay.report.runs.listing import list_runs
from assay.report.scorecard import ReportedRun, read_scorecard
from assay.report.source import RunSource
from assay.settings import Settings
from assay.warehouse.client import Warehouse
from tests.dbt import engine_scenario, hostile_scenario, repeats_scenario, scenario
from tests.dbt.conftest import Built
from tests.dbt.project import ENV
from tests.emulator import PROJECT

Row = dict[str, Any]
PLANNED = (*scenario.RUNS, *engine_scenario.RUNS, *repeats_scenario.RUNS, *hostile_scenario.RUNS)
RUNS = {run.run_id: run for run in PLANNED if run.status == "completed"}
ROUNDING = 2e-9
"""NUMERIC has nine decimal places, and the emulator divides in another order."""

OF_RUN = {
    "rpt_runs": ("run_id", "data_date", "variant", "stage", "purpose", "inference_version", "run_status", "is_whole",
        "partial_reason", "n_skipped", "rows_read", "rows_rejected", "records"),
    "rpt_cost_per_correct": ("n_eligible", "n_unjudged", "n_correct", "n_unscored", "n_reused", "n_cached", "calls",
        "n_unpriced_calls", "n_billing_unknown_calls", "cost_usd", "judge_cost_usd", "total_cost_usd", "cost_per_correct_usd",
        "cost_per_correct_low_usd", "cost_per_correct_upper_usd", "cost_status", "reference_cost_usd", "first_cost_usd",
        "n_first_unpriced",
        "reference_cost_per_correct_usd"),
    "rpt_completeness": ("is_complete",),
    "rpt_latency": ("n_wire_answers", "n_requested", "sla_latency_ms", "sla_share", "share_within_sla", "meets_sla"),
}  # fmt: skip
PERCENTILES = {f"p{point}_ms": f"end_to_end_p{point}_ms" for point in (50, 90, 99)}
RATES = (
    "population", "slice", "n_predictions", "n_skipped", "n_unjudged", "n_eligible", "n_correct", "n_unscored",
    "reliability", "worst_case", "best_case", "low", "high", "method", "effective_n", "interval_status",
    "interval_reason", "n_answered", "quality_when_answered", "n_second_chances", "n_delivered_correct",
    "delivered_rate", "n_clusters", "epochs",
)  # fmt: skip
SCORES = (
    "population", "scorer", "scorer_kind", "scorer_version", "n_judgements", "n_no_output", "n_scored", "n_unscored",
    "n_failed", "n_refused", "n_passed", "pass_rate", "low", "high", "method", "interval_status", "interval_reason",
    "n_fallback", "delivered_pass_rate", "delivered_low", "delivered_high",
)  # fmt: skip
FAILURES = ("status", "error_type", "n_predictions", "share_of_run")
ROUTES = (
    "route", "n_asked", "n_answers", "n_wire", "n_escalated", "n_escalated_no_valid_answer", "n_escalated_check",
    "n_escalated_confidence", "cost_usd", "n_compared", "n_uncompared", "routing_saved_usd",
)  # fmt: skip
CACHES = (
    "n_sourced", "n_wire", "n_exact_cache", "n_semantic_cache", "n_reused", "input_tokens", "cached_input_tokens",
    "cached_input_share", "exact_cache_saved_usd", "semantic_cache_saved_usd", "reused_saved_usd", "saved_usd",
    "n_unpriced_savings", "n_embedding_calls", "embedding_cost_usd", "net_saved_usd",
)  # fmt: skip
REPEATS = (
    "population", "slice", "k", "epochs", "n_records", "n_clusters", "pass_at_k", "pass_at_k_low", "pass_at_k_high",
    "pass_at_k_method", "pass_at_k_status", "pass_hat_k", "pass_hat_k_low", "pass_hat_k_high", "pass_hat_k_method",
    "pass_hat_k_status", "variance_between_records", "variance_within_records", "within_share",
)  # fmt: skip
GATES = (
    "gate_id", "decision", "is_blocking", "stage", "population", "candidate_variant", "candidate_inference_version",
    "champion_variant", "champion_inference_version", "decided_at", "decided_by", "previous_decision",
    "previous_decided_at",
)  # fmt: skip
RULES = (
    "rule_number", "rule_name", "rule_type", "metric", "slice", "bar", "value", "lower", "upper", "n", "state",
    "reason", "waiver_owner", "waiver_expires_on", "is_waiver_expired",
)  # fmt: skip
SPLITS = ("n_gate_cases", "n_runs", "n_inference_versions", "first_asked_at", "last_asked_at")


@pytest.fixture(scope="module")
def cards(built: Built) -> dict[str, Scorecard]:
    """The scorecard of every completed run."""
    warehouse = _warehouse(built)
    return {run.run_id: read_scorecard(warehouse, run.task, ReportedRun(run_id=run.run_id)) for run in RUNS.values()}


@pytest.fixture(scope="module")
def views(built: Built) -> Any:
    """Reads a reporting view once."""
    return cache(lambda name: [_plain(row) for row in built.frame(f"reporting.{name}").to_dict("records")])


@pytest.mark.parametrize("run_id", RUNS)
def test_counts_costs_and_latencies_are_those_of_the_views(
    cards: dict[str, Scorecard], views: Any, run_id: str
) -> None:
    found = cards[run_id].as_dict()["run"]
    for view, columns in OF_RUN.items():
        rows = [row for row in views(view) if row["run_id"] == run_id]
        assert len(rows) == 1 or view == "rpt_latency"
        for row in rows:
            _same(found, row, columns)
    for name, of_view in PERCENTILES.items():
        wanted = [row[of_view] for row in views("rpt_latency") if row["run_id"] == run_id]
        assert found[name] == (pytest.approx(wanted[0], abs=ROUNDING) if wanted and wanted[0] is not None else None)


@pytest.mark.parametrize("run_id", RUNS)
@pytest.mark.parametrize(
    ("part", "view", "columns", "key"),
    [
        ("reliability", "rpt_run_reliability", RATES, ("population", "slice")),
        ("scorers", "rpt_run_scores", SCORES, ("population", "scorer", "scorer_version")),
        ("failures", "rpt_failures", FAILURES, ("status", "error_type")),
        ("routing", "rpt_routing", ROUTES, ("route",)),
    ],
)
def test_every_row_of_a_run_is_that_of_the_view(
    cards: dict[str, Scorecard], views: Any, run_id: str, part: str, view: str, columns: tuple[str, ...], key: tuple[str, ...]
) -> None:  # fmt: skip
    wanted = _by(key, (row for row in views(view) if row["run_id"] == run_id))
    found = _by(key, cards[run_id].as_dict()[part])
    assert found.keys() == wanted.keys()
    for place, row in found.items():
        _same(row, wanted[place], columns)


@pytest.mark.parametrize("run_id", RUNS)
def test_the_savings_of_caches_are_those_of_the_view(cards: dict[str, Scorecard], views: Any, run_id: str) -> None:
    (wanted,) = [row for row in views("rpt_caching") if row["run_id"] == run_id]
    _same(cards[run_id].as_dict()["caching"], wanted, CACHES)


def test_the_list_of_runs_has_the_costs_of_the_view(built: Built, views: Any) -> None:
    listed = {run.run_id: run for run in list_runs(_warehouse(built), None, last=1000)}
    wanted = {row["run_id"]: row for row in views("rpt_cost_per_correct")}
    assert wanted.keys() == {run_id for run_id, run in listed.items() if run.predictions}
    for run_id in wanted:
        _same(listed[run_id].as_dict(), wanted[run_id], ("calls", "cost_usd", "judge_cost_usd", "total_cost_usd"))


@pytest.mark.parametrize("run_id", RUNS)
def test_the_interval_is_that_of_the_cost_per_correct_prediction(cards: dict[str, Scorecard], run_id: str) -> None:
    run = cards[run_id].as_dict()["run"]
    found, cost = run["cost_per_correct_interval"], run["cost_per_correct_usd"]
    if cost is None:
        assert (found["low"], found["high"]) == (None, None) and found["reason"]
        return
    assert found["value"] == pytest.approx(float(cost), abs=ROUNDING)
    if found["low"] is not None:
        assert found["low"] <= found["value"] <= found["high"]
    else:
        assert found["reason"]


def test_repeats_are_those_of_the_views_where_the_run_is_current(cards: dict[str, Scorecard], views: Any) -> None:
    key, compared = ("population", "slice", "k"), 0
    for run_id, card in cards.items():
        wanted = _by(key, (row for row in views("rpt_repeats") if row["run_id"] == run_id))
        found = _by(key, card.as_dict()["repeats"])
        for place, row in wanted.items():
            _same(found[place], row, REPEATS)
        compared += len(wanted)
    assert compared > 0


def test_flaky_records_are_counted_as_in_the_view_where_the_run_is_current(
    cards: dict[str, Scorecard], views: Any
) -> None:
    current = {row["run_id"] for row in views("rpt_flaky_records")}
    assert current
    for run_id in current:
        counted: dict[str, int] = {}
        for row in views("rpt_flaky_records"):
            if row["run_id"] == run_id:
                counted[row["population"]] = counted.get(row["population"], 0) + 1
        assert {row["population"]: row["n_flaky"] for row in cards[run_id].as_dict()["flaky"]} == counted


def test_the_latest_gate_and_its_rules_are_those_of_the_views(built: Built, views: Any) -> None:
    tasks = {row["task"] for row in views("rpt_gates")}
    assert tasks
    for task in tasks:
        card = _gate_card(built, task)
        (gate,) = [row for row in views("rpt_gates") if row["task"] == task and row["is_latest"]]
        _same(card["gate"], gate, GATES)
        rules = [row for row in views("rpt_gate_rules") if row["task"] == task and row["is_latest"]]
        assert len(card["gate_rules"]) == len(rules)
        for found, wanted in zip(card["gate_rules"], sorted(rules, key=lambda row: row["rule_number"]), strict=True):
            _same(found, wanted, RULES)
        splits = [row for row in views("rpt_gate_split_uses") if row["task"] == task and row["is_latest"]]
        assert (card["gate_split"] is None) == (not splits)
        if splits:
            _same(card["gate_split"], min(splits, key=lambda row: row["golden_set_version"]), SPLITS)


def _gate_card(built: Built, task: str) -> Row:
    """What the block of gates reads for the task, which may have no completed run."""
    with ThreadPoolExecutor(1) as pool:
        return asdict(gate.read(RunSource(_warehouse(built), pool, task, {}, 0)))


def _warehouse(built: Built) -> Warehouse:
    rest, grpc = built.endpoints.rest, built.endpoints.grpc
    return Warehouse(
        Settings(
            root=Path("nowhere"),
            project=PROJECT,
            env=ENV,
            bigquery_endpoint=rest,
            bigquery_grpc_endpoint=grpc,
            local_token=built.endpoints.token,
        )
    )


def _by(key: tuple[str, ...], rows: Iterable[Row]) -> dict[tuple[Any, ...], Row]:
    listed = list(rows)
    found = {tuple(row[name] for name in key): row for row in listed}
    assert len(found) == len(listed)
    return found


def _same(found: Mapping[str, Any], wanted: Mapping[str, Any], columns: Iterable[str]) -> None:
    different = {name: (found[name], wanted[name]) for name in columns if not _equal(found[name], wanted[name])}
    assert different == {}


def _equal(found: Any, wanted: Any) -> bool:
    if isinstance(wanted, bool) or not isinstance(wanted, int | float | Decimal):
        return bool(found == wanted)
    return found is not None and float(found) == pytest.approx(float(wanted), abs=ROUNDING, rel=1e-12)


def _plain(row: Mapping[Any, Any]) -> Row:
    return {str(name): _value(value) for name, value in row.items()}


def _value(value: Any) -> Any:
    if isinstance(value, list | tuple) or hasattr(value, "tolist"):
        return value.tolist() if hasattr(value, "tolist") else value
    return None if pd.isna(value) else value
