"""Adoption of one task: an asset that lands the day's predictions of the block `adopt`, with a job and a schedule.

It is no part of the task's own job, which requests predictions.
"""

from datetime import date

import dagster as dg

from assay.adoption.adopt import AdoptReporter, adopt
from assay.adoption.options import options_of_block
from assay.errors import InputRejected
from assay.tasks.loader import Outline
from orchestration import metadata
from orchestration.dagster_internals import UnresolvedAssetJobDefinition
from orchestration.progress import StepProgress
from orchestration.resources import AssayResource
from orchestration.second_launch import refuse_second_launch

NAME = "adopted"


def adoption_key(task: str) -> dg.AssetKey:
    """Returns the asset key of the task's adopted predictions."""
    return dg.AssetKey([task, NAME])


def adoption_job_name(task: str) -> str:
    """Returns the name of the job that adopts the predictions of a day."""
    return f"{task}_adoption"


def adoption_asset(
    task: Outline, *, folder: str, partitions: dg.PartitionsDefinition[str], owners: list[str]
) -> dg.AssetsDefinition:
    """Returns the asset of the adopted predictions, with the share of rejected rows as a blocking check.

    Materializing a day again lands nothing if its rows are unchanged, and a new run per variant otherwise.
    """
    key = adoption_key(task.name)

    @dg.asset(
        key=key,
        group_name=task.name,
        owners=owners,
        description=task.issues or "Predictions made outside Assay, adopted as one run per variant and scored.",
        kinds={"bigquery"},
        partitions_def=partitions,
        check_specs=[
            dg.AssetCheckSpec(
                metadata.GATE,
                asset=key,
                blocking=True,
                description="The share of rejected rows is at most the task's maximum.",
            )
        ],
    )
    def adopted(context: dg.AssetExecutionContext, assay: AssayResource) -> dg.MaterializeResult:  # type: ignore[type-arg]
        refuse_second_launch(context, key)
        project, day = assay.project(), date.fromisoformat(context.partition_key)
        block = project.task(folder).spec.adopt
        if block is None:
            raise dg.Failure(f"Task '{folder}' no longer has a block `adopt`; reload the code location.")
        reporter = AdoptReporter(counting=lambda _: StepProgress(context.log.info), note=context.log.info)
        try:
            return metadata.adopted(adopt(project, folder, options_of_block(block, data_date=day), reporter))
        except InputRejected as stop:
            return metadata.not_adopted(stop)

    return adopted


def adoption_job(task: Outline) -> UnresolvedAssetJobDefinition:
    """Returns a job that only adopts the task's predictions of a day."""
    return dg.define_asset_job(
        adoption_job_name(task.name),
        selection=dg.AssetSelection.assets(adoption_key(task.name)),
        description=f"Adopt the predictions of {task.name} that were made outside Assay.",
    )
