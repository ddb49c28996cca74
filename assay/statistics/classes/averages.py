"""Averages of a metric over classes: each class alike (macro) or by support (weighted), with intervals and bounds."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from assay.statistics.classes.metrics import (
    ClassRows,
    class_bounds,
    class_metric,
    effective_bounds,
    for_gate,
)
from assay.statistics.conventions import FEWEST_OF_CLASS, GATE_LEVEL, MOST_OF_RARE_CLASSES
from assay.statistics.measured import Measured, Status, joined, unmeasured
from assay.statistics.one_sided import OneSidedBounds
from assay.statistics.rate_bounds import error_at_zero
from assay.statistics.rates import GateRate, score_at_effective_n
from assay.statistics.sampling import Groups, Sampling

if TYPE_CHECKING:
    from assay.statistics.sampling import Floats


METRICS = ("precision", "recall", "f1")
MOST_NAMED = 5
"""Number of classes that a reason names."""
AVERAGES = tuple((metric, weighted) for metric in METRICS for weighted in (False, True))
"""Metric, and whether classes count in proportion to their support."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AverageMetrics:
    """Averages over the classes: each class alike (macro), or in proportion to its support (weighted).

    The interval is the wider one of two: from the influence values, and from the intervals of the classes (MOVER: Zou &
    Donner, Statistics in Medicine 27 (2008) 1693), because a class with few rows may show no error by chance.

    A class without a prediction has precision and F1 of 0, unless `undefined` is 1.
    """

    precision: Measured
    recall: Measured
    f1: Measured


@dataclass(slots=True)
class ClassSum:
    """An average over classes, to which one class after the other is added."""

    weighted: bool
    influence: Floats
    value: float = 0.0
    below: float = 0.0
    above: float = 0.0
    """Sums of the squared distances of the value of each class from its bounds."""
    bias: float = 0.0
    rare: dict[str, int] = field(default_factory=dict)
    """Number of records of each class that has fewer than `FEWEST_OF_CLASS`."""
    rare_share: float = 0.0
    """Share of the rows that should have a label of `rare`."""

    @classmethod
    def empty(cls, n: int, *, weighted: bool) -> ClassSum:
        """The average of no class, of n rows."""
        import numpy as np

        return cls(weighted, np.zeros(n))

    def add(self, part: ClassRows, metric: str, own: tuple[str, Measured], *, count: int, groups: Groups) -> None:
        """Adds a class out of `count`, whose label and estimate are `own`; one that is undefined may have any value."""
        label, measured = own
        value, influence = getattr(part, metric)
        weight = part.share if self.weighted else 1 / count
        self.value += weight * value
        self.influence += weight * influence
        self.bias += weight * part.bias(metric, groups)
        if part.records < FEWEST_OF_CLASS:
            self.rare[label] = part.records
            self.rare_share += part.share
        if self.weighted:
            self.influence += (part.truth - part.share) * value
        low, high = (0.0, 1.0) if measured.low is None or measured.high is None else (measured.low, measured.high)
        self.below += (weight * (value - low)) ** 2
        self.above += (weight * (high - value)) ** 2

    def measured(self, metric: str, groups: Groups, *, level: float) -> Measured:
        """The average with its interval, whose upper bound is higher by the bias of F1; too_few if classes have few records."""
        value = min(1.0, max(0.0, self.value))
        found = score_at_effective_n(value, groups, influence=self.influence, level=level)
        assert found.low is not None and found.high is not None  # a share always has bounds
        low, high = (max(0.0, value - math.sqrt(self.below)), min(1.0, value + math.sqrt(self.above)))
        is_wider = low < found.low or high > found.high
        method = f"{found.method}+mover" if is_wider else found.method
        high = min(1.0, max(high, found.high) - self.bias)
        status, few = found.status, self.few_rows(metric)
        if few is not None and status is not Status.INCONCLUSIVE:
            status = Status.TOO_FEW
        return replace(
            found, low=min(low, found.low), high=high, method=method, status=status, reason=joined(few, found.reason)
        )

    def few_rows(self, metric: str) -> str | None:
        """The reason why the average has no sound bounds if classes have few records; None if they have enough.

        In an average weighted by support, they may have `MOST_OF_RARE_CLASSES` of the rows. The weighted recall is the
        accuracy, which needs no class to have enough.
        """
        if not self.rare or (self.weighted and (metric == "recall" or self.rare_share <= MOST_OF_RARE_CLASSES)):
            return None
        named = ", ".join(f"{label} ({count})" for label, count in list(self.rare.items())[:MOST_NAMED])
        more = f" and {len(self.rare) - MOST_NAMED} more" if len(self.rare) > MOST_NAMED else ""
        return f"fewer than {FEWEST_OF_CLASS} records should have the class {named}{more}"


def gate_average_metric(
    expected: Sequence[str], got: Sequence[str | None], sampling: Sampling, *, metric: str, weighted: bool
) -> GateRate:
    """The average of a metric over the classes for a gate rule: the wider one of two one-sided bounds.

    One has the variance of the influence values of the average, the other combines the bounds of the classes (MOVER).
    The status is inconclusive if classes have few records: with random supports, the average is then not near its true
    value (docs/reference/coverage.md, "Averages over classes").

    Raises:
        ValueError: a field of `sampling` is invalid.
    """
    import numpy as np

    if not expected:
        return GateRate(unmeasured("no prediction", level=GATE_LEVEL), None)
    groups = Groups.of(len(expected), sampling)
    labels = sorted({*expected, *(label for label in got if label is not None)})
    total, parts = ClassSum.empty(groups.n, weighted=weighted), []
    for label in labels:
        truth, given = (np.array([one == label for one in found], dtype=bool) for found in (expected, got))
        part = ClassRows.of(groups, truth, given, undefined=0.0)
        own = label, class_metric(part, metric, groups, level=GATE_LEVEL)
        total.add(part, metric, own, count=len(labels), groups=groups)
        weight = part.share if weighted else 1 / len(labels)
        parts.append((weight, getattr(part, metric)[0], class_bounds(part, metric, groups)))
    measured = total.measured(metric, groups, level=GATE_LEVEL)
    if total.few_rows(metric) is not None:
        measured = replace(measured, status=Status.INCONCLUSIVE)
    value = measured.value or 0.0
    whole = effective_bounds(value, groups, total.influence)
    return for_gate(measured, AverageBounds(value=value, bias=total.bias, whole=whole, classes=tuple(parts)))


@dataclass(frozen=True, slots=True, kw_only=True)
class AverageBounds:
    """Bounds of an average over classes; `classes` holds weight, value and bounds of each, None if undefined.

    The upper bound is higher by the `bias`, which is at most 0.
    """

    value: float
    bias: float
    whole: OneSidedBounds
    classes: tuple[tuple[float, float, OneSidedBounds | None], ...]

    def lower(self, error: float) -> float:
        """The lower bound at one-sided error rate `error`."""
        distances = [
            weight * (value - (bounds.lower(error) if bounds else 0.0)) for weight, value, bounds in self.classes
        ]
        return max(0.0, min(self.whole.lower(error), self.value - math.hypot(*distances)))

    def upper(self, error: float) -> float:
        """The upper bound at one-sided error rate `error`."""
        distances = [
            weight * ((bounds.upper(error) if bounds else 1.0) - value) for weight, value, bounds in self.classes
        ]
        return min(1.0, max(self.whole.upper(error), self.value + math.hypot(*distances)) - self.bias)

    def p_above(self, threshold: float) -> float:
        """The p-value of the null hypothesis that the average is at most `threshold`; 1 instead of values above 1/3."""
        return error_at_zero(lambda error: self.lower(error) - threshold)

    def p_below(self, threshold: float) -> float:
        """The p-value of the null hypothesis that the average is at least `threshold`; 1 instead of values above 1/3."""
        return error_at_zero(lambda error: threshold - self.upper(error))
