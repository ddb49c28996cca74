"""The same code against a real BigQuery project and a real model, in datasets of its own that are dropped in the end.

Needs ASSAY_LIVE_PROJECT (a project to create datasets in), OPENAI_API_KEY and ASSAY_LIVE_CAP_USD (most to spend on
calls); ASSAY_LOCATION and OPENAI_BASE_URL where the defaults do not serve. One cheap call is made.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from assay.project import Project, open_project
from assay.records import RunEvent
from assay.settings import load_settings
from assay.tasks.new_task import scaffold_task
from assay.warehouse.client import CALL_SECONDS, Warehouse
from assay.warehouse.landing import LandingWriter
from assay.warehouse.marts import build_marts
from assay.warehouse.migrate import DATASETS, diff, migrate
from tests.architecture.source import ROOT

pytestmark = pytest.mark.live

NEEDED = ("ASSAY_LIVE_PROJECT", "OPENAI_API_KEY", "ASSAY_LIVE_CAP_USD")
MODEL = "gpt-4.1-nano"
TASK = "live_sorting"
DAY = date(2026, 3, 2)
DBT_OWN = "dbt"


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """A project folder and its datasets, under a prefix that nobody has; both are gone afterwards."""
    if missing := [name for name in NEEDED if not os.environ.get(name)]:
        pytest.skip(f"not set: {', '.join(missing)}")
    root: Path = tmp_path_factory.mktemp("live")
    write_project(root)
    environ = {**os.environ, "ASSAY_ROOT": str(root), "ASSAY_PROJECT": os.environ["ASSAY_LIVE_PROJECT"]}
    settings = replace(load_settings(environ), env=f"assay_live_{secrets.token_hex(4)}")
    warehouse = Warehouse(settings)
    try:
        migrate(warehouse, report=lambda _: None)
        yield open_project(settings)
    finally:
        drop_datasets(warehouse)


def test_new_tables_equal_their_schema_files(project: Project) -> None:
    assert diff(project.warehouse) == []


def test_appended_rows_are_read_back_and_staging_keeps_one_of_two(project: Project) -> None:
    row = run_row()
    for _ in range(2):
        LandingWriter(project.warehouse).append([row])
    landed = list(project.warehouse.stream("select * from runs where run_id = @run_id", {"run_id": row.run_id}))
    assert [(kept["task"], kept["data_date"]) for kept in landed] == [(TASK, DAY)] * 2
    build_marts(project.settings, select=["stg_landing__runs"])
    staged = project.warehouse.stream(
        "select run_id from stg_landing__runs where run_id = @run_id", {"run_id": row.run_id}, dataset="staging"
    )
    assert len(list(staged)) == 1


def test_one_record_is_answered_within_the_cap_and_reaches_the_marts(project: Project) -> None:
    from assay.inference.request import RequestResult
    from assay.pipeline import answer, finish
    from assay.runs.admission import admit
    from assay.runs.run import RunOptions

    class Silent:
        def watch(self, *_: object) -> None:
            """Nobody watches."""

        def answered(self, answered: RequestResult) -> None:
            """Nobody watches."""

    cap = float(os.environ["ASSAY_LIVE_CAP_USD"])
    options = RunOptions(data_date=DAY, limit=1, budget_usd=cap, reuse="never")
    run = admit(project, project.task(TASK), options, report=lambda _: None).run
    answer(project, run, Silent(), handle_signals=False)
    summary = finish(project, run, report=lambda _: None)
    assert (summary.status, summary.predictions, summary.unpriced_calls) == ("completed", 1, 0)
    assert summary.cost_usd is not None
    assert Decimal(0) < summary.cost_usd <= Decimal(str(cap))
    build_marts(project.settings)
    found = project.warehouse.stream(
        "select run_id from rpt_completeness where run_id = @run_id", {"run_id": run.run_id}, dataset="reporting"
    )
    assert len(list(found)) == 1


def write_project(root: Path) -> None:
    """A project with the scaffolded task on a cheap model, and the models of this repository."""
    folder = scaffold_task(root / "tasks", TASK)
    spec = (folder / "task.yml").read_text(encoding="utf-8")
    spec = spec.replace("provider: local", "provider: openai").replace("model: smollm2-135m", f"model: {MODEL}")
    (folder / "task.yml").write_text(spec, encoding="utf-8")
    url = os.environ.get("OPENAI_BASE_URL") or "https://api.openai.com/v1"
    providers = f"openai:\n  base_url: {url}\n  api_key_env: OPENAI_API_KEY\n"
    (root / "providers.yml").write_text(providers, encoding="utf-8")
    (root / "dbt_project").symlink_to(ROOT / "dbt_project")


def drop_datasets(warehouse: Warehouse) -> None:
    """Nothing of the test's prefix is left in the project."""
    for name in (*DATASETS, DBT_OWN):
        place = f"{warehouse.settings.project}.{warehouse.settings.dataset(name)}"
        warehouse.client.delete_dataset(place, delete_contents=True, not_found_ok=True, timeout=CALL_SECONDS)


def run_row() -> RunEvent:
    """A started run of nobody's."""
    return RunEvent(
        data_date=DAY,
        occurred_at=datetime.now(UTC),
        tenant_id="default",
        run_id=secrets.token_hex(16),
        task=TASK,
        event="started",
        status="running",
        purpose="score",
        variant="default",
        stage="shadow",
        task_version_id="0",
        inference_version="0",
        golden_set_version="0",
        policy_version="0",
        epochs=1,
        config="{}",
        code_version="0",
    )
