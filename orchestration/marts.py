"""The dbt models as Dagster assets, and the job that builds them."""

import hashlib
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import dagster as dg
from dagster_dbt import DagsterDbtTranslator, DbtCliResource, dbt_assets

from assay.errors import UsageError
from assay.settings import Settings
from assay.warehouse.marts import BUILD, DBT_PROJECT, last_lines, run_dbt
from assay.warehouse.schema import LANDING
from orchestration.dagster_internals import UnresolvedAssetJobDefinition

MARTS_JOB = "marts"
GROUPS = (LANDING, "staging", "intermediate", "marts", "reporting")
"""Groups of the assets that all tasks share, upstream first."""
DBT_POOL = "dbt"
MANIFEST = "manifest.json"
MANIFESTS_KEPT = 3
SOURCES = ("**/*.sql", "**/*.yml", "**/*.md")
WRITTEN_BY_DBT = frozenset({"target", "logs"})
PARSE_SECONDS = 300


class MartsTranslator(DagsterDbtTranslator):
    """Groups models by folder, and sets the automation condition that builds them when their inputs change."""

    def get_group_name(self, dbt_resource_props: Mapping[str, Any]) -> str | None:
        """Returns `landing` for sources, and `staging`, `intermediate`, `marts` or `reporting` for models."""
        if dbt_resource_props["resource_type"] == "source":
            return LANDING
        return str(dbt_resource_props["fqn"][1])

    def get_automation_condition(self, dbt_resource_props: Mapping[str, Any]) -> dg.AutomationCondition[Any] | None:
        """Returns the eager condition, which takes effect once the automation sensor is turned on."""
        return dg.AutomationCondition.eager()


def marts_assets(settings: Settings) -> dg.AssetsDefinition:
    """Returns the assets for all dbt models; their tests are asset checks."""

    @dbt_assets(manifest=manifest(settings), dagster_dbt_translator=MartsTranslator(), pool=DBT_POOL, name="dbt_models")
    def marts(context: dg.AssetExecutionContext, dbt: DbtCliResource) -> Iterator[Any]:
        target = settings.state_dir / "dbt" / "runs" / context.run.run_id
        yield from dbt.cli(list(BUILD), context=context, target_path=target).stream()
        shutil.rmtree(
            target, ignore_errors=True
        )  # reached only without a dbt error, so that a failed build keeps its log

    return marts


def marts_job() -> UnresolvedAssetJobDefinition:
    """Returns the job that records the row counts of landing tables, builds all models and runs all dbt tests."""
    return dg.define_asset_job(
        MARTS_JOB, selection=dg.AssetSelection.groups(*GROUPS), description="Build and test the marts."
    )


def manifest(settings: Settings) -> Path:
    """Returns the path of dbt's manifest for the current files of the project, without querying the warehouse.

    The project is parsed again only if its files or the location of the warehouse have changed. The file is written
    atomically, so that concurrent processes can call this function.

    Raises:
        UsageError: dbt cannot parse the project; the message includes the last lines of its output.
    """
    folder = settings.state_dir / "dbt" / "manifests"
    path = folder / f"{_state_of(settings)}.json"
    if path.exists():
        return path
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder) as partial:
        _parse(settings, Path(partial))
        (Path(partial) / MANIFEST).replace(path)
    for old in sorted(folder.glob("*.json"), key=lambda file: file.stat().st_mtime)[:-MANIFESTS_KEPT]:
        old.unlink(missing_ok=True)
    return path


def _state_of(settings: Settings) -> str:
    """Returns a hash of all inputs of the manifest: the project's files, and the location of the warehouse."""
    project = settings.root / DBT_PROJECT
    files = (file for pattern in SOURCES for file in project.glob(pattern))
    # Files in `target/` and `logs/` are written by dbt itself.
    own = sorted(file for file in files if file.relative_to(project).parts[0] not in WRITTEN_BY_DBT)
    state = hashlib.sha256("\n".join([settings.project, settings.env, str(settings.is_local)]).encode())
    for file in own:
        state.update(f"\n{file.relative_to(project)}\n".encode() + file.read_bytes())
    return state.hexdigest()[:16]


def _parse(settings: Settings, target: Path) -> None:
    parsed = run_dbt(settings, "parse", target=target, timeout_s=PARSE_SECONDS)
    if parsed.returncode or not (target / MANIFEST).exists():
        raise UsageError(f"dbt cannot parse {DBT_PROJECT}/:\n{last_lines(parsed)}")
