"""The demo: takes the shipped task from an empty machine to a scorecard, through Dagster."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import TextIO

import orjson

from assay.errors import AssayError
from assay.local import stack
from assay.report.scorecard import read_scorecard
from assay.settings import Settings, process_environment
from assay.terminal.output import note, write_scorecard
from assay.warehouse.client import Warehouse
from assay.warehouse.migrate import migrate

DEMO_TASK = "support_triage"
DEFINITIONS = "orchestration.definitions"
PROGRESS_LINE = re.compile(r"- (\d+ (?:answered|rows))$|(?:START sql .*?model|ERROR) \S+")
LINES_SHOWN = 20


def run_demo(settings: Settings) -> None:
    """Runs and scores the golden set of the shipped task with the local model, builds the marts and shows the scorecard.

    Raises:
        AssayError: a step failed; the message names its log.
    """
    began = time.monotonic()
    note("1/4 local stack")
    stack.up(settings, report=lambda line: note(f"    {line}"))
    warehouse = Warehouse(settings)
    migrate(warehouse, report=lambda line: note(f"    {line}"))
    day = datetime.now(UTC).date().isoformat()
    note(f"2/4 {DEMO_TASK}: run and score its golden set through Dagster, partition {day}")
    config = orjson.dumps({"ops": {f"{DEMO_TASK}__records": {"config": {"input": "golden"}}}}).decode()
    selection = f"+key:{DEMO_TASK}/scores"
    _dagster(
        settings, "answers", "asset", "materialize", "--select", selection, "--partition", day, "--config-json", config
    )
    note("3/4 marts: build and test them with dbt, through Dagster")
    _dagster(settings, "marts", "job", "execute", "--job", "marts")
    note("4/4 scorecard")
    write_scorecard(read_scorecard(warehouse, DEMO_TASK))
    note(f"Done in {time.monotonic() - began:.0f} s. {_where(settings)}")


def _dagster(settings: Settings, name: str, *command: str) -> None:
    log = settings.state_dir / "logs" / f"demo-{name}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    program = Path(sys.executable).with_name("dagster")
    with log.open("w", encoding="utf-8") as file:
        running = subprocess.Popen(
            [str(program), *command, "-m", DEFINITIONS],
            cwd=settings.root,
            env=process_environment(settings),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        try:
            _follow(running.stdout or (), file)
            failed = running.wait()
        finally:
            running.terminate()  # does nothing if the process has exited
    if failed:
        tail = "\n".join(log.read_text("utf-8").splitlines()[-LINES_SHOWN:])
        raise AssayError(f"The Dagster step '{name}' failed (full log: {log}):\n{tail}")


def _follow(lines: Iterable[str], log: TextIO) -> None:
    for line in lines:
        log.write(line)
        log.flush()
        if found := PROGRESS_LINE.search(line.rstrip()):
            note(f"    {found[1] or found[0]}")


def _where(settings: Settings) -> str:
    return f"Dagster is running at http://127.0.0.1:{settings.ports.dagster}; `assay query` reads the marts; `assay down` stops everything."
