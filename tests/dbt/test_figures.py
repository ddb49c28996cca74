"""Every figure of the marts equals an independent computation on the same landing rows."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from tests.dbt import calibration_expected, engine_expected, expected, gate_expected, repeats_expected
from tests.dbt.classes import classes_expected
from tests.dbt.conftest import Built
from tests.dbt.runs import runs_expected
from tests.paths import ROOT

CELL = ["task", "stage", "variant", "inference_version", "population"]
DAILY = ["task", "stage", "variant", "data_date"]
REPORTS = [
    ("rpt_reliability", expected.reliability, [*CELL, "slice"]),
    ("rpt_run_reliability", runs_expected.run_reliability, ["run_id", "population", "slice"]),
    ("rpt_reliability_daily", runs_expected.reliability_daily, [*DAILY, "population"]),
    ("rpt_run_scores", runs_expected.run_scores, ["run_id", "population", "scorer", "scorer_version"]),
    ("rpt_runs", runs_expected.runs, ["run_id"]),
    ("rpt_run_classes", classes_expected.classes, ["run_id", "population", "slice", "scorer", "label"]),
    ("rpt_run_class_averages", classes_expected.averages, ["run_id", "population", "slice", "scorer", "average"]),
    ("rpt_run_confusion", classes_expected.confusion, ["answer_count_id"]),
    ("rpt_repeats", repeats_expected.repeats, [*CELL, "slice", "k"]),
    ("rpt_flaky_records", repeats_expected.flaky_records, [*CELL, "data_date", "record_id"]),
    ("rpt_scores", expected.scores, [*CELL, "scorer", "scorer_version"]),
    ("rpt_scores", repeats_expected.scores, [*CELL, "scorer", "scorer_version"]),
    ("rpt_cost_daily", expected.cost_daily, ["data_date", "task", "provider", "request_model"]),
    ("rpt_cost_per_correct", expected.cost_per_correct, ["run_id"]),
    ("rpt_latency", expected.latency, ["run_id"]),
    ("rpt_latency_daily", expected.latency_daily, ["data_date", "task", "route", "provider", "request_model"]),
    ("rpt_completeness", expected.completeness, ["run_id"]),
    ("rpt_failures", expected.failures, ["run_id", "status", "error_type"]),
    ("rpt_caching", engine_expected.caching, ["run_id"]),
    ("rpt_routing", engine_expected.routing, ["run_id", "route"]),
    ("rpt_batches", engine_expected.batches, ["run_id", "provider"]),
    ("rpt_budget", engine_expected.budget, ["month", "task"]),
    ("rpt_comparisons", gate_expected.comparisons, ["comparison_id"]),
    ("rpt_robustness", gate_expected.robustness, ["comparison_id"]),
    ("rpt_gates", gate_expected.gates, ["gate_id"]),
    ("rpt_gate_rules", gate_expected.gate_rules, ["gate_id", "rule_number"]),
    ("rpt_gate_split_uses", gate_expected.gate_split_uses, ["task", "golden_set_version"]),
    ("rpt_calibration", calibration_expected.calibration, ["scorer", "scorer_version", "metric", "slice"]),
    ("rpt_judged_rates", calibration_expected.judged_rates, ["run_id", "scorer", "scorer_version", "slice"]),
    (
        "rpt_annotator_agreement",
        calibration_expected.annotator_agreement,
        ["scorer", "scorer_version", "metric", "annotators", "slice"],
    ),
]


def test_every_reporting_view_has_an_independent_computation() -> None:
    views = {path.stem for path in (ROOT / "dbt_project" / "models" / "reporting").glob("rpt_*.sql")}
    assert {name for name, _, _ in REPORTS} == views


@pytest.mark.parametrize(("report", "compute", "key"), REPORTS, ids=[name for name, _, _ in REPORTS])
def test_report_equals_the_independent_computation(
    built: Built, report: str, compute: Callable[[expected.Tables], pd.DataFrame], key: list[str]
) -> None:
    want = compute(built.tables)
    assert_same(built.frame(f"reporting.{report}"), want, key)


def test_each_prediction_is_current_and_correct_as_computed(built: Built) -> None:
    want = expected.predictions(built.tables)
    outcomes = ["is_eligible", "is_answered", "is_correct", "is_delivered_correct", "status", "first_status"]
    columns = ["prediction_id", "is_current", "population", *outcomes]
    assert_same(built.frame("marts.fct_predictions"), want[columns], ["prediction_id"])


def test_each_call_is_counted_once_with_its_cost(built: Built) -> None:
    want = expected.calls(built.tables)[["call_id", "cost_usd", "is_unpriced", "billing", "latency_ms"]]
    assert_same(built.frame("marts.fct_responses"), want, ["call_id"])


def test_each_score_is_counted_once(built: Built) -> None:
    want = built.tables["scores"][["score_id", "status", "value"]]
    assert_same(built.frame("marts.fct_scores"), want, ["score_id"])


def test_a_model_without_a_price_is_said_to_have_none(built: Built) -> None:
    models = built.frame("marts.dim_models").set_index("request_model").is_priced
    small = {"small": True, "cheap-small": True, "middle-small": True, "strong-small": True}
    unlisted = {"unlisted": False, "cheap-unlisted": True, "middle-unlisted": True, "strong-unlisted": False}
    assert models.to_dict() == {**small, **unlisted, "vectors": False}


def test_each_task_has_one_row(built: Built) -> None:
    hostile = ["hostile_clusters", "hostile_lenient", "hostile_plain", "hostile_sampled"]
    tasks = ["batched", "chat", "extract", "gated", "guarded", *hostile, "routed", "steady", "tickets"]
    assert sorted(built.frame("marts.dim_tasks").task) == tasks


def test_the_scenario_reaches_every_interval_status(built: Built) -> None:
    found = built.frame("reporting.rpt_reliability")
    landed, not_landed = {"ok", "warning", "too_few", "inconclusive", "unscored"}, {"several_epochs", "clustered"}
    assert set(found.interval_status) == landed | not_landed
    effective = {"effective_n_wilson", "effective_n_clopper_pearson"}
    assert set(found.method.dropna()) == {"wilson", "clopper_pearson", "worst_and_best_case"} | effective
    assert (found.interval_reason.isna() <= found.low.notna()).all()


def test_what_judges_did_not_sample_is_in_no_rate(built: Built) -> None:
    found = built.frame("reporting.rpt_reliability").set_index(["variant", "slice"]).loc[("sampled", "overall")]
    assert found.n_unjudged > 0 and found.n_eligible + found.n_unjudged + found.n_skipped == found.n_predictions
    assert (found.n_unscored, found.interval_status) == (0, "ok")
    assert found.low < found.reliability < found.high


def test_no_partial_run_has_a_current_prediction(built: Built) -> None:
    runs = built.frame("reporting.rpt_runs").set_index("run_id")
    assert set(runs.partial_reason.dropna()) == {"not_completed", "limited", "out_of_budget", "perturbed"}
    current = built.frame("marts.fct_predictions").query("is_current").run_id
    assert not set(current) & set(runs.index[~runs.is_whole])
    assert {"r02", "r03", "r18"} <= set(current)


def test_what_is_delivered_at_a_second_chance_is_no_first_try(built: Built) -> None:
    found = built.frame("reporting.rpt_run_reliability").set_index(["run_id", "slice"]).loc[("r19", "overall")]
    assert found.n_second_chances > 10
    assert found.delivered_rate > found.reliability + 0.05


def test_repeats_of_unscored_predictions_have_a_value_within_their_bounds(built: Built) -> None:
    found = built.frame("reporting.rpt_repeats")
    assert {1, 2, 3, 4} == set(found.k)
    unscored = found[found.pass_at_k_status == "unscored"]
    assert len(unscored) and (unscored.pass_at_k_low <= unscored.pass_at_k).all()
    assert (found.pass_at_k > found.pass_hat_k).any()
    assert (built.frame("reporting.rpt_flaky_records").statuses.str.contains(", ")).any()


def test_the_scenario_reaches_every_cost_status(built: Built) -> None:
    found = set(built.frame("reporting.rpt_cost_per_correct").cost_status)
    assert found == {"ok", "billing_unknown", "unpriced", "unscored", "none_correct"}


def test_the_scenario_reaches_every_source_reason_and_state(built: Built) -> None:
    caching, routing = built.frame("reporting.rpt_caching"), built.frame("reporting.rpt_routing")
    batches, budget = built.frame("reporting.rpt_batches"), built.frame("reporting.rpt_budget")
    for frame, counts in (
        (caching, ("n_wire", "n_exact_cache", "n_semantic_cache", "n_reused", "n_unpriced_savings")),
        (routing, ("n_escalated_check", "n_escalated_confidence", "n_escalated_no_valid_answer")),
        (routing, ("n_compared", "n_uncompared", "n_unpriced_calls")),
        (batches, ("n_intended", "n_submitted", "n_finished", "n_landed", "n_abandoned", "n_cut_short")),
        (budget, ("n_open_leases", "n_expired_leases", "spent_usd", "settled_usd")),
    ):
        assert [name for name in counts if not frame[name].sum() > 0] == []
    assert caching.net_saved_usd.notna().any() and caching.net_saved_usd.isna().any()
    assert (routing.routing_saved_usd > 0).any() and (routing.routing_saved_usd < 0).any()
    assert budget.month.nunique() > 1 and budget.share_of_month_cap.notna().any()


def test_the_scenario_reaches_every_outcome_of_a_gate(built: Built) -> None:
    rules, gates = built.frame("reporting.rpt_gate_rules"), built.frame("reporting.rpt_gates")
    assert set(rules.state) == {"pass", "fail", "inconclusive", "waived", "reported"}
    assert set(gates.decision) == {"PASS", "FAIL", "INCONCLUSIVE"} == set(gates.previous_decision.dropna())
    assert {True, False} <= set(rules.is_waiver_expired.dropna()) and rules.is_waiver_expired.isna().any()
    compared = built.frame("reporting.rpt_comparisons")
    assert compared.is_regression_shown.any() and compared.is_improvement_shown.any()
    assert 0 < compared.is_latest.sum() < len(compared)


def test_versions_with_the_same_gate_cases_share_their_uses(built: Built) -> None:
    uses = built.frame("reporting.rpt_gate_split_uses").set_index(["task", "golden_set_version"])
    assert {place[1] for place in uses.index if place[0] == "gated"} == {"g1", "g2", "g3", "g4", "g6"}
    assert uses.gate_split_hash["gated", "g1"] == uses.gate_split_hash["gated", "g2"]
    assert uses.loc["gated"].gate_split_hash.nunique() == 4
    assert (uses.n_runs["gated", "g6"], uses.is_latest["gated", "g6"]) == (0, False)


def test_an_open_batch_has_an_age(built: Built) -> None:
    batches = built.frame("reporting.rpt_batches")
    assert (batches.oldest_open_age_ms.notna() == batches.oldest_open_at.notna()).all()
    assert (batches.oldest_open_age_ms.dropna() > 0).all()


def assert_same(have: pd.DataFrame, want: pd.DataFrame, key: list[str]) -> None:
    """The frames hold the same keys, and in the columns of `want` the same values."""
    assert list(want.columns), "nothing to compare"
    left = have[list(want.columns)].sort_values(key, ignore_index=True)
    right = want.sort_values(key, ignore_index=True)
    assert left[key].astype(str).to_numpy().tolist() == right[key].astype(str).to_numpy().tolist()
    for column in want.columns:
        for place, (one, other) in enumerate(zip(left[column], right[column], strict=True)):
            assert _equal(one, other), f"{column} of {left.loc[place, key].to_dict()}: {one!r}, computed {other!r}"


def _equal(one: object, other: object) -> bool:
    if pd.isna(one) or pd.isna(other):  # type: ignore[call-overload]
        return bool(pd.isna(one) and pd.isna(other))  # type: ignore[call-overload]
    if isinstance(other, int | float | np.number) and not isinstance(other, bool):
        return bool(np.isclose(float(one), float(other), rtol=1e-9, atol=1e-9))  # type: ignore[arg-type]
    return bool(one == other)
