"""Every figure of the marts equals an independent computation on the same landing rows."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from tests.dbt import expected
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
    assert models.to_dict() == {"small": True, "unlisted": False}


def test_each_task_has_one_row(built: Built) -> None:
    assert sorted(built.frame("marts.dim_tasks").task) == ["chat", "extract", "tickets"]


def test_the_scenario_reaches_every_interval_status(built: Built) -> None:
    found = built.frame("reporting.rpt_reliability")
    assert set(found.interval_status) == {"ok", "too_few", "several_epochs", "clustered", "unscored"}
    assert set(found.method.dropna()) == {"wilson", "bca_bootstrap"}


def test_the_scenario_reaches_every_cost_status(built: Built) -> None:
    found = set(built.frame("reporting.rpt_cost_per_correct").cost_status)
    assert found == {"ok", "billing_unknown", "unpriced", "unscored", "none_correct"}


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
