"""Two variants on the same records: yes/no pairs (every outcome counted), pairs in clusters, and several epochs.

Naive: the two rates as if they came from different records, clusters or epochs as if they were records of their own, and
the cluster-robust variance CR0 with the normal quantile.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from itertools import product

import numpy as np
from scipy.stats import binom

from assay.statistics.measured import Status
from assay.statistics.paired import Pairs, compare
from assay.statistics.paired_bounds import tango_interval
from assay.statistics.sampling import Groups, Sampling
from tests.benchmarks.coverage.cells import BAND, CONSERVATIVE, Cell, Figure, Tallies, generator

RECORDS = (30, 60, 120, 300, 600)
SHARES = ((0.02, 0.02), (0.05, 0.05), (0.1, 0.1), (0.02, 0.08), (0.15, 0.05), (0.3, 0.1))
"""Of records that the candidate gains and loses."""
AT_LEAST = (0.93, 1.0)
NEGLIGIBLE = 1e-9
BOTH_RIGHT = 0.6
"""Of the records that do not differ: what the rates of the two are matters only to who compares them unpaired."""
CLUSTERS = (5, 10, 20, 50, 200)
CORRELATIONS = (0.0, 0.1, 0.3)
CLUSTER_SHARES = ((0.1, 0.1), (0.15, 0.05))
SIZE = 10
UNEVEN = (2.0, 0.8)
"""Of the log-normal cluster sizes: mean about 10, a few clusters hold half of the rows."""
EPOCHS = 5
Z = 1.959964
LITTLE = {Status.TOO_FEW, Status.INCONCLUSIVE}


def cells(samples: int) -> Iterator[Cell]:
    """Yes/no pairs, clusters, epochs."""
    for n, (gain, loss) in product(RECORDS, SHARES):
        key = f"paired/yes-no n={n} gain={gain} loss={loss}"
        yield Cell(key, partial(yes_no, key, n, gain, loss, samples))
    for clusters, sizes, shares, correlation in product(CLUSTERS, ("even", "uneven"), CLUSTER_SHARES, CORRELATIONS):
        key = f"paired/G={clusters} {sizes} gain={shares[0]} loss={shares[1]} icc={correlation}"
        yield Cell(key, partial(clustered, key, clusters, sizes, shares, correlation, samples))
    for n, hard in product((60, 150, 500), (0.3, 1.0)):
        key = f"paired/{EPOCHS} epochs n={n} hard={hard}"
        yield Cell(key, partial(epochs, key, n, hard, samples))


def yes_no(key: str, n: int, gain: float, loss: float, samples: int) -> list[Figure]:
    """The shipped method over every outcome; the naive one simulated."""
    settings = {"n": n, "gain": gain, "loss": loss}
    tallies, naive = Tallies(key, settings, {"shipped": AT_LEAST}), Tallies(key, settings, {})
    for gains, losses, share in outcomes(n, gain, loss):
        found = compare(counts(gains, losses, n))
        tallies["shipped"].add(found.low, found.high, gain - loss, too_few=found.status in LITTLE, share=share)
    rest = 1 - gain - loss
    drawn = generator(key).multinomial(n, [gain, loss, rest * BOTH_RIGHT, rest * (1 - BOTH_RIGHT)], size=samples)
    candidate, champion = (drawn[:, 0] + drawn[:, 2]) / n, (drawn[:, 1] + drawn[:, 2]) / n
    half = Z * np.sqrt((candidate * (1 - candidate) + champion * (1 - champion)) / n)
    for centre, reach in zip(candidate - champion, half, strict=True):
        naive["naive: unpaired"].add(centre - reach, centre + reach, gain - loss)
    (shipped,) = tallies.figures()
    return [replace(shipped, samples=0), *naive.figures()]


def outcomes(n: int, gain: float, loss: float) -> Iterator[tuple[int, int, float]]:
    """Gains, losses and their probability, without those that hardly happen."""
    for gains in range(n + 1):
        own = float(binom.pmf(gains, n, gain))
        if own < NEGLIGIBLE:
            continue
        others = own * binom.pmf(np.arange(n - gains + 1), n - gains, loss / (1 - gain))
        for losses in np.flatnonzero(others > NEGLIGIBLE).tolist():
            yield gains, losses, float(others[losses])


def counts(gains: int, losses: int, n: int) -> Pairs:
    """Yes/no pairs with so many of each."""
    champion, candidate = np.zeros(n), np.zeros(n)
    candidate[:gains] = 1
    champion[gains : gains + losses] = 1
    return Pairs(candidate=candidate, champion=champion)


def clustered(
    key: str, clusters: int, sizes: str, shares: tuple[float, float], correlation: float, samples: int
) -> list[Figure]:
    """The shipped method, the pairs pooled, and CR0."""
    random, truth = generator(key), shares[0] - shares[1]
    weight = SIZE if sizes == "even" else float(np.exp(UNEVEN[0] + 1.5 * UNEVEN[1] ** 2))
    expected = clusters * SIZE / (1 + (weight - 1) * correlation) * sum(shares)
    settings = {"clusters": clusters, "sizes": sizes, "icc": correlation, "expected": round(expected, 1)}
    little = clusters * SIZE / weight < 10 or expected < 10
    tallies = Tallies(key, settings, {"shipped": CONSERVATIVE if little else BAND})
    for _ in range(samples):
        values, codes = cluster_differences(random, clusters, sizes, shares, correlation)
        n = len(values)
        found = compare(pairs_of(values, codes))
        tallies["shipped"].add(found.low, found.high, truth, too_few=found.status in LITTLE)
        gains, losses = int((values > 0).sum()), int((values < 0).sum())
        tallies["naive: pooled tango"].add(*tango_interval(gains, losses, n), truth)
        mean, groups = float(values.mean()), Groups.of(n, Sampling(clusters=codes.tolist()))
        half = Z * float(np.sqrt((groups.total(values - mean) ** 2).sum())) / n
        tallies["naive: CR0, normal"].add(mean - half, mean + half, truth)
    return tallies.figures()


def cluster_differences(
    random: np.random.Generator, clusters: int, sizes: str, shares: tuple[float, float], correlation: float
) -> tuple[np.ndarray, np.ndarray]:
    """+1, -1 or 0 for each record, and its cluster; two records of a cluster correlate so (Dirichlet-multinomial)."""
    drawn = np.full(clusters, SIZE)
    if sizes == "uneven":
        drawn = np.maximum(1, random.lognormal(*UNEVEN, clusters).astype(int))
    chances = np.array([*shares, 1 - sum(shares)])
    own = np.tile(chances, (clusters, 1))
    if correlation > 0:
        own = random.dirichlet(chances * (1 - correlation) / correlation, clusters)
    codes = np.repeat(np.arange(clusters), drawn)
    place = random.random(len(codes))
    gained = place < own[codes, 0]
    lost = ~gained & (place < own[codes, 0] + own[codes, 1])
    return gained.astype(np.float64) - lost, codes


def pairs_of(values: np.ndarray, codes: np.ndarray) -> Pairs:
    """Pairs with those differences."""
    sampling = Sampling(clusters=codes.tolist())
    return Pairs(candidate=np.maximum(values, 0.0), champion=np.maximum(-values, 0.0), sampling=sampling)


def epochs(key: str, n: int, hard: float, samples: int) -> list[Figure]:
    """Records of which a share is hard, so that answers to them vary; the others are always right."""
    random = generator(key)
    tallies = Tallies(
        key, {"n": n, "hard": hard, "epochs": EPOCHS}, {"shipped": BAND if n * hard > 30 else CONSERVATIVE}
    )
    for _ in range(samples):
        is_hard = random.random(n) < hard
        candidate, champion = (
            random.binomial(1, np.where(is_hard, random.beta(2, 1, n), 1.0), size=(EPOCHS, n)).T.astype(float)
            for _ in range(2)
        )
        found = compare(Pairs(candidate=candidate, champion=champion))
        tallies["shipped"].add(found.low, found.high, 0.0, too_few=found.status in LITTLE)
        gains, losses = int((candidate > champion).sum()), int((candidate < champion).sum())
        tallies["naive: pooled epochs"].add(*tango_interval(gains, losses, n * EPOCHS), 0.0)
    return tallies.figures()
