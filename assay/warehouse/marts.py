"""Builds the marts: runs dbt on the project's models with the settings of this process.

Starting dbt and reading how it ended belongs here; models and tests are in `dbt_project/`.
"""

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
"""dbt's words for building: unit tests hold the formulas when the project changes, not when its data do."""


class MartsNotBuilt(AssayError):
    """dbt ended with an error; the message has its last lines and the place of its log."""


def build_marts(settings: Settings, *, select: Sequence[str] = ()) -> None:
    """Every model is built and every test of it passed.

    Raises:
        MartsNotBuilt: dbt failed or a test did.
        Unreachable: the warehouse does not answer.
    """
    Warehouse(settings).check()
    if not (settings.root / DBT_PROJECT / "dbt_project.yml").is_file():
        raise UsageError(f"No {DBT_PROJECT}/dbt_project.yml in {settings.root}: expected the project's models there.")
    chosen = ("--select", *select) if select else ()
    ended = run_dbt(settings, *BUILD, *chosen, target=settings.state_dir / "dbt", timeout_s=BUILD_SECONDS)
    if ended.returncode:
        raise MartsNotBuilt(f"dbt build failed (see {_logs(settings) / 'dbt.log'}):\n{last_words(ended)}")


def run_dbt(
    settings: Settings, verb: str, *options: str, target: Path, timeout_s: float
) -> subprocess.CompletedProcess[str]:
    """dbt has ended, on the project's models, with the settings of this process; what it makes is in `target`."""
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


def last_words(ended: subprocess.CompletedProcess[str]) -> str:
    """The end of what dbt printed, where it says what went wrong."""
    return "\n".join((ended.stdout + ended.stderr).strip().splitlines()[-LINES_SHOWN:])


def _logs(settings: Settings) -> Path:
    return settings.state_dir / "logs" / "dbt"
