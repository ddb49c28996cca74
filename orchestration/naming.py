"""Names of tasks in Dagster: the folder's name wherever Dagster accepts it.

A name that Dagster rejects, or that a table or model already has, would make every other task fail to load.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence

import dagster as dg

from orchestration.evaluation_asset import evaluation_job_name
from orchestration.marts import GROUPS

NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9_]")


def names_in_dagster(folders: Sequence[str]) -> dict[str, str]:
    """Returns the name of each folder's assets, group, jobs and schedule; all names and jobs are unique."""
    names: dict[str, str] = {}
    for folder in sorted(
        folders, key=lambda folder: not is_free(folder)
    ):  # folders that may keep their name are named first
        taken = names.values()
        names[folder] = folder if is_free(folder) and not _clashes(folder, taken) else _another(folder, taken=taken)
    return names


def is_free(name: str) -> bool:
    """True when Dagster accepts the name and no group of this project has it."""
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
    """True when the task's name, or the name of its evaluation's job, belongs to another task."""
    jobs = {*taken, *map(evaluation_job_name, taken)}
    return name in jobs or evaluation_job_name(name) in jobs
