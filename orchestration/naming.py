"""Names of tasks in Dagster: the folder's name, if Dagster accepts it and it is unique.

Otherwise the name is changed, because an invalid or duplicate name would prevent all tasks from loading.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence

import dagster as dg

from orchestration.adoption_asset import adoption_job_name
from orchestration.evaluation_asset import evaluation_job_name
from orchestration.marts import GROUPS

NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9_]")


def names_in_dagster(folders: Sequence[str]) -> dict[str, str]:
    """Returns a unique name for each folder, for its group, assets, jobs and schedule in Dagster."""
    names: dict[str, str] = {}
    for folder in sorted(
        folders, key=lambda folder: not is_free(folder)
    ):  # folders that can keep their name come first
        taken = names.values()
        names[folder] = folder if is_free(folder) and not _clashes(folder, taken) else _another(folder, taken=taken)
    return names


def is_free(name: str) -> bool:
    """True if Dagster accepts the name and it is not the name of a shared group."""
    try:
        dg.GraphDefinition(name=name)
    except dg.DagsterInvalidDefinitionError:
        return False
    return name not in GROUPS


def _another(folder: str, *, taken: Collection[str]) -> str:
    name = f"{NOT_IN_NAMES.sub('_', folder)}_task"
    while _clashes(name, taken):
        name += "_"
    return name


def _clashes(name: str, taken: Collection[str]) -> bool:
    """True if the task's name, or the name of its evaluation or adoption job, is already used by another task."""
    jobs = {job for task in taken for job in _jobs(task)}
    return not jobs.isdisjoint(_jobs(name))


def _jobs(task: str) -> tuple[str, ...]:
    return task, evaluation_job_name(task), adoption_job_name(task)
