"""The rule by which PPI++ leaves out a judge, against other rules, on a fine grid: `python -m tests.benchmarks.coverage.association`.

Not a family of cells: it writes no results file. For each number of labels it prints the least coverage of any rate and judge,
and the mean and largest width relative to the labels alone. Bounds are looked up, so that 20,000 samples take a second.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from functools import cache
from itertools import product

import numpy as np
from numpy.typing import NDArray
from scipy.special import chdtri

from assay.statistics.conventions import ERROR, FEWEST_DISSENTING, FEWEST_LABELED, FEWEST_OUTCOMES, TAIL_ERROR
from assay.statistics.labels.label_groups import jeffreys_bounds
from assay.statistics.measured import exact_bounds, wilson_bounds

Floats = NDArray[np.float64]
Bounds = tuple[Floats, Floats]
ROWS, SAMPLES = 1500, 20_000
LABELS = (20, 30, 60, 100, 300)
JUDGES = ((0.9, 0.9), (0.8, 0.7), (0.97, 0.6), (0.6, 0.5), (0.99, 0.95), (0.7, 0.9))
RATES = (*np.linspace(0.5, 0.9, 9), *np.linspace(0.91, 0.99, 9), 0.995)
METHODS = {"jeffreys": jeffreys_bounds, "exact": exact_bounds, "wilson": wilson_bounds}


@cache
def row(method: str, n: int) -> tuple[Floats, Floats]:
    """The bounds of 0 to n passes."""
    found = np.array([METHODS[method](k / n, n, error=TAIL_ERROR) for k in range(n + 1)] if n else [(0.5, 0.5)])
    return found[:, 0], found[:, 1]


def bounds(method: str, passes: NDArray[np.int64], n: NDArray[np.int64]) -> Bounds:
    """The bounds of each sample."""
    low, high = np.empty(len(n)), np.empty(len(n))
    for size in np.unique(n):
        same, (lows, highs) = n == size, row(method, int(size))
        low[same], high[same] = lows[passes[same]], highs[passes[same]]
    return low, high


def chosen(first: NDArray[np.bool_], one: Bounds, other: Bounds) -> Bounds:
    """The bounds of `one` where `first` is true."""
    return np.where(first, one[0], other[0]), np.where(first, one[1], other[1])


def rules(random: np.random.Generator, labels: int, rate: float, judge: tuple[float, float]) -> Mapping[str, Bounds]:
    """The bounds of every rule in simulated random samples."""
    shown = rate * judge[0] + (1 - rate) * (1 - judge[1])
    n1 = random.binomial(labels, shown, SAMPLES)
    n0, share = labels - n1, (n1 + random.binomial(ROWS - labels, shown, SAMPLES)) / ROWS
    k1 = random.binomial(n1, rate * judge[0] / shown)
    k0 = random.binomial(n0, rate * (1 - judge[0]) / (1 - shown))
    passes = k1 + k0
    rare1, rare0 = (np.minimum(k, n - k) < FEWEST_DISSENTING for k, n in ((k1, n1), (k0, n0)))
    few = np.minimum(passes, labels - passes) < FEWEST_LABELED
    usual = share / np.sqrt(np.maximum(n1, 0.5)) >= (1 - share) / np.sqrt(np.maximum(n0, 0.5))
    former, shipped = (
        mover(share, (k1, n1, exact1), (k0, n0, exact0))
        for exact1, exact0 in ((few | np.where(usual, rare1, rare0),) * 2, (rare1, rare0))
    )
    every = np.full(SAMPLES, labels)
    exact = bounds("exact", passes, every)
    alone = chosen(np.minimum(passes, labels - passes) < FEWEST_OUTCOMES, exact, bounds("wilson", passes, every))
    mean, passed = passes / labels, n1 / labels
    spread = mean * (1 - mean) * passed * (1 - passed)
    associated = labels * (k1 / labels - mean * passed) ** 2 > float(chdtri(1, ERROR)) * spread
    narrower = shipped[1] - shipped[0] < exact[1] - exact[0]
    return {
        "labels alone": alone,
        "former": former,
        "shipped": chosen(associated, shipped, exact),
        "narrower of the two": chosen(narrower, shipped, exact),
    }


def mover(share: Floats, *verdicts: tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.bool_]]) -> Bounds:
    """`grouped_bounds` of two verdicts, of which the first has this share."""
    rates = [np.where(n > 0, k / np.maximum(n, 1), 0.5) for k, n, _ in verdicts]
    shares, gap = (share, 1 - share), rates[0] - rates[1]
    wilson = np.array([wilson_bounds(float(one), ROWS, error=TAIL_ERROR) for one in np.unique(share)])
    low_share, high_share = wilson[np.searchsorted(np.unique(share), share)].T
    below, above = gap * (share - low_share), gap * (high_share - share)
    lows, highs = [np.where(gap < 0, -above, below) ** 2], [np.where(gap < 0, -below, above) ** 2]
    for part, found, (k, n, exact) in zip(shares, rates, verdicts, strict=True):
        low, high = chosen(exact, bounds("exact", k, n), bounds("jeffreys", k, n))
        lows.append((part * (found - low)) ** 2)
        highs.append((part * (high - found)) ** 2)
    unknown = sum(np.where(n == 0, part / 2, 0) for part, (_, n, _) in zip(shares, verdicts, strict=True))
    value = shares[0] * rates[0] + shares[1] * rates[1]
    return np.maximum(0, value - np.sqrt(sum(lows)) - unknown), np.minimum(1, value + np.sqrt(sum(highs)) + unknown)


def main() -> None:
    """Prints one line for each number of labels and rule."""
    random = np.random.default_rng(3)
    for labels in LABELS:
        found: dict[str, list[tuple[float, float]]] = {}
        for rate, judge in product(RATES, JUDGES):
            simulated = rules(random, labels, float(rate), judge)
            widths = {name: float((high - low).mean()) for name, (low, high) in simulated.items()}
            for name, (low, high) in simulated.items():
                hits = float(((low <= rate) & (rate <= high)).mean())
                found.setdefault(name, []).append((hits, widths[name] / widths["labels alone"]))
        for name, figures in found.items():
            coverage, width = zip(*figures, strict=True)
            line = f"{labels:3} {name:20} coverage from {100 * min(coverage):.1f}%, width {np.mean(width):.3f} to {max(width):.3f}"
            sys.stdout.write(line + "\n")


if __name__ == "__main__":
    main()
