"""Waits for batches without occupying a worker: the Dagster run ends, and a sensor resumes it once providers finish.

A tag marks Dagster runs with open batches. The sensor reads the tags first, so that it queries the warehouse and the
providers only while batches are open. It is on by default; it needs one query of Dagster's own storage per minute.
"""

from collections.abc import Iterator, Sequence
from datetime import date
from typing import Any

import dagster as dg

from assay.errors import AssayError
from assay.project import Project
from assay.runs.batches.batch_run import advance_batches, batches_running
from assay.runs.batches.ledger import BatchStatus
from assay.runs.run import Run
from orchestration.dagster_internals import UnresolvedAssetJobDefinition
from orchestration.resources import AssayResource

BATCHES_TAG, RUN_TAG, TASK_TAG, DAY_TAG = "assay/batches", "assay/run_id", "assay/task", "assay/day"
OUT, COLLECTED = "out", "collected"
SENSOR = "finished_batches"
EVERY_SECONDS = 60
REST = ("responses", "predictions", "scores")
"""The assets of a task that are materialized after its batches have finished."""


def batches_out(context: dg.OpExecutionContext, project: Project, run: Run, *, task: str) -> BatchStatus | None:
    """Advances the run's batches; if some are open, tags this Dagster run and returns their counts, otherwise None.

    Raises:
        AssayError: the warehouse or a provider failed; re-executing the step resumes and submits no batch twice.
    """
    if not run.options.batch:
        return None
    stand = advance_batches(project, run)
    if stand.open:
        tags = {BATCHES_TAG: OUT, RUN_TAG: run.run_id, TASK_TAG: task, DAY_TAG: context.partition_key}
        context.instance.add_run_tags(context.run.run_id, tags)
        return stand
    for waiting in context.instance.get_runs(dg.RunsFilter(tags={BATCHES_TAG: OUT, RUN_TAG: run.run_id})):
        context.instance.add_run_tags(waiting.run_id, {BATCHES_TAG: COLLECTED})
    return None


def batch_sensor(jobs: Sequence[UnresolvedAssetJobDefinition]) -> dg.SensorDefinition:
    """Returns the sensor that resumes the jobs of all tasks."""

    @dg.sensor(
        name=SENSOR,
        jobs=list(jobs),
        minimum_interval_seconds=EVERY_SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Resumes runs once providers have finished their batches.",
    )
    def finished_batches(context: dg.SensorEvaluationContext, assay: AssayResource) -> Iterator[Any]:
        waiting = _waiting(context.instance)
        project = assay.project() if waiting else None
        for run in waiting:
            if project is not None and _is_done(context, project, run):
                yield _rest_of(run)
        if not waiting:
            yield dg.SkipReason("No run has open batches.")

    return finished_batches


def _waiting(instance: dg.DagsterInstance) -> list[dg.DagsterRun]:
    """Returns the latest Dagster run of each Assay run with open batches."""
    latest: dict[str, dg.DagsterRun] = {}
    for run in instance.get_runs(dg.RunsFilter(tags={BATCHES_TAG: OUT})):  # newest first
        latest.setdefault(run.tags[RUN_TAG], run)
    return list(latest.values())


def _is_done(context: dg.SensorEvaluationContext, project: Project, run: dg.DagsterRun) -> bool:
    """True if providers have finished all batches of the run; False after an error, which is logged."""
    try:
        running, total = batches_running(project, run.tags[RUN_TAG], data_date=date.fromisoformat(run.tags[DAY_TAG]))
    except AssayError as error:
        context.log.warning(f"{run.tags[TASK_TAG]}, run {run.tags[RUN_TAG]}: {error}")
        return False
    context.log.info(f"{run.tags[TASK_TAG]}, run {run.tags[RUN_TAG]}: {running} of {total} batches are in progress")
    return running == 0


def _rest_of(run: dg.DagsterRun) -> dg.RunRequest:
    """Requests the remaining assets of the task, at most once for each Dagster run that ended with open batches."""
    task = run.tags[TASK_TAG]
    return dg.RunRequest(
        run_key=run.run_id,
        job_name=task,
        partition_key=run.tags[DAY_TAG],
        asset_selection=[dg.AssetKey([task, name]) for name in REST],
    )
