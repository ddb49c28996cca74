"""Puts the definitions together: assets, jobs, schedules and resources of one project."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import dagster as dg

from assay.settings import Settings, export_environment, load_settings
from assay.tasks.loader import outline, task_names
from orchestration.landing_assets import landing_assets
from orchestration.marts import marts_assets, marts_job
from orchestration.resources import AssayResource, dbt_resource
from orchestration.task_assets import task_assets, task_job, task_schedule


def build_defs(
    *, settings: Settings | None = None, resource_overrides: Mapping[str, Any] | None = None
) -> dg.Definitions:
    """Fresh definitions of the project; connects to nothing."""
    project = settings or load_settings()
    export_environment(project)
    tasks = [outline(project.tasks_dir / name) for name in task_names(project.tasks_dir)]
    schedules = [schedule for task in tasks if (schedule := task_schedule(task)) is not None]
    return dg.Definitions(
        assets=[
            *(asset for task in tasks for asset in task_assets(task)),
            landing_assets([task.name for task in tasks]),
            marts_assets(project),
        ],
        jobs=[*(task_job(task) for task in tasks), marts_job()],
        schedules=schedules,
        # The steps of a task are a chain: a process for each would only add their starts.
        executor=dg.in_process_executor,
        resources={
            "assay": AssayResource(root=str(project.root)),
            "dbt": dbt_resource(project),
            **(resource_overrides or {}),
        },
    )
