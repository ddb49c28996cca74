"""A job that Dagster can load again by its name, as it does when a run is executed once more."""

from __future__ import annotations

import dagster as dg

from orchestration.build import build_defs

TASK = "sorting_halfway"


def halfway_job() -> dg.JobDefinition:
    """The task's job, of the project that the environment names."""
    return build_defs().resolve_job_def(TASK)
