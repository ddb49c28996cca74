"""Builds the Dagster definitions of a project: assets, jobs, schedules, sensors and resources."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import dagster as dg

from assay.settings import Settings, export_environment, load_settings
from assay.tasks.loader import Outline, outline, task_names
from orchestration.adoption_asset import adoption_job
from orchestration.batch_sensor import batch_sensor
from orchestration.evaluation_asset import evaluation_job
from orchestration.instance.executors import executor_of
from orchestration.landing_assets import landing_assets
from orchestration.marts import marts_assets, marts_job
from orchestration.naming import names_in_dagster
from orchestration.resources import AssayResource, dbt_resource
from orchestration.task_assets import schedule_issue, task_assets, task_job, task_schedules


def build_defs(
    *, settings: Settings | None = None, resource_overrides: Mapping[str, Any] | None = None
) -> dg.Definitions:
    """Returns new definitions of the project without opening connections."""
    project = settings or load_settings()
    export_environment(project)
    tasks = task_outlines(project)
    schedules = [schedule for task in tasks.values() for schedule in task_schedules(task)]
    adopting = [task for task in tasks.values() if task.adopt]
    jobs = [task_job(task) for task in tasks.values()]
    return dg.Definitions(
        assets=[
            *(asset for folder, task in tasks.items() for asset in task_assets(task, folder=folder)),
            landing_assets([task.name for task in tasks.values()], adopting=[task.name for task in adopting]),
            marts_assets(project),
        ],
        jobs=[*jobs, *map(evaluation_job, tasks.values()), *map(adoption_job, adopting), marts_job()],
        schedules=schedules,
        sensors=[batch_sensor(jobs)] if jobs else [],
        executor=executor_of(project),
        resources={
            "assay": AssayResource(root=str(project.root)),
            "dbt": dbt_resource(project),
            # The values passed between steps are run ids and counts; they are stored where all machines can read them.
            "io_manager": dg.FilesystemIOManager(base_dir=str(project.shared_dir / "dagster" / "storage")),
            **(resource_overrides or {}),
        },
    )


def task_outlines(project: Settings) -> dict[str, Outline]:
    """Returns the outline of each task folder, with its name in Dagster."""
    names = names_in_dagster(task_names(project.tasks_dir))
    named = {folder: replace(outline(project.tasks_dir / folder), name=name) for folder, name in names.items()}
    return {folder: _with_valid_schedule(task) for folder, task in named.items()}


def _with_valid_schedule(task: Outline) -> Outline:
    issues = schedule_issue(task)
    adopt = task.adopt.model_copy(update={"schedule": None}) if task.adopt else None
    return replace(task, schedule=None, adopt=adopt, issues=issues) if issues else task
