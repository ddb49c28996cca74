"""What a task is called in Dagster: as its folder, wherever Dagster can carry that name.

A name that Dagster refuses, or that the tables and models have already, would take every other task down with it.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence

import dagster as dg

from orchestration.evaluation_asset import evaluation_job_name
from orchestration.marts import GROUPS

NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9_]")


def names_in_dagster(folders: Sequence[str]) -> dict[str, str]:
    """Folder to the name that its assets, group, jobs and schedule have; no two are the same, and no two jobs."""
    names: dict[str, str] = {}
    for folder in sorted(folders, key=lambda folder: not is_free(folder)):  # who may keep its name chooses first
        taken = names.values()
        names[folder] = folder if is_free(folder) and not _clashes(folder, taken) else _another(folder, taken=taken)
    return names


def is_free(name: str) -> bool:
    """True when Dagster takes the name and no group of this project has it."""
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
    """Whether the task's name, or that of its evaluation's job, is another task's already."""
    jobs = {*taken, *map(evaluation_job_name, taken)}
    return name in jobs or evaluation_job_name(name) in jobs
