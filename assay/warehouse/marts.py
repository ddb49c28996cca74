"""Builds the marts: runs dbt on the project's models, with the settings of this process."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

from assay.errors import AssayError, UsageError
from assay.settings import Settings, process_environment
from assay.warehouse.client import Warehouse
from assay.warehouse.dbt_progress import DbtProgress

DBT_PROJECT = "dbt_project"
BUILD_SECONDS = 1800
LINES_SHOWN = 15
BUILD = ("build", "--exclude-resource-type", "unit_test")
"""Arguments of `dbt build`; unit tests are excluded, because they test the models and not the data."""


class MartsNotBuilt(AssayError):
    """dbt failed; the message contains the last lines of its output and the path of its log."""


def build_marts(
    settings: Settings, *, select: Sequence[str] = (), report: Callable[[str], None] = lambda _: None
) -> None:
    """Builds every model and runs its tests; `report` gets the progress.

    Raises:
        MartsNotBuilt: a model or a test failed.
        ServiceUnreachable: the warehouse does not respond.
    """
    Warehouse(settings).check()
    if not (settings.root / DBT_PROJECT / "dbt_project.yml").is_file():
        raise UsageError(
            f"{settings.root} contains no {DBT_PROJECT}/dbt_project.yml",
            next_step=f"run the command in a project with a {DBT_PROJECT}/ folder.",
        )
    chosen = ("--select", *select) if select else ()
    ended = run_dbt(
        settings,
        *BUILD,
        *chosen,
        target=settings.state_dir / "dbt",
        timeout_s=BUILD_SECONDS,
        line=DbtProgress(report).line,
    )
    if ended.returncode:
        raise MartsNotBuilt(f"dbt build failed (see {_logs(settings) / 'dbt.log'}):\n{last_lines(ended)}")


def run_dbt(
    settings: Settings,
    verb: str,
    *options: str,
    target: Path,
    timeout_s: float,
    line: Callable[[str], None] = lambda _: None,
) -> subprocess.CompletedProcess[str]:
    """Runs a dbt command on the project's models with the settings of this process; dbt writes to `target`.

    `line` gets each line of the output, which includes that of stderr.

    Raises:
        TimeoutExpired: the command did not end in time.
    """
    project = settings.root / DBT_PROJECT
    command = [
        *(sys.executable, "-m", "dbt.cli.main", verb, *options),
        *("--project-dir", str(project), "--profiles-dir", str(project)),
        *("--target-path", str(target), "--log-path", str(_logs(settings))),
    ]
    running = subprocess.Popen(
        command,
        cwd=settings.root,
        env=process_environment(settings),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    expired = threading.Event()

    def stop() -> None:
        expired.set()
        running.kill()

    limit = threading.Timer(timeout_s, stop)
    limit.start()
    with running:
        try:
            output = _followed(running, line)
        finally:
            limit.cancel()
            running.kill()  # does nothing if the process has ended
    if expired.is_set():
        raise subprocess.TimeoutExpired(command, timeout_s, output)
    return subprocess.CompletedProcess(command, running.returncode, output, "")


def _followed(running: subprocess.Popen[str], line: Callable[[str], None]) -> str:
    lines = []
    for text in running.stdout or ():
        lines.append(text)
        line(text.rstrip())
    running.wait()
    return "".join(lines)


def last_lines(ended: subprocess.CompletedProcess[str]) -> str:
    """Returns the last lines of dbt's output, which contain the error."""
    return "\n".join((ended.stdout + ended.stderr).strip().splitlines()[-LINES_SHOWN:])


def _logs(settings: Settings) -> Path:
    return settings.state_dir / "logs" / "dbt"
