"""A request for a table, dataset or column that does not exist says how to get it, or names the closest one."""

from __future__ import annotations

from dataclasses import replace

import pytest
from google.api_core.exceptions import BadRequest, NotFound

from assay.errors import UsageError
from assay.settings import Settings
from assay.warehouse.client import Warehouse
from assay.warehouse.reading import read_only
from assay.warehouse.refusals import refusal, unknown_column
from tests.paths import ROOT

SETTINGS = Settings(root=ROOT, hash_key=b"k" * 32)
DATASETS = "dev_landing, dev_reporting, dev_marts, dev_intermediate, dev_staging"


@pytest.fixture(scope="module")
def project(warehouse: Warehouse) -> Warehouse:
    """The migrated warehouse of a project with models, none of which is built."""
    return Warehouse(replace(warehouse.settings, root=ROOT))


@pytest.mark.parametrize(
    ("table", "step"),
    [
        ("rpt_reliability", "build the marts with `assay report TASK --refresh`."),
        ("rpt_reliability_weekly", "did you mean 'rpt_reliability_daily'? If it is missing as well, build the marts with `assay report TASK --refresh`."),
        ("dev_marts.fct_predictions", "build the marts with `assay report TASK --refresh`."),
        ("dev_marts.fct_prediction", "did you mean 'fct_predictions'? If it is missing as well, build the marts with `assay report TASK --refresh`."),
        ("dev_staging.stg_landing__runs", "build the marts with `assay report TASK --refresh`."),
        ("dev_landing.rnus", "did you mean 'runs'?"),
        ("runs", "write dev_landing.runs."),
        ("fct_predictions", "write dev_marts.fct_predictions."),
        ("elsewhere.runs", f"use one of the datasets of this environment: {DATASETS}."),
    ],
)  # fmt: skip
def test_a_missing_table_has_the_step_of_its_dataset(project: Warehouse, table: str, step: str) -> None:
    with pytest.raises(UsageError) as refused:
        read_only(project, f"select * from {table}")

    assert refused.value.next_step == step


def test_a_landing_table_that_was_not_created_is_created_by_migrate(bare: Warehouse) -> None:
    with pytest.raises(UsageError) as refused:
        list(bare.stream("select * from runs"))

    assert refused.value.next_step == "create the landing tables with `assay warehouse migrate`."


@pytest.mark.parametrize("separator", [".", ":"])
def test_both_spellings_of_a_table_are_read(separator: str) -> None:
    error = NotFound("x", errors=[{"message": f"Not found: Table a-b{separator}dev_landing.runs was not found"}])

    assert refusal(error, "here", SETTINGS).next_step == "create the landing tables with `assay warehouse migrate`."


@pytest.mark.parametrize(
    ("sql", "name", "step"),
    [
        ("select runid from dev_landing.runs", "runid", "did you mean 'run_id'?"),
        ("select r.tsk from dev_landing.runs as r", "tsk", "did you mean 'task'?"),
        ("select run_id from dev_landing.runs order by taks", "taks", "did you mean 'task'"),
        ("select zzz from dev_landing.runs", "zzz", "see the columns in docs/reference/tables.md."),
    ],
)
def test_an_unknown_column_is_named_with_the_closest_before_the_engine_s_words(
    project: Warehouse, sql: str, name: str, step: str
) -> None:
    with pytest.raises(UsageError) as refused:
        read_only(project, sql)

    first, last = str(refused.value).splitlines()
    assert first.startswith(
        f"Unknown column '{name}': expected a column of the tables in the query; {step.rstrip('?')}"
    )
    assert last.startswith(f"Message of the warehouse at {project.settings.bigquery_endpoint}: ")


@pytest.mark.parametrize(
    ("message", "first"),
    [
        ("Unrecognized name: runid; Did you mean run_id? at [1:8]", "Unknown column 'runid': expected a column of the tables in the query; did you mean 'run_id'?"),
        ("Unrecognized name: zzz at [1:8]", "Unknown column 'zzz': expected a column of the tables in the query; see the columns in docs/reference/tables.md."),
        ("Name tsk not found inside r at [1:10]", "Unknown column 'tsk': expected a column of the tables in the query; see the columns in docs/reference/tables.md."),
    ],
)  # fmt: skip
def test_the_words_of_bigquery_are_understood_as_those_of_the_emulator(message: str, first: str) -> None:
    found = unknown_column(BadRequest("x", errors=[{"message": message}]), "here")

    assert str(found).splitlines() == [first, f"Message of the warehouse at here: {message}"]


def test_another_error_is_not_taken_for_an_unknown_column() -> None:
    assert unknown_column(BadRequest("x", errors=[{"message": "Function not found: nofunc at [1:8]"}]), "here") is None
