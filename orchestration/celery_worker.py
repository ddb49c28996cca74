"""Entry point of a Celery worker: `celery --app orchestration.celery_worker worker`.

It runs Dagster's steps, and sends a heartbeat for each step it has; Redis redelivers steps without a heartbeat.
"""

from __future__ import annotations

import ctypes
import signal
import sys
import time
from typing import Any

from celery import Celery, bootsteps
from celery.signals import worker_process_init

from assay.errors import UsageError
from assay.settings import Settings, export_environment, load_settings
from orchestration.dagster_internals import celery_functions
from orchestration.executors import celery_config

PR_SET_PDEATHSIG = 1
"""From Linux' `prctl.h`: the signal that a process gets when its parent ends."""


class SignsOfLife(bootsteps.StartStopStep):  # type: ignore[misc]
    """Heartbeats that extend this worker's hold on its steps, however long they take; for Redis only.

    Celery itself redelivers a message that is not acknowledged within the visibility timeout, whether its worker lives
    or not: with a timeout above the longest step, the step of a dead worker would wait that long.
    """

    requires = ("celery.worker.consumer.tasks:Tasks",)

    def __init__(self, consumer: Any, **options: Any) -> None:
        self._timer: Any = None
        super().__init__(consumer, **options)

    def start(self, consumer: Any) -> None:
        """Starts the heartbeats."""
        channel = consumer.task_consumer.channel
        if hasattr(channel, "unacked_index_key"):
            self._timer = consumer.timer.call_repeatedly(channel.visibility_timeout / 4, give_sign, (channel,))

    def stop(self, consumer: Any) -> None:
        """Stops the heartbeats."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


def give_sign(channel: Any) -> None:
    """Resets the delivery time of each message that this worker has not finished."""
    tags = channel.qos._delivered
    if tags:
        with channel.conn_or_acquire() as redis:
            redis.zadd(channel.unacked_index_key, dict.fromkeys(tags, time.time()), xx=True)


@worker_process_init.connect  # type: ignore[untyped-decorator]
def end_with_the_worker(**_: Any) -> None:
    """Ends this worker process with the worker, however that ends: its step is then redelivered to another.

    Linux only; elsewhere the step of a killed worker may run twice at a time.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def worker_app(settings: Settings) -> Celery:
    """Returns the Celery application that runs Dagster's steps.

    Raises:
        UsageError: no broker is set.
    """
    workers = settings.workers
    if workers.broker is None or workers.backend is None:
        raise UsageError(
            "A Celery worker without a broker and a backend: expected REDIS_URL, or both ASSAY_CELERY_BROKER and "
            "ASSAY_CELERY_BACKEND, the same as where Dagster runs",
            next_step="set them.",
        )
    make_app, create_task = celery_functions()
    made = make_app({"broker": workers.broker, "backend": workers.backend, "set_as_current": True})
    made.conf.update(celery_config(workers))
    made.steps["consumer"].add(SignsOfLife)
    create_task(made)
    return made


def _loaded() -> Celery:
    settings = load_settings()
    export_environment(settings)
    return worker_app(settings)


app = _loaded()
