"""Starts one measured process at a time and reads its figures."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from typing import Any

from assay.runs.run import Run
from tests.benchmarks.engine.stand import Stand
from tests.paths import ROOT

TIMEOUT_S = 7200
BASELINES = "tests.benchmarks.engine.baselines"
DRIVER = "tests.benchmarks.engine.driver"


def baseline(stand: Stand, kind: str, **order: Any) -> dict[str, Any]:
    """Figures of a bare loop."""
    return measured(BASELINES, {"kind": kind, "base_url": stand.endpoint.base_url, **order}, plain_environment())


def engine(stand: Stand, run: Run, **order: Any) -> dict[str, Any]:
    """Figures of the engine over an admitted run."""
    return measured(DRIVER, engine_order(stand, run, **order), stand.environment())


def engine_order(stand: Stand, run: Run, **order: Any) -> dict[str, Any]:
    """What the engine's process is told."""
    fixed = {"task": run.task.name, "run_id": run.run_id, "data_date": run.facts.data_date.isoformat()}
    return {**fixed, "base_url": stand.endpoint.base_url, "sink": "dropped", **order}


def plain_environment() -> dict[str, str]:
    """This process's environment, bytecode caches on."""
    return {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


def command(module: str, order: Mapping[str, Any]) -> list[str]:
    """The command of a measured process."""
    return [sys.executable, "-m", module, json.dumps(order)]


def measured(module: str, order: Mapping[str, Any], environment: Mapping[str, str]) -> dict[str, Any]:
    """The figures that the process printed.

    Raises:
        SystemExit: it failed; the message ends with what it said.
    """
    done = subprocess.run(
        command(module, order),
        cwd=ROOT,
        env=dict(environment),
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )
    if done.returncode:
        raise SystemExit(f"{module} ended with {done.returncode}:\n{done.stderr[-3000:]}")
    figures: dict[str, Any] = json.loads(done.stdout)
    return figures
