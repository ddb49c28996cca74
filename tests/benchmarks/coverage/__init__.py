"""How often intervals hold the truth: simulated, or counted exactly, cell by cell.

    python -m tests.benchmarks.coverage --out FILE [--cells NAME ...] [--samples 10000] [--table-only]

To add a family of cells: a module here with `cells(samples: int) -> Iterator[Cell]` (see `cells.py`), and its name below.
"""

from __future__ import annotations

FAMILIES: tuple[str, ...] = (
    "binomial",
    "clustered",
    "epochs",
    "amounts",
    "agreement",
    "paired",
    "corrected",
    "gate",
    "one_sided",
    "power",
    "mean_rules",
    "averages",
    "degenerate",
    "multiple",
)
"""Modules of this folder, in the order in which they run."""
