"""The engine in a process of its own: answers an admitted run, without Dagster, and prints what it cost.

    python -m tests.benchmarks.engine.driver '{"task": ..., "run_id": ..., "data_date": ..., "sink": "dropped"}'

CPU and wall time are those of answering alone, after imports and a warm-up run.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from contextlib import suppress
from datetime import date
from importlib import import_module
from pathlib import Path
from typing import Any

from tests.benchmarks.engine.baselines import cpu_s, reset

REUSE = "within 1 hours"
ENDS_WITHIN_S = 7200.0


def main(argument: str) -> None:
    """One measurement; its figures are printed as JSON."""
    order = json.loads(argument)
    figures: dict[str, Any] = {}
    for name in order.get("modules", ()):
        with suppress(ImportError):
            import_module(name)
    if order.get("memory"):
        Path("/proc/self/clear_refs").write_text("5")  # the peak starts anew here
        figures["base_kib"] = status_kib("VmRSS")
    if order.get("warm_up"):
        answer({**order, "run_id": order["warm_up"]})
        reset(order["base_url"])
    began, cpu = time.perf_counter(), cpu_s()
    answer(order)
    figures |= {"wall_s": time.perf_counter() - began, "cpu_s": cpu_s() - cpu, "peak_kib": status_kib("VmHWM")}
    if order.get("list_modules"):
        figures["modules"] = sorted(name for name in sys.modules if not name.startswith("__"))
    sys.stdout.write(json.dumps(figures))


def answer(order: dict[str, Any]) -> None:
    """The run's records are answered into the sink of the order."""
    from assay.project import open_project
    from assay.settings import load_settings

    project = open_project(load_settings())
    run = opened(project, order)
    if order.get("profile"):
        import cProfile

        profile = cProfile.Profile()
        profile.runcall(_answer, project, run, order)
        profile.dump_stats(order["profile"])
    else:
        _answer(project, run, order)


def opened(project: Any, order: dict[str, Any]) -> Any:
    """The run as it stood when it was admitted."""
    from assay.inputs.stored import open_snapshot
    from assay.runs.run import Run, RunOptions, facts_of

    task = project.task(order["task"])
    options = RunOptions(data_date=date.fromisoformat(order["data_date"]), reuse=order.get("reuse", REUSE))
    return Run(
        facts=facts_of(task, options, run_id=order["run_id"]),
        task=task,
        options=options,
        snapshot=open_snapshot(project.snapshot_dir(order["run_id"])),
        is_golden=False,
        purpose="score",
    )


def _answer(project: Any, run: Any, order: dict[str, Any]) -> None:
    from assay.warehouse.landing import LandingWriter
    from tests.benchmarks.engine.sinks import EncodedAndDropped

    sinks = {"dropped": EncodedAndDropped, "warehouse": LandingWriter}
    answer_into(project, run, sink=sinks[order["sink"]](project.warehouse))


def answer_into(project: Any, run: Any, *, sink: Any, within_s: float = ENDS_WITHIN_S) -> None:
    """Every request of the run is answered and its rows are in `sink`; loop and memory as `execution.answer` has them.

    Raises:
        TimeoutError: it did not end within so many seconds.
    """
    from assay.performance.process import fast_loop, settled_memory
    from assay.runs.requests.request_stage import RequestStage

    with asyncio.Runner(loop_factory=fast_loop()) as runner, settled_memory():
        answering = RequestStage(project, run, Silent(), sink=sink)
        runner.run(asyncio.wait_for(answering.answer_all(), within_s))


class Silent:
    """Is told how the run goes and says nothing."""

    def watch(self, *_: object) -> None:
        """What can be looked at."""

    def answered(self, _: object) -> None:
        """One more request is answered."""


def status_kib(name: str) -> int:
    """A figure of this process's memory."""
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(name))


if __name__ == "__main__":
    main(sys.argv[1])
