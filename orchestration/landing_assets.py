"""The landing tables that all tasks share: what dbt reads, downstream of every task."""

from collections.abc import Iterator, Sequence
from typing import Any

import dagster as dg

from assay.warehouse.migrate import table_sizes
from assay.warehouse.schema import LANDING, landing_tables
from orchestration.resources import AssayResource

FED_BY = {
    "records": "records",
    "rejected_records": "records",
    "task_versions": "records",
    "golden_cases": "records",
    "contents": "responses",
    "responses": "responses",
    "budget_entries": "responses",
    "batches": "responses",
    "predictions": "predictions",
    "semantic_cache": "predictions",
    "scores": "scores",
    "annotations_queue": "scores",
    "estimates": "scores",
    "runs": "scores",
    "comparisons": "evaluation",
    "gates": "evaluation",
    "stages": "evaluation",
}
"""Landing table to the asset of each task that writes it; `evaluation`, which runs the task as well, stands at its own only.

What a stage is given rests on a gate, so that `stages` comes after it.
"""


def landing_assets(tasks: Sequence[str]) -> dg.AssetsDefinition:
    """One asset for each landing table; materialising them notes how many rows they hold."""

    @dg.multi_asset(
        name=LANDING,
        can_subset=True,
        specs=[
            dg.AssetSpec(
                key=dg.AssetKey([LANDING, table.name]),
                group_name=LANDING,
                description=f"{table.description} Grain: {table.grain}.",
                kinds={"bigquery"},
                deps=[dg.AssetDep(dg.AssetKey([task, FED_BY[table.name]])) for task in tasks],
                owners=["team:assay"],
            )
            for table in landing_tables().values()
        ],
    )
    def landing(context: dg.AssetExecutionContext, assay: AssayResource) -> Iterator[Any]:
        for table, rows in table_sizes(assay.project().warehouse).items():
            key = dg.AssetKey([LANDING, table])
            if key in context.selected_asset_keys:
                yield dg.MaterializeResult(asset_key=key, metadata={"dagster/row_count": rows})

    return landing
