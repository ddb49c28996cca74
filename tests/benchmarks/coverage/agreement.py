"""Cohen's kappa of two raters and Krippendorff's alpha of three, who each see the truth with some mistakes.

Naive: Wald's interval, the coefficient ± 1.96 linearised standard errors. Few expected disagreements are too little to say.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from itertools import product

import numpy as np

from assay.statistics.agreement import Metric, Scale, Weighting, cohens_kappa, krippendorffs_alpha
from assay.statistics.measured import Measured, Status
from tests.benchmarks.coverage.cells import CONSERVATIVE, Cell, Figure, Tallies, generator

BAND = (0.93, 0.98)
"""Kappa is not promised to be exact: bounds for rare disagreements are conservative."""
ITEMS = (30, 100, 300)
Z = 1.959964


@dataclass(frozen=True, slots=True)
class Raters:
    """How often each class occurs, how often a rater hits it, and whether a miss is one step away or anywhere."""

    name: str
    shares: tuple[float, ...]
    hits: float
    weighting: Weighting = "nominal"

    def mistakes(self) -> np.ndarray:
        """Row: the truth; column: what a rater says."""
        size = len(self.shares)
        places = np.arange(size)
        away = np.abs(places[:, None] - places[None, :])
        missed = (away == 1) if self.weighting != "nominal" else (away > 0)
        return np.where(away == 0, self.hits, (1 - self.hits) * missed / missed.sum(axis=1, keepdims=True))

    def draw(self, random: np.random.Generator, n: int, raters: int) -> np.ndarray:
        """The label of each item (row) by each rater (column)."""
        truth = random.choice(len(self.shares), size=n, p=self.shares)
        steps = self.mistakes().cumsum(axis=1)[truth]
        return (random.random((n, raters, 1)) > steps[:, None, :]).sum(axis=2)


CASES = (
    Raters("balanced", (0.5, 0.5), 0.95),
    Raters("rare class", (0.1, 0.9), 0.95),
    Raters("three classes", (0.3, 0.3, 0.4), 0.8),
    Raters("five steps", (0.2,) * 5, 0.7, "quadratic"),
    Raters("five steps, skewed", (0.05, 0.05, 0.1, 0.3, 0.5), 0.8, "quadratic"),
)


def cells(samples: int) -> Iterator[Cell]:
    """One for each case and number of items."""
    for case, n in product(CASES, ITEMS):
        key = f"agreement/kappa {case.name} n={n}"
        yield Cell(key, partial(run_kappa, key, case, n, samples))
    for case, n in product((CASES[0], CASES[2], CASES[3]), ITEMS[:2]):
        key = f"agreement/alpha {case.name} n={n}"
        yield Cell(key, partial(run_alpha, key, case, n, max(200, samples // 5)))


def run_kappa(key: str, case: Raters, n: int, samples: int) -> list[Figure]:
    """Figures for kappa; its true value follows from the table of both raters."""
    random, size = generator(key), len(case.shares)
    scale = Scale(case.weighting, tuple(range(size)))
    mistakes = case.mistakes()
    joint = (np.array(case.shares)[:, None, None] * mistakes[:, :, None] * mistakes[:, None, :]).sum(axis=0)
    apart = distances(size, case.weighting)
    truth = 1 - float((joint * apart).sum() / (joint.sum(axis=1) @ apart @ joint.sum(axis=0)))
    expected = n * float(1 - np.trace(joint))
    tallies = Tallies(key, {"items": n, "kappa": round(truth, 3)}, {"shipped": CONSERVATIVE if expected < 5 else BAND})
    for _ in range(samples):
        labels = case.draw(random, n, 2)
        found = cohens_kappa(labels[:, 0].tolist(), labels[:, 1].tolist(), scale=scale)
        _add(tallies, found, truth)
        half = Z * kappa_error(labels, apart)
        if found.value is not None:
            tallies["naive: wald"].add(found.value - half, found.value + half, truth)
    return tallies.figures()


def run_alpha(key: str, case: Raters, n: int, samples: int) -> list[Figure]:
    """Figures for alpha of three raters; its true value is that of many items."""
    random = generator(key)
    metric: Metric = "nominal" if case.weighting == "nominal" else "interval"
    truth = krippendorffs_alpha(case.draw(random, 200_000, 3).tolist(), metric=metric).value or 0.0
    tallies = Tallies(key, {"items": n, "alpha": round(truth, 3)}, {"shipped": BAND})
    for _ in range(samples):
        _add(tallies, krippendorffs_alpha(case.draw(random, n, 3).tolist(), metric=metric), truth)
    return tallies.figures()


def distances(size: int, weighting: Weighting) -> np.ndarray:
    """Of two classes, 0 to 1."""
    steps = np.abs(np.subtract.outer(np.arange(size), np.arange(size))) / (size - 1)
    return (steps > 0).astype(float) if weighting == "nominal" else steps**2


def kappa_error(labels: np.ndarray, apart: np.ndarray) -> float:
    """The large-sample standard error by the delta method on the table of both raters."""
    size, n = len(apart), len(labels)
    joint = np.bincount(labels[:, 0] * size + labels[:, 1], minlength=size * size).reshape(size, size) / n
    row, column = joint.sum(axis=1), joint.sum(axis=0)
    observed, chance = float((joint * apart).sum()), float(row @ apart @ column)
    if chance <= 0:
        return 0.0
    gradient = -apart / chance + observed / chance**2 * ((apart @ column)[:, None] + (row @ apart)[None, :])
    mean = float((joint * gradient).sum())
    return float((joint * (gradient - mean) ** 2).sum() / n) ** 0.5


def _add(tallies: Tallies, found: Measured, truth: float) -> None:
    few = found.status in {Status.TOO_FEW, Status.NONE}
    tallies["shipped"].add(found.low, found.high, truth, too_few=few)
