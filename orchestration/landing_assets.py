"""Assets for the landing tables, which all tasks write and dbt reads as sources."""

from collections.abc import Iterator, Sequence
from typing import Any

import dagster as dg

from assay.records import RunEvent
from assay.warehouse.migrate import table_sizes
from assay.warehouse.schema import LANDING, landing_tables
from orchestration.adoption_asset import adoption_key
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
    "answer_counts": "scores",
    "runs": "scores",
    "comparisons": "evaluation",
    "gates": "evaluation",
    "stages": "evaluation",
}
"""Maps each landing table to the asset of a task that writes it.

`evaluation` also runs the task and so writes most tables, but only its own tables are mapped to it. `stages` is mapped
to it because a promotion depends on a gate.
"""


def landing_assets(tasks: Sequence[str], *, adopting: Sequence[str] = ()) -> dg.AssetsDefinition:
    """Returns one asset for each landing table; materializing an asset records the table's row count.

    The table `runs`, which all marts read, also depends on the adopted predictions of the tasks in `adopting`.
    """
    adopted = [dg.AssetDep(adoption_key(task)) for task in adopting]

    @dg.multi_asset(
        name=LANDING,
        can_subset=True,
        specs=[
            dg.AssetSpec(
                key=dg.AssetKey([LANDING, table.name]),
                group_name=LANDING,
                description=f"{table.description} Grain: {table.grain}.",
                kinds={"bigquery"},
                deps=[
                    *(dg.AssetDep(dg.AssetKey([task, FED_BY[table.name]])) for task in tasks),
                    *(adopted if table.name == RunEvent.table else ()),
                ],
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
