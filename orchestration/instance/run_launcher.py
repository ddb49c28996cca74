"""Launches runs on this machine and reports whether the process of a run is alive.

Dagster's own launcher leaves that to the process that launched the run: if that is killed too, or the machine restarts,
the run stays in progress forever. With this one, run monitoring finds it.
"""

from __future__ import annotations

from dataclasses import dataclass

import dagster as dg
import psutil

from orchestration.dagster_internals import CheckRunHealthResult, WorkerStatus

CLOCK_TOLERANCE_S = 2.0
"""Start times of processes are as exact as the kernel's boot time, about one second."""


@dataclass(frozen=True, slots=True)
class RunProcess:
    """A process that existed at `stated_at` (Unix seconds)."""

    pid: int
    stated_at: float


class LocalRunLauncher(dg.DefaultRunLauncher):
    """Dagster's default launcher, with a health check for run monitoring."""

    @property
    def supports_check_run_worker_health(self) -> bool:
        """True: `check_run_worker_health` works."""
        return True

    def check_run_worker_health(self, run: dg.DagsterRun) -> CheckRunHealthResult:
        """Returns RUNNING while the process that executes the run is alive, otherwise FAILED.

        A run without the event that states its process is UNKNOWN to Dagster, which treats that as failed, so it is
        RUNNING here; the timeouts of run monitoring cover runs that do not start.
        """
        process = self.process_of(run)
        if process is None or is_running(process.pid, since=process.stated_at):
            return CheckRunHealthResult(WorkerStatus.RUNNING)
        return CheckRunHealthResult(WorkerStatus.FAILED, f"Its process {process.pid} no longer exists.")

    def process_of(self, run: dg.DagsterRun) -> RunProcess | None:
        """Returns the process that executes the run: the one of its first event with a pid."""
        logs = self._instance.all_logs(run.run_id, of_type=dg.DagsterEventType.ENGINE_EVENT)
        for entry in logs:
            event = entry.dagster_event
            stated = event.engine_event_data.metadata.get("pid") if event else None
            if stated is not None:
                return RunProcess(int(str(stated.value)), entry.timestamp)
        return None


def is_running(pid: int, *, since: float) -> bool:
    """True if the process that had this pid at `since` (Unix seconds) is running; a later one of that pid does not count."""
    try:
        process = psutil.Process(pid)
        with process.oneshot():
            return process.status() != psutil.STATUS_ZOMBIE and process.create_time() <= since + CLOCK_TOLERANCE_S
    except psutil.NoSuchProcess:
        return False
