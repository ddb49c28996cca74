"""The dbt models as assets, and the job that builds them."""

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
from assay.warehouse.marts import BUILD, DBT_PROJECT, last_words, run_dbt
from assay.warehouse.schema import LANDING
from orchestration.dagster_internals import UnresolvedAssetJobDefinition

MARTS_JOB = "marts"
GROUPS = (LANDING, "staging", "intermediate", "marts", "reporting")
"""Groups of the shared assets, upstream first."""
DBT_POOL = "dbt"
MANIFEST = "manifest.json"
MANIFESTS_KEPT = 3
SOURCES = ("**/*.sql", "**/*.yml", "**/*.md")
WRITTEN_BY_DBT = frozenset({"target", "logs"})
PARSE_SECONDS = 300


class MartsTranslator(DagsterDbtTranslator):
    """Groups models by folder, and builds them when their inputs have changed."""

    def get_group_name(self, dbt_resource_props: Mapping[str, Any]) -> str | None:
        """Returns `staging`, `intermediate`, `marts` or `reporting`; sources keep `landing`."""
        if dbt_resource_props["resource_type"] == "source":
            return LANDING
        return str(dbt_resource_props["fqn"][1])

    def get_automation_condition(self, dbt_resource_props: Mapping[str, Any]) -> dg.AutomationCondition[Any] | None:
        """Returns the eager condition; it takes effect once the automation sensor is turned on."""
        return dg.AutomationCondition.eager()


def marts_assets(settings: Settings) -> dg.AssetsDefinition:
    """Returns every dbt model with its tests."""

    @dbt_assets(manifest=manifest(settings), dagster_dbt_translator=MartsTranslator(), pool=DBT_POOL, name="dbt_models")
    def marts(context: dg.AssetExecutionContext, dbt: DbtCliResource) -> Iterator[Any]:
        target = settings.state_dir / "dbt" / "runs" / context.run.run_id
        yield from dbt.cli(list(BUILD), context=context, target_path=target).stream()
        shutil.rmtree(target, ignore_errors=True)  # also after a dbt error, because its log is there

    return marts


def marts_job() -> UnresolvedAssetJobDefinition:
    """Returns the job that counts landing tables, builds every model and runs every dbt test."""
    return dg.define_asset_job(
        MARTS_JOB, selection=dg.AssetSelection.groups(*GROUPS), description="Build and test the marts."
    )


def manifest(settings: Settings) -> Path:
    """Returns dbt's manifest of the project's present files; it queries no warehouse.

    It is parsed once for each state of the files and each warehouse, and replaced atomically, so that processes which
    start together may all call this.

    Raises:
        UsageError: dbt cannot parse the project; the message holds its last lines.
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
    """Returns a hash of all inputs of the manifest: the project's files, and the location of its relations."""
    project = settings.root / DBT_PROJECT
    files = (file for pattern in SOURCES for file in project.glob(pattern))
    # dbt writes its own files below `target/` and `logs/`.
    own = sorted(file for file in files if file.relative_to(project).parts[0] not in WRITTEN_BY_DBT)
    state = hashlib.sha256("\n".join([settings.project, settings.env, str(settings.is_local)]).encode())
    for file in own:
        state.update(f"\n{file.relative_to(project)}\n".encode() + file.read_bytes())
    return state.hexdigest()[:16]


def _parse(settings: Settings, target: Path) -> None:
    parsed = run_dbt(settings, "parse", target=target, timeout_s=PARSE_SECONDS)
    if parsed.returncode or not (target / MANIFEST).exists():
        raise UsageError(f"dbt cannot parse {DBT_PROJECT}/:\n{last_words(parsed)}")
