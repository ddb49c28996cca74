"""The marts through Dagster: the manifest is parsed when it must be, and the command line needs ASSAY_* alone."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import dagster as dg
import pytest

from assay.errors import UsageError
from assay.settings import Settings
from orchestration.marts import manifest
from tests.orchestration.daily import DAY, Daily, materialised

DAGSTER = Path(sys.executable).with_name("dagster")


def test_manifest_is_kept_while_the_project_stays_as_it_is(parsed: Path) -> None:
    first = manifest(Settings(root=parsed, bigquery_endpoint="http://127.0.0.1:9"))
    written = first.stat().st_mtime_ns
    (parsed / "dbt_project" / "models" / "staging" / "landing" / "_landing__docs.md").touch()
    assert manifest(Settings(root=parsed, bigquery_endpoint="http://127.0.0.1:9")) == first
    assert first.stat().st_mtime_ns == written
    assert not (parsed / "dbt_project" / "target").exists()


def test_manifest_follows_the_files_of_the_project_and_its_environment(daily: Daily) -> None:
    settings = daily.workplace.settings()
    before = set(nodes(manifest(settings)))
    folder = daily.workplace.root / "dbt_project" / "models" / "reporting"
    (folder / "rpt_new.sql").write_text("select 1 as one\n", encoding="utf-8")
    (folder / "rpt_gates.yml").unlink()
    changed = manifest(replace(settings, env="staging"))
    assert set(nodes(changed)) - before == {"model.assay.rpt_new"}
    assert nodes(changed)["model.assay.rpt_new"]["schema"] == "staging_reporting"


def test_project_that_dbt_cannot_parse_is_refused_with_its_words(daily: Daily) -> None:
    broken = daily.workplace.root / "dbt_project" / "models" / "reporting" / "rpt_broken.sql"
    broken.write_text("select {{ ref('nowhere') }}\n", encoding="utf-8")
    with pytest.raises(UsageError, match="nowhere"):
        manifest(daily.workplace.settings())


def test_command_line_materialises_a_task_with_assay_variables_alone(daily: Daily) -> None:
    task = daily.task("sorting_shell")
    command_line(daily, f"+key:{task}/scores", "--partition", DAY)
    assert len(daily.landed("predictions", task)) == 6


def test_command_line_builds_models_and_writes_nothing_into_the_project(daily: Daily) -> None:
    daily.task("sorting_models")
    command_line(daily, "key:landing/runs or key:staging/stg_landing__runs")
    assert daily.workplace.query("select run_id from dev_staging.stg_landing__runs") is not None
    assert not (daily.workplace.root / "dbt_project" / "target").exists()
    assert list((daily.workplace.root / ".assay" / "dbt" / "runs").iterdir()) == []


def test_landing_assets_note_how_many_rows_the_tables_hold(daily: Daily) -> None:
    task = daily.task("sorting_counted")
    daily.materialise(task)
    assets = [each for each in daily.definitions().assets or () if isinstance(each, dg.AssetsDefinition)]
    (landing,) = [each for each in assets if dg.AssetKey(["landing", "runs"]) in each.keys]
    result = dg.materialize([landing], instance=daily.instance, resources=daily.definitions().resources)
    assert materialised(result) == {key.to_user_string() for key in landing.keys}
    (runs,) = daily.workplace.query("select count(*) as found from runs")
    counted = daily.instance.get_latest_materialization_event(dg.AssetKey(["landing", "runs"]))
    assert counted is not None
    assert counted.asset_materialization is not None
    assert counted.asset_materialization.metadata["dagster/row_count"].value == runs["found"]


def command_line(daily: Daily, selection: str, *arguments: str) -> None:
    """`dagster asset materialize` ended well, in a process that has no variable but Assay's own."""
    variables = {name: value for name, value in daily.workplace.variables().items() if name.startswith("ASSAY_")}
    command = [
        str(DAGSTER),
        "asset",
        "materialize",
        "--select",
        selection,
        *arguments,
        "-m",
        "orchestration.definitions",
    ]
    done = subprocess.run(
        command, cwd=daily.workplace.root, env=variables, capture_output=True, text=True, timeout=240, check=False
    )
    assert done.returncode == 0, done.stderr[-4000:]


def nodes(path: Path) -> dict[str, dict[str, str]]:
    """The models of a manifest by their names."""
    found = json.loads(path.read_text(encoding="utf-8"))["nodes"]
    return {name: node for name, node in found.items() if node["resource_type"] == "model"}
