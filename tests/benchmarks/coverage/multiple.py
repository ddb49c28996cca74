"""Families of comparisons: every pair of several variants, and several slices against the rest. "Coverage" is how often all is right.

Right: no pair or slice is called different without being so, or in the wrong direction; and every simultaneous interval holds
its true difference. One slice is also counted over every outcome. A sample of 14 variants has 91 pairs, so these cells have a fifth of the samples. Naive: each p-value and
interval by itself, and other intervals of a difference of two rates.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import product

import numpy as np
from scipy.special import ndtr, ndtri
from scipy.stats import binom

from assay.statistics.conventions import ERROR
from assay.statistics.multiple.pairwise import VariantOutcomes, VariantPair, compare_pairs
from assay.statistics.multiple.slices import SliceDifference, difference_bounds_of_slice, slice_differences
from assay.statistics.sampling import Groups
from tests.benchmarks.coverage.cells import Cell, Figure, generator
from tests.benchmarks.coverage.gate import right

AT_LEAST_95 = (0.95, 1.0)
SIZE = 10
SHARES = {3: 1, 6: 2, 14: 5}
"""Variants, and the number by which samples are divided."""
SAMPLES = ((100, 1), (500, 1), (200, SIZE), (500, SIZE))
"""Records, and records in a cluster."""
IN_CLUSTER, OF_VARIANT, OF_RECORD = 0.2, 0.05, 0.4
"""Shares of the variance: of a cluster, of a variant within a cluster, and of a record; the rest is of each outcome."""
COUNTED, FAMILIES = ((10, 40), (20, 20), (20, 180), (20, 480), (50, 200)), (1, 5, 20)
"""Records in the slice and outside of it, and slices of the family."""
COUNTED_RATES = (0.02, 0.05, 0.1, 0.3, 0.5, 0.7, 0.9, 0.95, 0.98)
COUNTED_DIFFERENCES = (0.0, -0.3, -0.1, 0.04, 0.1, 0.3)
TINY = 1e-12
SLICES = (0.05, 0.1, 0.1, 0.2, 0.2, 0.3, 0.5, 0.5)
"""Shares of the records in eight slices that overlap."""


def cells(samples: int) -> Iterator[Cell]:
    """Equal variants, then variants that differ a little; equal slices, then one that is worse."""
    for variants, (n, size) in product(SHARES, SAMPLES):
        key = f"multiple/{variants} equal variants n={n} cluster={size}"
        yield Cell(key, partial(pairs, key, [0.85] * variants, n, size, samples // SHARES[variants]))
    for n, size in SAMPLES:
        key = f"multiple/6 unequal variants n={n} cluster={size}"
        yield Cell(key, partial(pairs, key, [0.95, 0.94, 0.9, 0.9, 0.8, 0.75], n, size, samples // SHARES[6]))
    for (n, size), rate, worse in product(((200, 1), (600, 1), (300, SIZE), (800, SIZE)), (0.6, 0.95), (0.0, 0.2)):
        key = f"multiple/{len(SLICES)} slices n={n} cluster={size} rate={rate} worse={worse}"
        yield Cell(key, partial(slices, key, n, size, rate, worse, samples))
    for (n, rest), family in product(COUNTED, FAMILIES):
        key = f"multiple/counted n={n} rest={rest} family={family}"
        yield Cell(key, partial(counted, key, n, rest, family))


def counted(key: str, n: int, rest: int, family: int) -> list[Figure]:
    """One of several slices over every outcome: 1 - family x its largest two-sided error, at equal rates and at any."""
    error = ERROR / (2 * family)
    x, y = np.meshgrid(np.arange(n + 1), np.arange(rest + 1), indexing="ij")
    methods = {"shipped": shipped_bounds(n, rest, error)}
    methods["naive: Newcombe"] = _mover(x, n, y, rest, partial(_wilson, error=error))
    methods["naive: Agresti-Caffo"] = _agresti_caffo(x, n, y, rest, error)
    settings = {"n": n, "rest": rest, "family": family}
    figures = []
    for name, (low, high) in methods.items():
        errors = {True: [0.0], False: [0.0]}
        for rate, difference in product(COUNTED_RATES, COUNTED_DIFFERENCES):
            if 0 < rate + difference < 1:
                chances = np.outer(
                    binom.pmf(np.arange(n + 1), n, rate + difference), binom.pmf(np.arange(rest + 1), rest, rate)
                )
                missed = (low > difference + TINY) | (high < difference - TINY)
                errors[difference == 0].append(family * float(chances[missed].sum()))
        wanted = AT_LEAST_95 if name == "shipped" else None
        figures.append(right(key, f"{name}, equal rates", settings, 1 - max(errors[True]), wanted=wanted))
        figures.append(right(key, f"{name}, any rates", settings, 1 - max(errors[False])))
    return figures


def shipped_bounds(n: int, rest: int, error: float) -> tuple[np.ndarray, np.ndarray]:
    """Lower and upper bound for each number of successes in the slice (row) and in the rest (column)."""
    inside, groups = np.arange(n + rest) < n, Groups.of(n + rest)
    low, high = np.empty((n + 1, rest + 1)), np.empty((n + 1, rest + 1))
    for x, y in np.ndindex(low.shape):
        values = np.r_[np.arange(n) < x, np.arange(rest) < y].astype(float)
        bounds = difference_bounds_of_slice(values, groups, inside)
        low[x, y], high[x, y] = bounds.lower(error), bounds.upper(error)
    return low, high


def _mover(
    x: np.ndarray,
    n: int,
    y: np.ndarray,
    rest: int,
    interval: Callable[[np.ndarray, int], tuple[np.ndarray, np.ndarray]],
) -> tuple[np.ndarray, np.ndarray]:
    p, q, (low, high), (rest_low, rest_high) = x / n, y / rest, interval(x, n), interval(y, rest)
    return p - q - np.hypot(p - low, rest_high - q), p - q + np.hypot(high - p, q - rest_low)


def _wilson(x: np.ndarray, n: int, *, error: float) -> tuple[np.ndarray, np.ndarray]:
    z, p = float(ndtri(1 - error)), x / n
    center, half = p + z**2 / (2 * n), z * np.sqrt(p * (1 - p) / n + z**2 / (4 * n**2))
    return (center - half) / (1 + z**2 / n), (center + half) / (1 + z**2 / n)


def _agresti_caffo(x: np.ndarray, n: int, y: np.ndarray, rest: int, error: float) -> tuple[np.ndarray, np.ndarray]:
    p, q = (x + 1) / (n + 2), (y + 1) / (rest + 2)
    half = float(ndtri(1 - error)) * np.sqrt(p * (1 - p) / (n + 2) + q * (1 - q) / (rest + 2))
    return p - q - half, p - q + half


def pairs(key: str, rates: Sequence[float], n: int, size: int, samples: int) -> list[Figure]:
    """Wrong claims and simultaneous coverage over all pairs of the variants."""
    random, counts = generator(key), np.zeros(4)
    clusters = np.arange(n) // size
    names = clusters.tolist() if size > 1 else None
    for _ in range(samples):
        found = compare_pairs(VariantOutcomes(values=outcomes(random, rates, clusters)[:, :, None], clusters=names))
        truth = [rates[one.first] - rates[one.second] for one in found]
        counts += _pairs_right(found, truth)
    return _figures(key, {"variants": len(rates), "n": n, "cluster": size}, counts / max(samples, 1), samples)


def outcomes(random: np.random.Generator, rates: Sequence[float], clusters: np.ndarray) -> np.ndarray:
    """Records x variants: right if a normal variable, shared in part, is below the quantile of the variant's rate."""
    n, groups, variants = len(clusters), int(clusters.max()) + 1, len(rates)
    shared = random.normal(0, np.sqrt(IN_CLUSTER), (groups, 1)) + random.normal(
        0, np.sqrt(OF_VARIANT), (groups, variants)
    )
    own = random.normal(0, np.sqrt(OF_RECORD), (n, 1))
    rest = random.normal(0, np.sqrt(1 - IN_CLUSTER - OF_VARIANT - OF_RECORD), (n, variants))
    return (shared[clusters] + own + rest < ndtri(np.asarray(rates))).astype(float)


def _pairs_right(found: Sequence[VariantPair], truth: Sequence[float]) -> np.ndarray:
    """Whether no claim is wrong and whether all intervals hold; then the same for each pair by itself."""
    claims = all(
        not one.is_decisive or one.comparison.difference * true > 0 for one, true in zip(found, truth, strict=True)
    )
    held = all(one.test.low <= true <= one.test.high for one, true in zip(found, truth, strict=True))
    alone = [(one.comparison, true) for one, true in zip(found, truth, strict=True)]
    naive_claims = all(one.p_value > ERROR or one.difference * true > 0 for one, true in alone)
    return np.array([claims, held, naive_claims, all(one.low <= true <= one.high for one, true in alone)], dtype=float)


def slices(key: str, n: int, size: int, rate: float, worse: float, samples: int) -> list[Figure]:
    """Wrong claims and simultaneous coverage over slices; every second slice holds whole clusters, the others parts."""
    random, counts = generator(key), np.zeros(4)
    records = np.arange(n)
    clusters = records // size
    for _ in range(samples):
        members = dict(_members(random, clusters))
        chances = np.where(members["k=0"], rate - worse, rate)
        shared = random.normal(0, np.sqrt(IN_CLUSTER), n // size)[clusters] if size > 1 else 0.0
        own = random.normal(0, np.sqrt(1 - IN_CLUSTER if size > 1 else 1.0), n)
        values = (ndtr(shared + own) < chances).astype(float)
        found = slice_differences(values, Groups.numbered(clusters, records=records), records=records, slices=members)
        tested = [one for one in found if one.test is not None]
        truth = [float(chances[members[one.slice]].mean() - chances[~members[one.slice]].mean()) for one in tested]
        counts += _slices_right(tested, truth)
    settings = {"slices": len(SLICES), "n": n, "cluster": size, "rate": rate, "worse": worse}
    return _figures(key, settings, counts / max(samples, 1), samples)


def _members(random: np.random.Generator, clusters: np.ndarray) -> Iterator[tuple[str, np.ndarray]]:
    for place, share in enumerate(SLICES):
        whole = random.random(int(clusters.max()) + 1)[clusters] if place % 2 else random.random(len(clusters))
        yield f"k={place}", whole < share


def _slices_right(found: Sequence[SliceDifference], truth: Sequence[float]) -> np.ndarray:
    """As for pairs."""
    results = [(one, one.test, one.difference or 0.0, true) for one, true in zip(found, truth, strict=True) if one.test]
    claims = all(not one.is_decisive or difference * true > 0 for one, _, difference, true in results)
    held = all(test.low <= true <= test.high for _, test, _, true in results)
    naive_claims = all((one.p_value or 0.0) > ERROR or difference * true > 0 for one, _, difference, true in results)
    naive_held = all((one.low or 0.0) <= true <= (one.high or 0.0) for one, _, _, true in results)
    return np.array([claims, held, naive_claims, naive_held], dtype=float)


def _figures(key: str, settings: dict[str, float | int | str], shares: np.ndarray, samples: int) -> list[Figure]:
    names = ("no wrong claim", "all intervals hold", "naive: no wrong claim", "naive: all intervals hold")
    wanted = (AT_LEAST_95, AT_LEAST_95, None, None)
    return [
        right(key, name, settings, float(share), samples=samples, wanted=target)
        for name, share, target in zip(names, shares, wanted, strict=True)
    ]
