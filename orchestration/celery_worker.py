"""Entry point of a Celery worker: `celery --app orchestration.celery_worker worker`.

The worker runs Dagster steps and sends a heartbeat for each of them; with Redis, steps without a heartbeat are
redelivered.
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
from orchestration.instance.executors import celery_config

PR_SET_PDEATHSIG = 1
"""From Linux `prctl.h`: sets the signal that a process receives when its parent exits."""


class Heartbeats(bootsteps.StartStopStep):  # type: ignore[misc]
    """Sends heartbeats for the steps of this worker, so that they are not redelivered while it runs; Redis only.

    Without heartbeats, Celery redelivers every message that is not acknowledged within the visibility timeout, even if
    its worker is running. The timeout would have to exceed the longest step, and the step of a lost worker would wait
    that long.
    """

    requires = ("celery.worker.consumer.tasks:Tasks",)

    def __init__(self, consumer: Any, **options: Any) -> None:
        self._timer: Any = None
        super().__init__(consumer, **options)

    def start(self, consumer: Any) -> None:
        """Starts the heartbeats."""
        channel = consumer.task_consumer.channel
        if hasattr(channel, "unacked_index_key"):
            self._timer = consumer.timer.call_repeatedly(channel.visibility_timeout / 4, send_heartbeat, (channel,))

    def stop(self, consumer: Any) -> None:
        """Stops the heartbeats."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


def send_heartbeat(channel: Any) -> None:
    """Resets the delivery time of each message that this worker has not acknowledged."""
    tags = channel.qos._delivered
    if tags:
        with channel.conn_or_acquire() as redis:
            redis.zadd(channel.unacked_index_key, dict.fromkeys(tags, time.time()), xx=True)


@worker_process_init.connect  # type: ignore[untyped-decorator]
def exit_with_parent(**_: Any) -> None:
    """Makes this child process exit when its worker exits for any reason, because its step is then redelivered.

    Linux only; on other systems, the step of a killed worker may run twice concurrently.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def worker_app(settings: Settings) -> Celery:
    """Returns the Celery application that runs Dagster's steps.

    Raises:
        UsageError: no broker or no backend is set.
    """
    workers = settings.workers
    if workers.broker is None or workers.backend is None:
        raise UsageError(
            "The Celery worker has no broker or no result backend",
            next_step="set REDIS_URL, or both ASSAY_CELERY_BROKER and ASSAY_CELERY_BACKEND, with the same values as on "
            "the Dagster host.",
        )
    make_app, create_task = celery_functions()
    made = make_app({"broker": workers.broker, "backend": workers.backend, "set_as_current": True})
    made.conf.update(celery_config(workers))
    made.steps["consumer"].add(Heartbeats)
    create_task(made)
    return made


def _loaded() -> Celery:
    settings = load_settings()
    export_environment(settings)
    return worker_app(settings)


app = _loaded()
