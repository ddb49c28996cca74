"""Creates the assets of one task: evaluation, records, responses and predictions, scores."""

import re
from datetime import timedelta
from zoneinfo import ZoneInfo

import dagster as dg

from assay.errors import InputRejected
from assay.pipeline import finish
from assay.records.statuses import RunStatus
from assay.report.scorecard import ReportedRun, read_scorecard
from assay.runs.admission import admit
from assay.runs.forecast.forecast import forecast
from assay.runs.resume import reopen
from assay.runs.summary import refuse_unanswered
from assay.scoring.score_stage import read_estimates
from assay.tasks.fields.schedule_spec import ScheduleSpec
from assay.tasks.loader import Outline
from orchestration import metadata
from orchestration.adoption_asset import adoption_asset, adoption_job_name, adoption_key
from orchestration.answers_asset import answers_asset
from orchestration.config import RunConfig
from orchestration.dagster_internals import UnresolvedAssetJobDefinition
from orchestration.evaluation_asset import evaluation_asset, evaluation_key, gated_by
from orchestration.progress import StepProgress
from orchestration.resources import AssayResource
from orchestration.second_launch import refuse_second_launch

FIRST_DAY = "2025-01-01"
# Backfills start one run per day, Dagster's default; it is not set explicitly, because that option is in beta and warns.
DAYS = dg.DailyPartitionsDefinition(start_date=FIRST_DAY, end_offset=1)


def task_assets(task: Outline, *, folder: str) -> list[dg.AssetsDefinition]:
    """Returns the evaluation, the records, the responses and predictions, the scores, and adopted predictions, if any.

    Blocking checks: the gate on the evaluation, the share of rejected rows on the records, and completeness on the
    predictions. Except in shadow, the records depend on the evaluation. `folder` is the task's name in the engine,
    `task.name` its name in Dagster.
    """
    owners = _owners(task)
    adopted = [adoption_asset(task, folder=folder, partitions=DAYS, owners=owners)] if task.adopt else []
    return [
        evaluation_asset(task, folder=folder, partitions=DAYS, owners=owners),
        _records(task, folder),
        answers_asset(task, partitions=DAYS, owners=owners),
        _scores(task),
        *adopted,
    ]


def task_job(task: Outline) -> UnresolvedAssetJobDefinition:
    """Returns a job for the task's own assets, without the evaluation if no asset depends on it."""
    assets: dg.AssetSelection = dg.AssetSelection.groups(task.name)
    if task.adopt:
        assets -= dg.AssetSelection.assets(adoption_key(task.name))
    if not gated_by(task):
        assets -= dg.AssetSelection.assets(evaluation_key(task.name))
    return dg.define_asset_job(task.name, selection=assets, description=task.description)


def task_schedules(task: Outline) -> list[dg.ScheduleDefinition]:
    """Returns the schedules of the task and of its adoption, each off until it is turned on."""
    found = [_schedule(task.schedule, job=task.name)] if task.schedule else []
    if task.adopt and task.adopt.schedule:
        found.append(_schedule(task.adopt.schedule, job=adoption_job_name(task.name)))
    return found


def _schedule(spec: ScheduleSpec, *, job: str) -> dg.ScheduleDefinition:
    """Returns the schedule of a job; a tick runs the previous day, whose data is complete."""
    zone = ZoneInfo(spec.timezone)

    def yesterday(context: dg.ScheduleEvaluationContext) -> dg.RunRequest:
        day = (context.scheduled_execution_time.astimezone(zone) - timedelta(days=1)).strftime("%Y-%m-%d")
        return dg.RunRequest(run_key=f"{job}:{day}", partition_key=day)

    return dg.ScheduleDefinition(
        name=f"{job}_schedule",
        job_name=job,
        cron_schedule=spec.cron,
        execution_timezone=spec.timezone,
        default_status=dg.DefaultScheduleStatus.STOPPED,
        execution_fn=yesterday,
    )


def schedule_issue(task: Outline) -> str | None:
    """Returns why Dagster rejects a cron expression of the task, or None if all are valid."""
    specs = {"schedule.cron": task.schedule, "adopt.schedule.cron": task.adopt.schedule if task.adopt else None}
    for name, spec in specs.items():
        if spec is None:
            continue
        try:
            _schedule(spec, job=task.name)
        except dg.DagsterInvalidDefinitionError:
            return (
                f"The task has no schedule, because Dagster rejects its `{name}` {spec.cron!r}; "
                "expected days and times that exist."
            )
    return None


def _records(task: Outline, folder: str) -> dg.AssetsDefinition:
    key = dg.AssetKey([task.name, "records"])

    @dg.asset(
        key=key,
        group_name=task.name,
        owners=_owners(task),
        description=task.issues or "Input rows admitted to the run, masked.",
        kinds={"bigquery"},
        partitions_def=DAYS,
        deps=gated_by(task),
        check_specs=[
            dg.AssetCheckSpec(
                metadata.GATE,
                asset=key,
                blocking=True,
                description="The share of rejected rows is at most the task's maximum.",
            )
        ],
    )
    # Not annotated, because Dagster would interpret a return annotation as "no value" if a check is returned too.
    def records(context: dg.AssetExecutionContext, config: RunConfig, assay: AssayResource):  # type: ignore[no-untyped-def]
        refuse_second_launch(context, key)
        project, options = assay.project(), config.options(context.partition_key)
        try:
            admission = admit(project, project.task(folder, variant=options.variant), options, report=_counter(context))
        except InputRejected as stop:
            return metadata.refused(stop)
        return metadata.admitted(admission, forecast(project, admission.run))

    return records


def _scores(task: Outline) -> dg.AssetsDefinition:
    @dg.asset(
        key=dg.AssetKey([task.name, "scores"]),
        group_name=task.name,
        owners=_owners(task),
        description=task.issues or "The scores of every prediction by every scorer; finishes the run.",
        kinds={"bigquery"},
        partitions_def=DAYS,
        ins={"run_id": dg.AssetIn(key=dg.AssetKey([task.name, "records"]))},
        deps=[dg.AssetKey([task.name, "responses"]), dg.AssetKey([task.name, "predictions"])],
    )
    def scores(context: dg.AssetExecutionContext, assay: AssayResource, run_id: str) -> dg.MaterializeResult:  # type: ignore[type-arg]
        project = assay.project()
        run = reopen(project, run_id)
        summary = finish(project, run, report=_counter(context))
        refuse_unanswered(summary)
        card = None
        if summary.status == RunStatus.COMPLETED:
            card = read_scorecard(project.warehouse, summary.task, ReportedRun(run_id=run_id), wrong=0)
        return dg.MaterializeResult(metadata=metadata.scored(summary, read_estimates(project.warehouse, run), card))

    return scores


def _counter(context: dg.AssetExecutionContext) -> StepProgress:
    return StepProgress(context.log.info)


def _owners(task: Outline) -> list[str]:
    team = re.sub(r"\W+", "_", task.owner or "").strip("_")
    return [f"team:{team}"] if team else []
