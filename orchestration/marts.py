"""The dbt models as assets, and the job that builds them."""

import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dagster as dg
from dagster_dbt import DagsterDbtTranslator, DbtCliResource, dbt_assets

from assay.errors import UsageError
from assay.settings import Settings, process_environment
from assay.warehouse.marts import DBT_PROJECT, dbt_command
from assay.warehouse.schema import LANDING

if TYPE_CHECKING:
    # Dagster gives this class no public name.
    from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition

MARTS_JOB = "marts"
DBT_POOL = "dbt"
PARSE_SECONDS = 300


class MartsTranslator(DagsterDbtTranslator):
    """Groups models by their folder and builds them when what they read has changed."""

    def get_group_name(self, dbt_resource_props: Mapping[str, Any]) -> str | None:
        """`staging`, `intermediate`, `marts` or `reporting`; sources keep `landing`."""
        if dbt_resource_props["resource_type"] == "source":
            return LANDING
        return str(dbt_resource_props["fqn"][1])

    def get_automation_condition(self, dbt_resource_props: Mapping[str, Any]) -> dg.AutomationCondition[Any] | None:
        """Eager: takes effect once the automation sensor is turned on."""
        return dg.AutomationCondition.eager()


def marts_assets(settings: Settings) -> dg.AssetsDefinition:
    """Every dbt model with its tests."""

    @dbt_assets(manifest=manifest(settings), dagster_dbt_translator=MartsTranslator(), pool=DBT_POOL, name="dbt_models")
    def marts(context: dg.AssetExecutionContext, dbt: DbtCliResource) -> Iterator[Any]:
        yield from dbt.cli(["build"], context=context).stream()

    return marts


def marts_job() -> "UnresolvedAssetJobDefinition":
    """Landing tables counted, every model built, every dbt test run."""
    groups = (LANDING, "staging", "intermediate", "marts", "reporting")
    return dg.define_asset_job(
        MARTS_JOB, selection=dg.AssetSelection.groups(*groups), description="Build and test the marts."
    )


def manifest(settings: Settings) -> Path:
    """dbt's manifest, parsed anew when a file of the dbt project is younger; asks no warehouse.

    Raises:
        UsageError: dbt cannot parse the project; the message holds its last lines.
    """
    project = settings.root / DBT_PROJECT
    path = settings.state_dir / "dbt" / "manifest.json"
    sources = (file for pattern in ("**/*.sql", "**/*.yml", "**/*.md") for file in project.glob(pattern))
    if path.exists() and path.stat().st_mtime > max(file.stat().st_mtime for file in sources):
        return path
    command = [*dbt_command("parse", project, settings), "--log-path", str(settings.state_dir / "logs" / "dbt")]
    parsed = subprocess.run(
        command,
        cwd=settings.root,
        env=process_environment(settings),
        capture_output=True,
        text=True,
        timeout=PARSE_SECONDS,
        check=False,
    )
    if parsed.returncode or not path.exists():
        tail = "\n".join((parsed.stdout + parsed.stderr).strip().splitlines()[-10:])
        raise UsageError(f"dbt cannot parse {DBT_PROJECT}/:\n{tail}")
    return path
