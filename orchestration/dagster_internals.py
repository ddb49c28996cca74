"""Names of Dagster outside its public API; the one module that imports them. A test checks that they exist."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from dagster._core.definitions.unresolved_asset_job_definition import (
    UnresolvedAssetJobDefinition as UnresolvedAssetJobDefinition,
)

if TYPE_CHECKING:
    from celery import Celery


def celery_functions() -> tuple[Callable[[dict[str, Any]], Celery], Callable[[Celery], object]]:
    """The function that makes the executor's Celery application, and the one that adds the task that runs a step.

    Imported when called, because `dagster-celery` is an extra.
    """
    from dagster_celery.make_app import make_app
    from dagster_celery.tasks import create_task

    return make_app, create_task
