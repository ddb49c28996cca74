"""How often a rule on a mean decides wrongly if the true mean is the limit, for records in clusters.

Scores are log-normal; a part of the variance of their logarithm (`shared`) or of themselves (`added`) is the cluster's. The
sizes of clusters are equal or log-normal with sigma 1. Naive: the same bounds without a minimum of equal clusters.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from itertools import product

import numpy as np

from assay.statistics.conventions import ERROR
from assay.statistics.measured import Status
from assay.statistics.numeric.means import MeanBounds, gate_mean
from assay.statistics.sampling import Groups, Sampling
from tests.benchmarks.coverage.cells import Cell, Figure, generator
from tests.benchmarks.coverage.gate import right

SIZE = 10
CLUSTERS = (60, 100, 150, 200)
AT_MOST_5 = (1 - ERROR, 1.0)
SHARE = 0.3


@dataclass(frozen=True, slots=True)
class Scores:
    """Scores of records in clusters of `SIZE` records on average."""

    clusters: int
    sizes: str
    sigma: float
    correlation: str

    def draw(self, random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """The cluster and the score of each record."""
        n = self.clusters * SIZE
        weights = np.ones(self.clusters) if self.sizes == "even" else random.lognormal(0, 1, self.clusters)
        codes = np.sort(random.choice(self.clusters, n, p=weights / weights.sum()))
        if self.sizes == "even":
            codes = np.repeat(np.arange(self.clusters), SIZE)
        own, of_cluster = random.normal(size=n), random.normal(size=self.clusters)[codes]
        if self.correlation == "shared":
            return codes, np.exp(self.sigma * (math.sqrt(SHARE) * of_cluster + math.sqrt(1 - SHARE) * own))
        if self.correlation == "added":
            part = np.exp(self.sigma * of_cluster) * math.sqrt(SHARE / (1 - SHARE))
            return codes, np.exp(self.sigma * own) + part
        return codes, np.exp(self.sigma * own)

    @property
    def mean(self) -> float:
        """The true mean."""
        one = math.exp(self.sigma**2 / 2)
        return one * (1 + math.sqrt(SHARE / (1 - SHARE))) if self.correlation == "added" else one


def cells(samples: int) -> Iterator[Cell]:
    """One cell for each kind of clusters and scores."""
    for clusters, sizes, sigma, kind in product(CLUSTERS, ("even", "uneven"), (0.5, 1.0), ("none", "shared", "added")):
        key = f"mean_rules/G={clusters} {sizes} sigma={sigma} correlation={kind}"
        yield Cell(key, partial(run, key, Scores(clusters, sizes, sigma, kind), samples))


def run(key: str, scores: Scores, samples: int) -> list[Figure]:
    """A sample that is inconclusive decides nothing, and is right."""
    random = generator(key)
    wrong, open_ = np.zeros(4), 0
    for _ in range(samples):
        codes, values = scores.draw(random)
        codes = np.unique(codes, return_inverse=True)[1]
        found = gate_mean(values.tolist(), Sampling(clusters=codes.tolist()), scale=None)
        bounds = MeanBounds.of(values, Groups(codes, np.ones(len(codes)), int(codes[-1]) + 1, True, False))
        naive = (bounds.lower(ERROR) >= scores.mean, bounds.upper(ERROR) < scores.mean)
        is_open = found.measured.status is Status.INCONCLUSIVE
        open_ += is_open
        wrong += (naive[0] and not is_open, naive[1] and not is_open, *naive)
    settings = {
        "clusters": scores.clusters, "sizes": scores.sizes, "sigma": scores.sigma, "correlation": scores.correlation,
        "inconclusive": round(open_ / samples, 3),
    }  # fmt: skip
    names = ("no PASS at the limit", "no FAIL at the limit", "naive: no PASS", "naive: no FAIL")
    return [
        right(key, name, settings, 1 - float(share), samples=samples, wanted=AT_MOST_5 if place < 2 else None)
        for place, (name, share) in enumerate(zip(names, wrong / samples, strict=True))
    ]
