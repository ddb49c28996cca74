"""Means over records: yes/no answers asked several times each, and scores between 0 and 1.

Naive: all epochs pooled as if independent (Wilson). Beside it the two methods of DESIGN §7, over record means.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from itertools import product

import numpy as np

from assay.statistics.conventions import FEWEST_OUTCOMES, LEVEL
from assay.statistics.measured import Status, wilson_bounds
from assay.statistics.rates import scored_rate
from assay.statistics.sampling import Groups
from tests.benchmarks.coverage.cells import BAND, CONSERVATIVE, Cell, Figure, Tallies, generator
from tests.benchmarks.coverage.resampling import BCA_ROWS, BCA_SAMPLES, bca, student

RECORDS = (30, 100, 500)
EPOCHS = (3, 5)
RATES = (0.5, 0.8, 0.95)
ALIKE = (0.3, 0.8)
"""Correlation of the epochs of a record: at 0.8 most records always pass or always fail."""
FULL = (0.0, 0.7)
"""Share of records whose score is 1 exactly; the others' scores are Beta(4, 2)."""


def cells(samples: int) -> Iterator[Cell]:
    """One for each number of records and epochs, rate and correlation; then one for each kind of score."""
    for records, epochs, rate, alike in product(RECORDS, EPOCHS, RATES, ALIKE):
        key = f"epochs/records={records} epochs={epochs} rate={rate} icc={alike}"
        yield Cell(
            key, partial(run, key, Case(records=records, epochs=epochs, rate=rate, alike=alike), samples=samples)
        )
    for records, full in product(RECORDS, FULL):
        key = f"epochs/records={records} score, full={full}"
        yield Cell(key, partial(run_scores, key, records=records, full=full, samples=samples))


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """How many records, epochs of each, and how alike those are."""

    records: int
    epochs: int
    rate: float
    alike: float


def run(key: str, case: Case, *, samples: int) -> list[Figure]:
    """Figures for answers that pass or fail."""
    records, epochs, rate, alike = case.records, case.epochs, case.rate, case.alike
    random, codes = generator(key), np.repeat(np.arange(records), epochs)
    groups = Groups(codes, np.ones(len(codes)), records, False, False)
    expected = records * epochs / (1 + (epochs - 1) * alike) * min(rate, 1 - rate)
    settings = {"records": records, "epochs": epochs, "rate": rate, "icc": alike, "expected": round(expected, 1)}
    tallies = Tallies(key, settings, {"shipped": CONSERVATIVE if expected < FEWEST_OUTCOMES else BAND})
    room = (1 - alike) / alike
    for number in range(samples):
        own = random.beta(rate * room, (1 - rate) * room, records)
        values = (random.random(len(codes)) < own[codes]).astype(np.float64)
        _shipped(tallies, values, groups, rate)
        pooled = wilson_bounds(float(values.mean()), len(values), error=(1 - LEVEL) / 2)
        tallies["naive: pooled wilson"].add(*pooled, rate)
        _designed(tallies, groups.total(values) / epochs, truth=rate, random=random if number < BCA_SAMPLES else None)
    return tallies.figures()


def run_scores(key: str, *, records: int, full: float, samples: int) -> list[Figure]:
    """Figures for scores between 0 and 1, asked once."""
    random, truth = generator(key), full + (1 - full) * 4 / 6
    groups = Groups(np.arange(records), np.ones(records), records, False, False)
    tallies = Tallies(key, {"records": records, "full": full}, {"shipped": BAND})
    for number in range(samples):
        values = np.where(random.random(records) < full, 1.0, random.beta(4, 2, records))
        _shipped(tallies, values, groups, truth)
        _designed(tallies, values, truth=truth, random=random if number < BCA_SAMPLES else None)
    return tallies.figures()


def _shipped(tallies: Tallies, values: np.ndarray, groups: Groups, truth: float) -> None:
    found = scored_rate(values, groups, level=LEVEL)
    tallies["shipped"].add(found.low, found.high, truth, too_few=found.status is Status.TOO_FEW)


def _designed(tallies: Tallies, means: np.ndarray, *, truth: float, random: np.random.Generator | None) -> None:
    tallies["t over records"].add(*student(means), truth)
    if random is not None and len(means) <= BCA_ROWS:
        tallies["BCa over records"].add(*bca(means, random), truth)
