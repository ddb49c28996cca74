"""Differences that hardly vary, over numbers of clusters and records. "Coverage" is the share of honest comparisons.

Honest: the estimate is within its bounds, which are as wide as one more record could make them, and at least as wide as those
of independent rows where both are computed from counts. Naive: the share whose CR0 interval has a width.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import numpy as np

from assay.statistics.paired import PairedComparison
from assay.statistics.sampling import Groups, Sampling
from tests.benchmarks.coverage.cells import Cell, Figure
from tests.benchmarks.coverage.gate import right
from tests.statistics.test_degenerate_differences import VALUES, compared, is_honest

CLUSTERS = (1, 2, 3, 5, 8, 9, 10, 11, 12, 15, 20, 25, 30, 40)
RECORDS = (2, 3, 4, 5, 8, 10, 12, 20, 40, 60, 100, 200, 300, 500, 1000)
ALWAYS = (1.0, 1.0)


def cells(samples: int) -> Iterator[Cell]:
    """One for each kind of difference; `samples` is not used."""
    del samples
    for name in VALUES:
        key = f"degenerate/{name.replace(',', '')}"
        yield Cell(key, partial(swept, key, name))


def swept(key: str, name: str) -> list[Figure]:
    """Every number of records, in every number of clusters that fits."""
    honest = wide = count = 0
    for n in RECORDS:
        values = VALUES[name](n)
        rows = compared(values)
        for clusters in (clusters for clusters in CLUSTERS if clusters <= n):
            found = compared(values, clusters, resamples=50)
            honest += is_honest(found) and _is_wider(found, rows)
            codes = (np.arange(n) * clusters // n).tolist()
            groups = Groups.of(n, Sampling(clusters=codes))
            wide += bool(np.abs(groups.total(values - values.mean())).max() > 1e-9)
            count += 1
    return [
        right(key, "honest bounds", {"differences": name, "comparisons": count}, honest / count, wanted=ALWAYS),
        right(key, "naive: CR0 has a width", {"differences": name}, wide / count),
    ]


def _is_wider(found: PairedComparison, rows: PairedComparison) -> bool:
    """True unless both are computed from counts and the clusters have the narrower bounds."""
    if found.method != "cr2_t" or rows.method != "tango":
        return True
    return found.lower <= rows.lower + 1e-9 and found.upper >= rows.upper - 1e-9
