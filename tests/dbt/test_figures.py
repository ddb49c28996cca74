"""Every figure of the marts equals an independent computation on the same landing rows."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from tests.dbt import engine_expected, expected
from tests.dbt.conftest import Built

CELL = ["task", "stage", "variant", "inference_version", "population"]
REPORTS = [
    ("rpt_reliability", expected.reliability, [*CELL, "slice"]),
    ("rpt_scores", expected.scores, [*CELL, "scorer", "scorer_version"]),
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
]


@pytest.mark.parametrize(("report", "compute", "key"), REPORTS, ids=[name for name, _, _ in REPORTS])
def test_report_equals_the_independent_computation(
    built: Built, report: str, compute: Callable[[expected.Tables], pd.DataFrame], key: list[str]
) -> None:
    want = compute(built.tables)
    assert_same(built.frame(f"reporting.{report}"), want, key)


def test_each_prediction_is_current_and_correct_as_computed(built: Built) -> None:
    want = expected.predictions(built.tables)
    columns = ["prediction_id", "is_current", "is_eligible", "is_answered", "is_correct", "population", "status"]
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
    assert sorted(built.frame("marts.dim_tasks").task) == ["batched", "chat", "extract", "routed", "tickets"]


def test_the_scenario_reaches_every_interval_status(built: Built) -> None:
    found = built.frame("reporting.rpt_reliability")
    assert set(found.interval_status) == {"ok", "too_few", "several_epochs", "clustered", "unscored"}
    assert set(found.method.dropna()) == {"wilson", "bca_bootstrap"}


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
