"""Builds the marts: runs dbt on the project's models, with the settings of this process."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from assay.errors import AssayError, UsageError
from assay.settings import Settings, process_environment
from assay.warehouse.client import Warehouse

DBT_PROJECT = "dbt_project"
BUILD_SECONDS = 1800
LINES_SHOWN = 15
BUILD = ("build", "--exclude-resource-type", "unit_test")
"""Arguments of `dbt build`; unit tests are excluded, because they test the models and not the data."""


class MartsNotBuilt(AssayError):
    """dbt failed; the message contains the last lines of its output and the path of its log."""


def build_marts(settings: Settings, *, select: Sequence[str] = ()) -> None:
    """Builds every model and runs its tests.

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
    ended = run_dbt(settings, *BUILD, *chosen, target=settings.state_dir / "dbt", timeout_s=BUILD_SECONDS)
    if ended.returncode:
        raise MartsNotBuilt(f"dbt build failed (see {_logs(settings) / 'dbt.log'}):\n{last_lines(ended)}")


def run_dbt(
    settings: Settings, verb: str, *options: str, target: Path, timeout_s: float
) -> subprocess.CompletedProcess[str]:
    """Runs a dbt command on the project's models with the settings of this process; dbt writes to `target`."""
    project = settings.root / DBT_PROJECT
    return subprocess.run(
        [
            *(sys.executable, "-m", "dbt.cli.main", verb, *options),
            *("--project-dir", str(project), "--profiles-dir", str(project)),
            *("--target-path", str(target), "--log-path", str(_logs(settings))),
        ],
        cwd=settings.root,
        env=process_environment(settings),
        capture_output=True,
        text=True,
        timeout=timeout_s,
        check=False,
    )


def last_lines(ended: subprocess.CompletedProcess[str]) -> str:
    """Returns the last lines of dbt's output, which contain the error."""
    return "\n".join((ended.stdout + ended.stderr).strip().splitlines()[-LINES_SHOWN:])


def _logs(settings: Settings) -> Path:
    return settings.state_dir / "logs" / "dbt"
