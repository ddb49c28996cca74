"""A process of its own that answers an admitted run: it prints when it is ready, and begins when it is told to.

    python -m tests.runs.requests.spending_process RUN

The project is that of its environment.
"""

from __future__ import annotations

import sys

from assay.pipeline import answer
from assay.project import open_project
from assay.runs.progress import RunProgress
from assay.runs.resume import reopen
from assay.settings import load_settings


def main(run_id: str) -> None:
    """The run is answered as far as its budget goes."""
    project = open_project(load_settings())
    run = reopen(project, run_id)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    sys.stdin.readline()
    answer(project, run, RunProgress(0), handle_signals=False)


if __name__ == "__main__":
    main(sys.argv[1])
