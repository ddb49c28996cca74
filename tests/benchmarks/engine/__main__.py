"""Runs the parts that are asked for, all without names; prints a table for each and ends with 1 if a target is missed."""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from tests.benchmarks.engine import cpu, faults, kill, kill_batch, latency, machine, memory
from tests.benchmarks.engine.stand import Stand, standing
from tests.benchmarks.engine.tables import Result
from tests.paths import ROOT

ENDPOINT = ROOT.parent / "shared" / "bench" / "mock_openai.py"
PARTS = ("cpu", "latency", "memory", "faults", "kill", "kill_batch", "machine")


def main(arguments: Sequence[str] | None = None) -> int:
    """0 when every target is met."""
    options = _options(arguments)
    measures = _measures(options)
    misses = 0
    with tempfile.TemporaryDirectory(prefix="assay-engine-") as folder, standing(Path(folder), options.mock) as stand:
        for part in options.parts or PARTS:
            for result in measures[part](stand):
                sys.stdout.write(f"{result.markdown()}\n")
                sys.stdout.flush()
                misses += len(result.misses)
    return int(misses > 0)


def _measures(options: argparse.Namespace) -> dict[str, Callable[[Stand], list[Result]]]:
    turns = {} if options.rounds is None else {"rounds": options.rounds}
    return {
        "cpu": lambda stand: cpu.measure(stand, cpu.CpuOptions(rows=options.rows, **turns)),
        "latency": lambda stand: latency.measure(stand, latency.LatencyOptions(**turns)),
        "memory": lambda stand: memory.measure(stand, memory.MemoryOptions(rows=tuple(options.memory_rows))),
        "kill": lambda stand: kill.measure(stand, kill.KillOptions(records=options.kill_records, kills=options.kills)),
        "kill_batch": lambda stand: kill_batch.measure(
            stand, kill_batch.BatchKillOptions(records=options.kill_records, kills=options.kills)
        ),
        "machine": lambda stand: machine.measure(stand, machine.MachineOptions(records=options.records)),
        "faults": lambda stand: faults.measure(
            stand, faults.FaultOptions(records=options.records, alone=not options.no_single_faults)
        ),
    }


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="What the engine costs, and whether it holds.")
    parser.add_argument("parts", nargs="*", choices=[[], *PARTS], metavar="part", help=f"any of {', '.join(PARTS)}")
    parser.add_argument("--mock", type=Path, default=ENDPOINT, help="the endpoint's script (default: %(default)s)")
    parser.add_argument("--rounds", type=int, help="turns of cpu and latency, alternated")
    parser.add_argument("--rows", type=int, default=8000, help="rows a turn of cpu")
    parser.add_argument("--records", type=int, default=10_000, help="records of each run of faults and machine")
    parser.add_argument(
        "--no-single-faults", action="store_true", help="leave out the runs with one kind of fault each"
    )
    parser.add_argument(
        "--memory-rows", type=int, nargs="+", default=[2_000, 10_000, 50_000], help="rows of the memory runs"
    )
    parser.add_argument("--kill-records", type=int, default=5_000, help="records of the run that is killed")
    parser.add_argument("--kills", type=int, default=10, help="times it is killed")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
