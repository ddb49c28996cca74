"""Means of skewed amounts (costs, durations), and the cost of a correct answer.

Nothing is promised of very skewed amounts in small samples, where no method holds; the band is wanted from 50 rows on, and
from 200 where the skewness is above 3. Naive for the ratio: the delta method with the normal quantile.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from itertools import product

import numpy as np

from assay.statistics.cost_ratio import ClusterTotals, cost_per_correct, cost_per_correct_of_clusters
from assay.statistics.measured import Status
from assay.statistics.rates import mean
from tests.benchmarks.coverage.cells import CONSERVATIVE, Cell, Figure, Tallies, generator
from tests.benchmarks.coverage.resampling import BCA_ROWS, BCA_SAMPLES, bca, student

ROWS = (20, 50, 200)
BAND = (0.925, 0.97)
Draw = Callable[[np.random.Generator, int], np.ndarray]
AMOUNTS: dict[str, tuple[Draw, float, int]] = {
    "normal": (lambda random, n: random.normal(5, 1, n), 5.0, 50),
    "exponential": (lambda random, n: random.exponential(1, n), 1.0, 50),
    "lognormal 0.5": (lambda random, n: random.lognormal(0, 0.5, n), float(np.exp(0.125)), 50),
    "lognormal 1": (lambda random, n: random.lognormal(0, 1, n), float(np.exp(0.5)), 200),
}
"""How an amount is drawn, its mean, and from how many rows on the band is wanted."""
RATES = (0.2, 0.8, 0.97)
Z = 1.959964
CLUSTERED_RATES = (0.3, 0.8, 0.98)
CLUSTERS = ((200, 1), (20, 10), (50, 10), (200, 10))
"""How many clusters, and their mean number of rows; 1 is independent rows."""
TAILS = (0.5, 1.0)
"""Sigma of the log-normal costs."""
ALIKE = 0.2
"""Correlation of two outcomes of one cluster."""
OF_CLUSTERS = (0.93, 1.0)


def cells(samples: int) -> Iterator[Cell]:
    """One for each amount and number of rows; then one for each rate of correct answers."""
    for name, n in product(AMOUNTS, ROWS):
        key = f"amounts/{name} n={n}"
        yield Cell(key, partial(run, key, name, n, samples))
    for rate, n in product(RATES, ROWS):
        key = f"amounts/cost per correct rate={rate} n={n}"
        yield Cell(key, partial(run_ratio, key, rate, n, samples))
    for rate, (clusters, size), tail in product(CLUSTERED_RATES, CLUSTERS, TAILS):
        key = f"amounts/cost per correct of clusters G={clusters} size={size} rate={rate} sigma={tail}"
        yield Cell(key, partial(run_clusters, key, rate, clusters, size, tail, samples))


def run(key: str, name: str, n: int, samples: int) -> list[Figure]:
    """Figures for a mean."""
    random = generator(key)
    draw, truth, enough = AMOUNTS[name]
    tallies = Tallies(key, {"amount": name, "n": n}, {"shipped": BAND} if n >= enough else {})
    for number in range(samples):
        values = draw(random, n)
        found = mean(values.tolist())
        tallies["shipped"].add(found.low, found.high, truth)
        tallies["t"].add(*student(values), truth)
        if number < BCA_SAMPLES and n <= BCA_ROWS:
            tallies["BCa"].add(*bca(values, random), truth)
    return tallies.figures()


def run_ratio(key: str, rate: float, n: int, samples: int) -> list[Figure]:
    """Figures for the cost of a correct answer; a wrong answer costs half as much again, for its retries."""
    random, little = generator(key), n * min(rate, 1 - rate) < 5
    truth = float(np.exp(0.125)) * (rate + 1.5 * (1 - rate)) / rate
    tallies = Tallies(key, {"rate": rate, "n": n}, {"shipped": CONSERVATIVE if little else BAND})
    for _ in range(samples):
        correct = random.random(n) < rate
        costs = random.lognormal(0, 0.5, n) * np.where(correct, 1.0, 1.5)
        found = cost_per_correct(costs.tolist(), correct.tolist())
        tallies["shipped"].add(found.low, found.high, truth, too_few=found.status is not Status.OK)
        if correct.any():
            ratio = float(costs.sum() / correct.sum())
            half = Z * float((costs - ratio * correct).std() / n**0.5 / correct.mean())
            tallies["naive: delta, normal"].add(ratio - half, ratio + half, truth)
    return tallies.figures()


def run_clusters(key: str, rate: float, clusters: int, size: int, tail: float, samples: int) -> list[Figure]:
    """Figures for the interval from totals by cluster, of uneven sizes, whose costs and outcomes are alike.

    Each cluster has a rate and a price level of its own; a wrong answer costs half as much again.
    """
    random = generator(key)
    truth = float(np.exp(tail**2 / 2)) * (rate + 1.5 * (1 - rate)) / rate
    settings = {"clusters": clusters, "size": size, "rate": rate, "sigma": tail}
    tallies = Tallies(key, settings, {"shipped": OF_CLUSTERS})
    for _ in range(samples):
        sizes = np.ones(clusters, dtype=int) if size == 1 else 1 + random.poisson(size - 1, clusters)
        codes = np.repeat(np.arange(clusters), sizes)
        room = (1 - ALIKE) / ALIKE
        rates = np.full(clusters, rate) if size == 1 else random.beta(rate * room, (1 - rate) * room, clusters)
        level = random.lognormal(0, tail * 0.5**0.5, clusters)[codes]
        correct = random.random(len(codes)) < rates[codes]
        costs = level * random.lognormal(0, tail * 0.5**0.5, len(codes)) * np.where(correct, 1.0, 1.5)
        spent, right = (np.bincount(codes, weights=values) for values in (costs, correct.astype(float)))
        found = cost_per_correct_of_clusters(
            ClusterTotals(
                requests=sizes.astype(float),
                costs_usd=spent,
                costs_upper_usd=spent,
                eligible=sizes.astype(float),
                correct=right,
                unscored=np.zeros(clusters),
                has_clusters=size > 1,
            )
        )
        tallies["shipped"].add(found.low, found.high, truth, too_few=found.status is not Status.OK)
        ratio, n = float(spent.sum() / right.sum()), len(codes)
        half = Z * float((costs - ratio * correct).std() / n**0.5 / correct.mean())
        tallies["naive: delta, independent rows"].add(ratio - half, ratio + half, truth)
    return tallies.figures()
