"""Runs the cells that are not yet in the results file, then prints all of them as CSV; ends with 1 if a cell misses its target.

    python -m tests.benchmarks.coverage --out FILE [--cells NAME ...] [--samples 10000] [--table-only] > cells.csv

NAME is a family, or the beginning of a cell's key. Stopped at any time, the same command goes on. Naive methods are run on
the same samples, named so, and have no target.
"""

from __future__ import annotations

import argparse
import csv
import sys
from collections.abc import Iterator, Sequence
from importlib import import_module
from pathlib import Path

from tests.benchmarks.coverage import FAMILIES
from tests.benchmarks.coverage.cells import Cell, Figure, Results

SAMPLES = 10_000


def cells(*, samples: int, chosen: Sequence[str] = ()) -> Iterator[Cell]:
    """The cells of all families whose key begins with one of those chosen; all without any."""
    for family in FAMILIES:
        for cell in import_module(f"{__package__}.{family}").cells(samples):
            if not chosen or cell.key.startswith(tuple(chosen)):
                yield cell


COLUMNS = (
    "cell", "method", "samples", "coverage_pct", "too_low_pct", "mean_width", "no_width_pct", "too_few_pct",
    "wanted_low_pct", "wanted_high_pct", "met",
)  # fmt: skip


def table(figures: Iterator[Figure]) -> Iterator[Sequence[str | int]]:
    """The figures as rows of `cells.csv`, the names of the columns first."""
    yield COLUMNS
    for one in figures:
        shares = (f"{100 * one.coverage:.2f}", f"{100 * one.below:.2f}", f"{one.width:.4g}")
        named = (f"{100 * one.no_width:.1f}", f"{100 * one.too_few:.1f}")
        wanted = ("", "") if one.wanted is None else tuple(f"{100 * end:.1f}" for end in one.wanted)
        yield one.cell, one.method, one.samples, *shares, *named, *wanted, {None: "", True: "yes", False: "no"}[one.met]


def main(arguments: Sequence[str] | None = None) -> int:
    """0 when every cell that was asked for meets its target."""
    parser = argparse.ArgumentParser(description="How often intervals hold the truth.")
    parser.add_argument("--out", type=Path, required=True, help="results, one line a cell; added to")
    parser.add_argument(
        "--cells", nargs="*", default=[], help=f"families ({', '.join(FAMILIES)}) or beginnings of keys"
    )
    parser.add_argument("--samples", type=int, default=SAMPLES, help="simulated samples a cell")
    parser.add_argument("--table-only", action="store_true", help="run nothing")
    asked = parser.parse_args(arguments)
    results, wanted = Results(asked.out), list(cells(samples=asked.samples, chosen=asked.cells))
    for number, cell in enumerate(wanted, start=1):
        if cell.key not in results and not asked.table_only:
            sys.stderr.write(f"{number}/{len(wanted)} {cell.key}\n")
            results.add(cell.key, cell.run())
    keys = {cell.key for cell in wanted}
    shown = [figure for figure in results.figures() if figure.cell in keys]
    csv.writer(sys.stdout, lineterminator="\n").writerows(table(iter(shown)))
    return int(any(figure.met is False for figure in shown))


if __name__ == "__main__":
    sys.exit(main())
