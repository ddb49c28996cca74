"""The demo: takes the shipped task from an empty machine to a scorecard, through Dagster."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TextIO

import orjson

from assay.errors import AssayError
from assay.local import stack
from assay.report.scorecard import read_scorecard
from assay.settings import Settings, process_environment, with_local_token
from assay.terminal.output import note, write_scorecard
from assay.warehouse.client import Warehouse
from assay.warehouse.dbt_progress import DbtProgress
from assay.warehouse.migrate import migrate

DEMO_TASK = "support_triage"
DEFINITIONS = "orchestration.definitions"
PREDICTIONS = re.compile(r"- (predictions: .+)$")
LINES_SHOWN = 20


def run_demo(settings: Settings) -> None:
    """Runs and scores the golden set of the shipped task with the local model, builds the marts and shows the scorecard.

    Raises:
        AssayError: a step failed; the message names its log.
    """
    began = time.monotonic()
    note("1/4 local stack")
    settings = with_local_token(settings)
    parts = stack.up(settings, report=lambda line: note(f"    {line}"))
    warehouse = Warehouse(settings)
    migrate(warehouse, report=lambda line: note(f"    {line}"))
    day = datetime.now(UTC).date().isoformat()
    note(
        f"2/4 {DEMO_TASK}: run and score its golden set through Dagster, partition {day}; the first prediction waits until the model is loaded"
    )
    config = orjson.dumps({"ops": {f"{DEMO_TASK}__records": {"config": {"input": "golden"}}}}).decode()
    selection = f"+key:{DEMO_TASK}/scores"
    _dagster(
        settings, "answers", "asset", "materialize", "--select", selection, "--partition", day, "--config-json", config
    )
    note("3/4 marts: build and test them with dbt, through Dagster")
    _dagster(settings, "marts", "job", "execute", "--job", "marts")
    note("4/4 scorecard")
    write_scorecard(read_scorecard(warehouse, DEMO_TASK))
    note(f"Done in {time.monotonic() - began:.0f} s. {_where(parts)}")


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


class DemoProgress(DbtProgress):
    """Shows the progress of a Dagster step from its log: predictions as they are counted, and finished dbt nodes."""

    def line(self, text: str) -> None:
        """Reads one line of the log."""
        if found := PREDICTIONS.search(text):
            self.show(found[1])
        else:
            super().line(text)


def _follow(lines: Iterable[str], log: TextIO) -> None:
    progress = DemoProgress(lambda text: note(f"    {text}"))
    for line in lines:
        log.write(line)
        log.flush()
        progress.line(line.rstrip())


def _where(parts: Sequence[stack.PartStatus]) -> str:
    page = next(part.page for part in parts if part.page)
    return f"Open Dagster's page, once, at {page} ; `assay query` reads the marts; `assay down` stops everything."
