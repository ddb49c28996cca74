"""The run that a report is about, and the list of runs, agree with the marts and with the landing rows."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pandas as pd
import pytest

from assay.report.blocks.reliability import ReliabilityBlock
from assay.report.blocks.run import RunBlock
from assay.report.queries.runs import LAST_CALLING_RUN
from assay.report.runs.listing import list_runs
from assay.report.scorecard import ReportedRun, read_scorecard
from assay.settings import Settings
from assay.warehouse.client import Warehouse
from tests.dbt.conftest import Built
from tests.dbt.expected import calls, whole_runs
from tests.dbt.project import ENV
from tests.dbt.scenario import DAY_ONE
from tests.emulator import PROJECT


@pytest.fixture(scope="module")
def warehouse(built: Built) -> Warehouse:
    rest, grpc = built.endpoints.rest, built.endpoints.grpc
    settings = Settings(
        root=Path("nowhere"),
        project=PROJECT,
        env=ENV,
        bigquery_endpoint=rest,
        bigquery_grpc_endpoint=grpc,
        local_token=built.endpoints.token,
    )
    return Warehouse(settings)


def test_the_list_of_runs_says_what_the_marts_say(built: Built, warehouse: Warehouse) -> None:
    listed = {run.run_id: run for run in list_runs(warehouse, None, last=1000)}
    mart = built.frame("reporting.rpt_runs").set_index("run_id")
    assert set(listed) == set(mart.index)
    for run_id, run in listed.items():
        row = mart.loc[run_id]
        reason = None if pd.isna(row.partial_reason) else row.partial_reason
        assert (run.partial_reason is None, run.partial_reason) == (row.is_whole, reason)
        assert (run.predictions, run.skipped, run.status) == (row.n_predictions, row.n_skipped, row.run_status)


def test_the_last_run_that_made_calls_is_the_one_that_ended_last(built: Built, warehouse: Warehouse) -> None:
    version = {"task": "tickets", "variant": "default", "stage": "beta", "inference_version": "i1"}
    [found] = warehouse.stream(LAST_CALLING_RUN.sql, version)
    runs = built.tables["runs"]
    own = runs[(runs.task == "tickets") & (runs.variant == "default") & (runs.stage == "beta")]
    own = own[own.purpose != "perturb"]
    own = own[(own.run_status == "completed") & own.run_id.isin(calls(built.tables).run_id)]
    assert found["run_id"] == own.sort_values("run_finished_at").run_id.iloc[-1]


def test_a_report_is_about_one_whole_run_and_says_which(built: Built, warehouse: Warehouse) -> None:
    card = read_scorecard(warehouse, "tickets")
    runs = built.tables["runs"].query("task == 'tickets' and variant == 'default'")
    newest = runs[runs.run_id.isin(whole_runs(built.tables))].sort_values("run_finished_at").run_id.iloc[-1]
    assert card.of(RunBlock).run["run_id"] == newest
    [overall] = [row for row in card.of(ReliabilityBlock).reliability if row["slice"] == "overall"]
    assert overall["n_eligible"] == card.of(RunBlock).run["n_eligible"]


@pytest.mark.parametrize(
    ("selected", "run_id"),
    [
        (ReportedRun(run_id="r16"), "r16"),
        (ReportedRun(variant="short"), "r08"),
        (ReportedRun(data_date=DAY_ONE + timedelta(days=3)), "r17"),
    ],
    ids=["run", "variant", "data date"],
)
def test_a_run_is_selected_by_id_variant_or_day(warehouse: Warehouse, selected: ReportedRun, run_id: str) -> None:
    card = read_scorecard(warehouse, "tickets", selected)
    assert card.of(RunBlock).run["run_id"] == run_id
    assert {row["population"] for row in card.of(ReliabilityBlock).reliability} == {"golden:gate"}
