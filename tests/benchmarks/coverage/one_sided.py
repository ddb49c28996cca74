"""How often a gate decides wrongly on a rate whose true value is the floor. "Coverage" is how often it is right.

Independent rows: every outcome with its probability. Clusters: beta-binomial, of equal, log-normal and extreme sizes (one
cluster has half of the rows). Naive: the bounds of the reported interval (Wilson at the effective n).
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from itertools import product

import numpy as np
from scipy.stats import binom

from assay.statistics.conventions import ERROR, GATE_LEVEL
from assay.statistics.measured import Status, wilson_bounds
from assay.statistics.rate_bounds import bounds_of
from assay.statistics.rates import scored_rate
from assay.statistics.sampling import Groups
from tests.benchmarks.coverage.cells import Cell, Figure, generator
from tests.benchmarks.coverage.clustered import Case, answers, cluster_codes
from tests.benchmarks.coverage.gate import right

RECORDS = (10, 20, 30, 50, 100, 200, 500, 1000, 2000)
FLOORS = tuple(step / 100 for step in range(1, 100))
CLUSTERS = (10, 15, 20, 30, 50, 100)
CORRELATIONS = (0.0, 0.1, 0.3, 0.5)
RATES = (0.5, 0.8, 0.9, 0.95)
SIZES = ("even", "uneven", "half")
AT_MOST_5 = (1 - ERROR, 1.0)


def cells(samples: int) -> Iterator[Cell]:
    """The largest error over 99 floors for each n; then one cell for each kind of clusters, with twice the samples."""
    for n in RECORDS:
        key = f"one_sided/n={n}"
        yield Cell(key, partial(enumerated, key, n))
    for clusters, sizes, rate, correlation in product(CLUSTERS, SIZES, RATES, CORRELATIONS):
        key = f"one_sided/G={clusters} {sizes} rate={rate} icc={correlation}"
        case = Case(clusters=clusters, sizes=sizes, rate=rate, correlation=correlation)
        yield Cell(key, partial(simulated, key, case, 2 * samples))


def enumerated(key: str, n: int) -> list[Figure]:
    """The floor at which each error is largest."""
    counts = np.arange(n + 1)
    rows = [np.repeat([1.0, 0.0], [count, n - count]) for count in counts]
    bounds = [bounds_of(values, Groups.of(n)) for values in rows]
    lower, upper = (np.array([getattr(one, name)(ERROR) for one in bounds]) for name in ("lower", "upper"))
    wilson = np.array([wilson_bounds(count / n, n, error=ERROR) for count in counts])
    shipped, naive = [], []
    for floor in FLOORS:
        weight = binom.pmf(counts, n, floor)
        shipped.append((weight[lower >= floor].sum(), weight[upper < floor].sum()))
        naive.append((weight[wilson[:, 0] >= floor].sum(), weight[wilson[:, 1] < floor].sum()))
    passing, failing = np.max(shipped, axis=0)
    settings = {"n": n}
    return [
        right(key, "no PASS at the floor", settings, 1 - float(passing), wanted=AT_MOST_5),
        right(key, "no FAIL at the floor", settings, 1 - float(failing), wanted=AT_MOST_5),
        right(key, "naive: no PASS by Wilson", settings, 1 - float(np.max(naive, axis=0)[0])),
        right(key, "naive: no FAIL by Wilson", settings, 1 - float(np.max(naive, axis=0)[1])),
    ]


def simulated(key: str, case: Case, samples: int) -> list[Figure]:
    """A sample that is inconclusive decides nothing, and is right."""
    random = generator(key)
    wrong, open_ = np.zeros(4), 0
    for _ in range(samples):
        codes = cluster_codes(random, case)
        values = answers(random, case, codes)
        groups = Groups(codes, np.ones(len(codes)), case.clusters, True, False)
        found, bounds = scored_rate(values, groups, level=GATE_LEVEL), bounds_of(values, groups)
        decides = found.status is not Status.INCONCLUSIVE
        open_ += not decides
        assert found.low is not None and found.high is not None
        shipped = (bounds.lower(ERROR) >= case.rate, bounds.upper(ERROR) < case.rate)
        wrong += (decides and shipped[0], decides and shipped[1], found.low >= case.rate, found.high < case.rate)
    settings = {
        "clusters": case.clusters, "sizes": case.sizes, "rate": case.rate, "icc": case.correlation,
        "inconclusive": round(open_ / samples, 3),
    }  # fmt: skip
    names = ("no PASS at the floor", "no FAIL at the floor", "naive: no PASS by interval", "naive: no FAIL by interval")
    return [
        right(key, name, settings, 1 - float(share), samples=samples, wanted=AT_MOST_5 if place < 2 else None)
        for place, (name, share) in enumerate(zip(names, wrong / samples, strict=True))
    ]
