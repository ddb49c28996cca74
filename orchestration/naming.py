"""What a task is called in Dagster: as its folder, wherever Dagster can carry that name.

A name that Dagster refuses, or that the tables and models have already, would take every other task down with it.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence

import dagster as dg

from orchestration.marts import GROUPS

NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9_]")


def names_in_dagster(folders: Sequence[str]) -> dict[str, str]:
    """Folder to the name that its assets, group, job and schedule have; no two are the same."""
    names = {folder: folder for folder in folders if is_free(folder)}
    for folder in folders:
        if folder not in names:
            names[folder] = _another(folder, taken=names.values())
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
    while name in taken:
        name += "_"
    return name
