"""Names of Dagster that its public API does not have; the one module that imports them. A test holds that they exist."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from dagster._core.definitions.unresolved_asset_job_definition import (
    UnresolvedAssetJobDefinition as UnresolvedAssetJobDefinition,
)

if TYPE_CHECKING:
    from celery import Celery


def celery_functions() -> tuple[Callable[[dict[str, Any]], Celery], Callable[[Celery], object]]:
    """Makes the Celery application of Dagster's executor; adds to it the task that runs a step.

    Imported when called, because `dagster-celery` is an extra.
    """
    from dagster_celery.make_app import make_app
    from dagster_celery.tasks import create_task

    return make_app, create_task
