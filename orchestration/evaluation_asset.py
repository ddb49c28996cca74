"""The evaluation of one task: an asset with the gate of task.yml as a blocking check, and a job of its own.

In shadow, predictions are not used, so no asset depends on the gate. In beta and ga, the records of the day depend on
it, so that a version that fails its gate processes no rows.
"""

from dataclasses import replace
from functools import partial

import dagster as dg

from assay.evaluation.evaluate import evaluate
from assay.evaluation.robustness.measure import kinds_of_rules
from assay.evaluation.sides import EvaluationReporter
from assay.inputs.sources import GOLDEN
from assay.records.statuses import Stage
from assay.tasks.loader import Outline
from orchestration.config import EvaluationConfig
from orchestration.dagster_internals import UnresolvedAssetJobDefinition
from orchestration.evaluation_metadata import GATE, evaluated
from orchestration.progress import StepProgress, answering
from orchestration.resources import AssayResource
from orchestration.second_launch import refuse_second_launch

NAME = "evaluation"
UNGATED_STAGE = Stage.SHADOW


def evaluation_key(task: str) -> dg.AssetKey:
    """Returns the asset key of the task's evaluation."""
    return dg.AssetKey([task, NAME])


def evaluation_job_name(task: str) -> str:
    """Returns the name of the job that runs only the evaluation."""
    return f"{task}_{NAME}"


def gated_by(task: Outline) -> list[dg.AssetKey]:
    """Returns the assets on which the task's records depend: none in shadow, otherwise the evaluation."""
    return [] if task.stage == UNGATED_STAGE else [evaluation_key(task.name)]


def evaluation_asset(
    task: Outline, *, folder: str, partitions: dg.PartitionsDefinition[str], owners: list[str]
) -> dg.AssetsDefinition:
    """Returns the asset that compares candidate and champion on the same records, with the gate as a blocking check."""
    key = evaluation_key(task.name)

    @dg.asset(
        key=key,
        group_name=task.name,
        owners=owners,
        description=task.issues
        or "Comparison of candidate and champion on the gate's cases, and the decision of the gate.",
        kinds={"openai", "bigquery"},
        partitions_def=partitions,
        check_specs=[dg.AssetCheckSpec(GATE, asset=key, blocking=True, description="The gate of task.yml.")],
    )
    def evaluation(
        context: dg.AssetExecutionContext, config: EvaluationConfig, assay: AssayResource
    ) -> dg.MaterializeResult:  # type: ignore[type-arg]
        reporter = EvaluationReporter(
            answering=partial(answering, context.log.info),
            counting=lambda _: StepProgress(context.log.info),
            note=context.log.info,
            handle_signals=False,
        )
        refuse_second_launch(context, key)
        project, options = assay.project(), config.options(context.partition_key)
        if GOLDEN.fullmatch(options.input):
            options = replace(options, perturb=kinds_of_rules(project.task(folder)))
        return evaluated(evaluate(project, folder, options, reporter))

    return evaluation


def evaluation_job(task: Outline) -> UnresolvedAssetJobDefinition:
    """Returns a job that runs only the task's evaluation."""
    return dg.define_asset_job(
        evaluation_job_name(task.name),
        selection=dg.AssetSelection.assets(evaluation_key(task.name)),
        description=f"Evaluate a candidate of {task.name} against its gate.",
    )
