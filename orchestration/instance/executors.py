"""Executors for job steps: this process, local processes, Celery workers or Kubernetes jobs.

The setting ASSAY_DAGSTER_EXECUTOR selects the executor. URLs that may contain passwords are passed to Dagster only as
names of environment variables.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import dagster as dg

from assay.errors import UsageError
from assay.settings import Settings, WorkerSettings

DEFINITIONS = "orchestration.definitions"
BROKER, BACKEND = "ASSAY_CELERY_BROKER", "ASSAY_CELERY_BACKEND"


def executor_of(settings: Settings) -> dg.ExecutorDefinition:
    """Returns the executor that the settings select.

    Raises:
        UsageError: a package that the executor needs is not installed.
    """
    return EXECUTORS[settings.workers.executor](settings.workers)


def celery_config(workers: WorkerSettings) -> dict[str, Any]:
    """Returns the Celery settings that the executor and its workers must share.

    A step is acknowledged when it ends, not when it starts, so that the step of a worker that exits is redelivered to
    another worker. RabbitMQ detects a lost worker by its closed connection, Redis by a heartbeat older than
    `lost_after_s`.
    """
    redis = (workers.broker or "").startswith(("redis", "unix"))
    waiting = {
        "visibility_timeout": workers.lost_after_s,
        "unacked_restore_interval": max(1, workers.lost_after_s // 4),
        "unacked_restore_throttle": 1,
    }
    return {
        "task_default_queue": "dagster",
        "task_acks_late": True,
        "task_reject_on_worker_lost": True,
        "worker_prefetch_multiplier": 1,
        "worker_cancel_long_running_tasks_on_connection_loss": True,
        "broker_connection_retry_on_startup": True,
        "broker_transport_options": {**CONNECTING, **(waiting if redis else {})},
    }


CONNECTING = {"max_retries": 3, "interval_start": 0, "interval_step": 0.2, "interval_max": 0.5}


def _in_process(_: WorkerSettings) -> dg.ExecutorDefinition:
    # The steps of a task run one after another, so a process for each would only add startup time.
    return dg.in_process_executor


def _multiprocess(_: WorkerSettings) -> dg.ExecutorDefinition:
    # Imports take seconds, so a server process imports the modules once and each step's process is forked from it.
    server = {"start_method": {"forkserver": {"preload_modules": [DEFINITIONS]}}}
    configured: dg.ExecutorDefinition = dg.multiprocess_executor.configured(server, name="multiprocess")
    return configured


def _celery(workers: WorkerSettings) -> dg.ExecutorDefinition:
    try:
        from dagster_celery import celery_executor
    except ImportError as error:
        raise _missing("celery") from error
    config = {"broker": {"env": BROKER}, "backend": {"env": BACKEND}, "config_source": celery_config(workers)}
    configured: dg.ExecutorDefinition = celery_executor.configured(config, name="celery")
    return configured


def _k8s(_: WorkerSettings) -> dg.ExecutorDefinition:
    try:
        from dagster_k8s import k8s_job_executor
    except ImportError as error:
        raise _missing("k8s") from error
    executor: dg.ExecutorDefinition = k8s_job_executor
    return executor


def _missing(extra: str) -> UsageError:
    return UsageError(
        f"ASSAY_DAGSTER_EXECUTOR is '{extra}', but dagster-{extra} is not installed",
        next_step=f"install the extra '{extra}': `pip install 'assay[{extra}]'`.",
    )


EXECUTORS: dict[str, Callable[[WorkerSettings], dg.ExecutorDefinition]] = {
    "in_process": _in_process,
    "multiprocess": _multiprocess,
    "celery": _celery,
    "k8s": _k8s,
}
