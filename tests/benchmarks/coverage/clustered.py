"""Yes/no answers in clusters whose own rates vary (beta-binomial), of equal and of very unequal sizes.

Naive: Wilson's interval as if answers were independent, and the cluster-robust variance CR0 with the normal quantile.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from itertools import product

import numpy as np

from assay.statistics.conventions import FEWEST_CLUSTERS, FEWEST_OUTCOMES, LEVEL
from assay.statistics.measured import Status, wilson_bounds
from assay.statistics.rates import scored_rate
from assay.statistics.sampling import Groups
from tests.benchmarks.coverage.cells import BAND, CONSERVATIVE, Cell, Figure, Tallies, generator

CLUSTERS = (5, 10, 20, 50, 200)
RATES = (0.5, 0.8, 0.9, 0.95)
CORRELATIONS = (0.0, 0.1, 0.3)
SIZE = 10
UNEVEN = (2.0, 0.8)
"""Of the log-normal cluster sizes: mean about 10, a few clusters hold half of the rows."""
Z = 1.959964


def cells(samples: int) -> Iterator[Cell]:
    """One for each number of clusters, sizes, rate and correlation within clusters."""
    for clusters, sizes, rate, correlation in product(CLUSTERS, ("even", "uneven"), RATES, CORRELATIONS):
        key = f"clustered/G={clusters} {sizes} rate={rate} icc={correlation}"
        case = Case(clusters=clusters, sizes=sizes, rate=rate, correlation=correlation)
        yield Cell(key, partial(run, key, case, samples=samples))


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """How many clusters, of which sizes (even, uneven, or one of them with half of the rows), and how alike the rows of one are."""

    clusters: int
    sizes: str
    rate: float
    correlation: float


def run(key: str, case: Case, *, samples: int) -> list[Figure]:
    """Figures of what is shipped and of the naive methods."""
    random = generator(key)
    clusters, sizes, rate, correlation = case.clusters, case.sizes, case.rate, case.correlation
    weight = SIZE if sizes == "even" else float(np.exp(UNEVEN[0] + 1.5 * UNEVEN[1] ** 2))
    expected = clusters * SIZE / (1 + (weight - 1) * correlation) * min(rate, 1 - rate)
    little = clusters < FEWEST_CLUSTERS or expected < FEWEST_OUTCOMES
    settings = {"clusters": clusters, "sizes": sizes, "rate": rate, "icc": correlation, "expected": round(expected, 1)}
    tallies = Tallies(key, settings, {"shipped": CONSERVATIVE if little else BAND})
    for _ in range(samples):
        codes = cluster_codes(random, case)
        values = answers(random, case, codes)
        groups = Groups(codes, np.ones(len(codes)), clusters, True, False)
        found = scored_rate(values, groups, level=LEVEL)
        few = found.status in {Status.TOO_FEW, Status.INCONCLUSIVE}
        tallies["shipped"].add(found.low, found.high, rate, too_few=few)
        mean = float(values.mean())
        tallies["naive: pooled wilson"].add(*wilson_bounds(mean, len(values), error=(1 - LEVEL) / 2), rate)
        half = Z * float(np.sqrt((groups.total(values - mean) ** 2).sum())) / len(values)
        tallies["naive: CR0, normal"].add(mean - half, mean + half, rate)
    return tallies.figures()


def cluster_codes(random: np.random.Generator, case: Case) -> np.ndarray:
    """The cluster of each row."""
    if case.sizes == "even":
        return np.repeat(np.arange(case.clusters), SIZE)
    if case.sizes == "half":
        return np.repeat(np.arange(case.clusters), [SIZE * (case.clusters - 1), *[SIZE] * (case.clusters - 1)])
    return np.repeat(np.arange(case.clusters), np.maximum(1, random.lognormal(*UNEVEN, case.clusters).astype(int)))


def answers(random: np.random.Generator, case: Case, codes: np.ndarray) -> np.ndarray:
    """0 or 1 for each row; two rows of a cluster correlate so."""
    own = np.full(case.clusters, case.rate)
    if case.correlation > 0:
        room = (1 - case.correlation) / case.correlation
        own = random.beta(case.rate * room, (1 - case.rate) * room, case.clusters)
    return (random.random(len(codes)) < own[codes]).astype(np.float64)
