"""Imports from Dagster's private API, in this module only; a test checks that they exist."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import TYPE_CHECKING, Any

from dagster._core.definitions.unresolved_asset_job_definition import (
    UnresolvedAssetJobDefinition as UnresolvedAssetJobDefinition,
)
from dagster._core.launcher import CheckRunHealthResult as CheckRunHealthResult
from dagster._core.launcher import WorkerStatus as WorkerStatus

if TYPE_CHECKING:
    from celery import Celery


def celery_functions() -> tuple[Callable[[dict[str, Any]], Celery], Callable[[Celery], object]]:
    """Returns dagster-celery's functions that create the Celery application and register the task that runs a step.

    They are imported when called, because `dagster-celery` is an optional extra.
    """
    from dagster_celery.make_app import make_app
    from dagster_celery.tasks import create_task

    return make_app, create_task


def webserver() -> tuple[ModuleType, Callable[..., Any]]:
    """Returns the module of the web server's command line, and the function by which it creates its application."""
    from dagster_webserver import cli
    from dagster_webserver.app import create_app_from_workspace_process_context

    return cli, create_app_from_workspace_process_context
