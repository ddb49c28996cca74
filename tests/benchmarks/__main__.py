"""Every benchmark by one command, or those that are named; ends with 1 if one missed its target or could not be run.

    python -m tests.benchmarks [cpu latency memory faults kill kill_batch limits semantic_cache cascade speculation run_memory report variants adoption looks]

Each part is a command of its own and says what it measures; targets of all of them are in docs/reference/performance.md.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from collections.abc import Sequence

from tests.paths import ROOT

ENGINE = "tests.benchmarks.engine"
COMMANDS: dict[str, tuple[str, ...]] = {
    "cpu": (ENGINE, "cpu"),
    "latency": (ENGINE, "latency"),
    "memory": (ENGINE, "memory"),
    "faults": (ENGINE, "faults"),
    "kill": (ENGINE, "kill"),
    "kill_batch": (ENGINE, "kill_batch"),
    "machine": (ENGINE, "machine"),
    "limits": ("tests.benchmarks.rate_limits",),
    "semantic_cache": ("tests.benchmarks.semantic_cache",),
    "cascade": ("tests.benchmarks.cascade",),
    "speculation": ("tests.benchmarks.speculation",),
    "run_memory": ("tests.benchmarks.run_memory",),
    "report": ("tests.benchmarks.report",),
    "variants": ("tests.benchmarks.variants",),
    "adoption": ("tests.benchmarks.adoption",),
    "looks": ("tests.benchmarks.looks",),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """0 when every part met its targets."""
    parser = argparse.ArgumentParser(description="What the engine costs, and whether it holds.")
    parser.add_argument(
        "parts", nargs="*", choices=[[], *COMMANDS], metavar="part", help=f"any of {', '.join(COMMANDS)}"
    )
    chosen = parser.parse_args(arguments).parts or list(COMMANDS)
    failed = [part for part in chosen if not _met(part)]
    if failed:
        sys.stderr.write(f"missed or not run: {', '.join(failed)}\n")
    return int(bool(failed))


def _met(part: str) -> bool:
    sys.stdout.write(f"\n## {part}\n\n")
    sys.stdout.flush()
    # Matrices of a sentence are small: more threads would only wait for each other.
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1"}
    command = [sys.executable, "-m", *COMMANDS[part]]
    return subprocess.run(command, cwd=ROOT, env=environment, check=False).returncode == 0


if __name__ == "__main__":
    sys.exit(main())
