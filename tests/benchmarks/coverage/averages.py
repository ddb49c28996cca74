"""How often a rule on an average over classes decides wrongly if its limit is the true average of the population.

Independent records, or clusters of five whose records often have the same class; the number of records of a class varies
between samples. Naive: the same bounds without the minimum of records per class and without the bias of F1.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from itertools import product
from typing import Any

import numpy as np

from assay.statistics.classes.averages import AverageBounds, gate_average_metric
from assay.statistics.conventions import ERROR
from assay.statistics.measured import Status
from assay.statistics.sampling import Sampling
from tests.benchmarks.coverage.cells import Cell, Figure, generator
from tests.benchmarks.coverage.gate import right

CLASSES = {
    "4 rare": (0.7, 0.26, 0.03, 0.01),
    "6 rare": (0.6, 0.2, 0.1, 0.06, 0.03, 0.01),
    "10 rare": (0.55, *(0.05,) * 9),
    "20 even": (0.05,) * 20,
}
RECORDS = ((50, False), (100, False), (200, False), (200, True))
"""Number of records, and whether they are in clusters."""
ERRORS = ("alike", "rare worse", "rare better")
METRICS = (("f1", False), ("recall", False), ("precision", False), ("f1", True))
COMMON = 0.15
"""Share of the records from which a class is common."""
SAME = 0.5
"""Share of the records of a cluster that take its class."""
SIZE = 5
SHARE_OF_SAMPLES = 10
AT_MOST_6 = (0.94, 1.0)


@dataclass(frozen=True, slots=True)
class Answers:
    """Expected and answered classes of records; `errors` is which classes the variant gets wrong more often."""

    classes: str
    records: int
    errors: str
    clustered: bool

    @property
    def shares(self) -> np.ndarray:
        """The share of each class among the records."""
        return np.array(CLASSES[self.classes])

    @property
    def confusion(self) -> np.ndarray:
        """The probability of each answer for each class; wrong answers are in proportion to the shares."""
        shares = self.shares
        common, rare = {"alike": (0.85, 0.85), "rare worse": (0.95, 0.7), "rare better": (0.75, 0.97)}[self.errors]
        found = np.tile(shares, (len(shares), 1))
        np.fill_diagonal(found, 0.0)
        accuracy = np.where(shares > COMMON, common, rare)
        found *= ((1 - accuracy) / found.sum(axis=1))[:, None]
        np.fill_diagonal(found, accuracy)
        return found

    def draw(self, random: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The cluster, the expected and the answered class of each record."""
        codes, count = np.arange(self.records), len(self.shares)
        expected = random.choice(count, self.records, p=self.shares)
        if self.clustered:
            codes = codes // SIZE
            of_cluster = random.choice(count, codes[-1] + 1, p=self.shares)[codes]
            expected = np.where(random.random(self.records) < SAME, of_cluster, expected)
        place = random.random(self.records)[:, None]
        answered = (place > self.confusion.cumsum(axis=1)[expected]).sum(axis=1).clip(0, count - 1)
        return codes, expected, answered

    def average(self, metric: str, *, weighted: bool) -> float:
        """The average of the population."""
        joint = self.shares[:, None] * self.confusion
        hits, given = joint.diagonal(), joint.sum(axis=0)
        divisor = {"precision": given, "recall": self.shares, "f1": (self.shares + given) / 2}[metric]
        return float(np.average(hits / divisor, weights=self.shares if weighted else None))


def cells(samples: int) -> Iterator[Cell]:
    """A tenth of the samples for each kind of classes, number of records, errors, clusters, and average."""
    for classes, (records, clustered), errors, average in product(CLASSES, RECORDS, ERRORS, METRICS):
        answers = Answers(classes, records, errors, clustered)
        named = ("weighted " if average[1] else "macro ") + average[0]
        key = f"averages/{named} {classes} n={records} {errors}{' clusters' if clustered else ''}"
        yield Cell(key, partial(simulated, key, answers, average, max(1, samples // SHARE_OF_SAMPLES)))


def simulated(key: str, answers: Answers, average: tuple[str, bool], samples: int) -> list[Figure]:
    """A sample that is inconclusive decides nothing, and is right."""
    random, (metric, weighted) = generator(key), average
    true, wrong, open_ = answers.average(metric, weighted=weighted), np.zeros(4), 0
    for _ in range(samples):
        codes, expected, answered = answers.draw(random)
        sampling = Sampling(clusters=codes.tolist() if answers.clustered else None)
        labels: list[Any] = [[str(one) for one in found] for found in (expected, answered)]
        found = gate_average_metric(*labels, sampling, metric=metric, weighted=weighted)
        assert isinstance(found.bounds, AverageBounds)
        naive = replace(found.bounds, bias=0.0)
        decides = found.measured.status is not Status.INCONCLUSIVE
        shipped = (found.bounds.lower(ERROR) >= true, found.bounds.upper(ERROR) < true)
        open_ += not decides
        wrong += (decides and shipped[0], decides and shipped[1], naive.lower(ERROR) >= true, naive.upper(ERROR) < true)
    settings = {
        "classes": answers.classes, "records": answers.records, "errors": answers.errors, "average": metric,
        "weighted": int(weighted), "clustered": int(answers.clustered), "inconclusive": round(open_ / samples, 3),
    }  # fmt: skip
    names = ("no PASS at the limit", "no FAIL at the limit", "naive: no PASS", "naive: no FAIL")
    return [
        right(key, name, settings, 1 - float(share), samples=samples, wanted=AT_MOST_6 if place < 2 else None)
        for place, (name, share) in enumerate(zip(names, wrong / samples, strict=True))
    ]
