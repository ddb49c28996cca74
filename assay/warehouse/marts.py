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
    project = settings.root / DBT_PROJECT
    if not (project / "dbt_project.yml").is_file():
        raise UsageError(f"No {DBT_PROJECT}/dbt_project.yml in {settings.root}: expected the project's models there.")
    logs = settings.state_dir / "logs" / "dbt"
    command = [
        *dbt_command(BUILD[0], project, settings),
        *BUILD[1:],
        "--log-path",
        str(logs),
        *(("--select", *select) if select else ()),
    ]
    ended = subprocess.run(
        command,
        cwd=settings.root,
        env=process_environment(settings),
        capture_output=True,
        text=True,
        timeout=BUILD_SECONDS,
        check=False,
    )
    if ended.returncode:
        tail = "\n".join((ended.stdout + ended.stderr).strip().splitlines()[-LINES_SHOWN:])
        raise MartsNotBuilt(f"dbt build failed (see {logs / 'dbt.log'}):\n{tail}")


def dbt_command(verb: str, project: Path, settings: Settings) -> list[str]:
    """The command line of dbt for this project."""
    target = settings.state_dir / "dbt"
    return [
        *(sys.executable, "-m", "dbt.cli.main", verb),
        *("--project-dir", str(project), "--profiles-dir", str(project), "--target-path", str(target)),
    ]
