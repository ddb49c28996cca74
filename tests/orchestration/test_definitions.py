"""What Dagster loads: whole, quiet, offline, and stated in full."""

from __future__ import annotations

import subprocess
import sys
import warnings

import dagster as dg
import pytest

from assay.warehouse.schema import landing_tables
from orchestration.landing_assets import FED_BY
from tests.end_to_end.workplace import Workplace
from tests.orchestration.daily import STEPS, definitions

OFFLINE = """
import sys

def refuse(event, arguments):
    if event in ("socket.connect", "socket.getaddrinfo", "subprocess.Popen"):
        raise RuntimeError(f"{event} {arguments}")

from orchestration.build import build_defs
import dagster as dg
sys.addaudithook(refuse)
dg.Definitions.validate_loadable(build_defs())
"""


def test_definitions_are_loadable_without_a_warning(away: Workplace) -> None:
    away.task("sorting")
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        dg.Definitions.validate_loadable(definitions(away))
    assert [str(warning.message) for warning in warned] == []


def test_definitions_reach_for_no_network_and_start_no_process(away: Workplace) -> None:
    away.task("sorting")
    done = subprocess.run(
        [sys.executable, "-c", OFFLINE],
        env=away.variables(PYTHONPATH=":".join(sys.path)),
        cwd=away.root,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]


def test_project_without_tasks_is_loadable(away: Workplace) -> None:
    dg.Definitions.validate_loadable(definitions(away))


@pytest.mark.parametrize("name", [*STEPS, "evaluation"])
def test_task_asset_states_owner_group_kinds_and_partitions(away: Workplace, name: str) -> None:
    away.task("sorting", owner="Support Data")
    node = definitions(away).resolve_asset_graph().get(dg.AssetKey(["sorting", name]))
    assert node.owners == ["team:Support_Data"]
    assert node.group_name == "sorting"
    assert "dagster/kind/bigquery" in node.tags
    assert isinstance(node.partitions_def, dg.DailyPartitionsDefinition)
    assert node.description


def test_answers_are_made_together_and_no_pool_limits_model_calls(away: Workplace) -> None:
    away.task("sorting")
    graph = definitions(away).resolve_asset_graph()
    both = {dg.AssetKey(["sorting", "responses"]), dg.AssetKey(["sorting", "predictions"])}
    node = graph.get(dg.AssetKey(["sorting", "predictions"]))
    assert set(node.execution_set_asset_keys) == both
    assert node.pools == set()


def test_every_check_blocks_what_comes_after(away: Workplace) -> None:
    away.task("sorting")
    graph = definitions(away).resolve_asset_graph()
    checks = {key for node in graph.asset_check_nodes for key in [node.key] if key.asset_key.path[0] == "sorting"}
    assert {(key.asset_key.path[1], key.name) for key in checks} == {
        ("records", "inputs_gate"),
        ("predictions", "completeness"),
        ("evaluation", "gate"),
    }
    assert all(graph.get(key).blocking for key in checks)


def test_landing_assets_are_the_landing_tables_and_depend_on_every_task(away: Workplace) -> None:
    tasks = [away.task(name) for name in ("first", "second")]
    graph = definitions(away).resolve_asset_graph()
    assert set(FED_BY) == set(landing_tables())
    for table, fed_by in FED_BY.items():
        node = graph.get(dg.AssetKey(["landing", table]))
        assert node.parent_entity_keys == {dg.AssetKey([task, fed_by]) for task in tasks}


def test_dbt_reads_the_landing_assets_by_their_own_keys(away: Workplace) -> None:
    graph = definitions(away).resolve_asset_graph()
    for table in landing_tables():
        staging = graph.get(dg.AssetKey(["staging", f"stg_landing__{table}"]))
        assert staging.parent_entity_keys == {dg.AssetKey(["landing", table])}
        assert staging.pools == {"dbt"}


def test_marts_job_holds_the_shared_assets_and_no_task(away: Workplace) -> None:
    away.task("sorting")
    defs = definitions(away)
    job = defs.resolve_job_def("marts")
    chosen = {key.path[0] for key in job.asset_layer.executable_asset_keys}
    assert chosen == {"landing", "staging", "intermediate", "marts", "reporting"}
