"""Precision, recall and F1 of labels: per class, macro and weighted, with intervals; confusion matrix.

A row without a label (None: a failed or refused prediction) is a miss of its class and a hit of none. Precision and
recall are rates of the rows in their denominators. F1 and the averages are ratios of means, whose interval comes from
their influence values at the effective n (`rates.score_at_effective_n`), so that epochs, clusters and weights count: the
delta method of Takahashi et al. (Applied Intelligence 52 (2022) 4961) with the interval of a rate in place of the normal
one. tests/statistics/test_classification.py compares them with published results.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from assay.statistics.conventions import ERROR, GATE_LEVEL, LEVEL
from assay.statistics.measured import Measured, unmeasured
from assay.statistics.one_sided import OneSidedBounds, SpanningBounds
from assay.statistics.rate_bounds import EffectiveBounds, bounds_of, error_at_zero
from assay.statistics.rates import GateRate, domain_rate, score_at_effective_n, scored_rate, spanning
from assay.statistics.sampling import INDEPENDENT, ROUNDING, Groups, Sampling, spread_of

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from assay.statistics.sampling import Codes, Floats


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassMetrics:
    """Metrics of one label; `support` is the number of rows that should have it, `predicted` of those that have it."""

    label: str
    support: int
    predicted: int
    precision: Measured
    recall: Measured
    f1: Measured


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Classification:
    """Metrics of a set of labels; `counts[i][j]` is the number of rows of label i that were given label j.

    The last column of `counts` is for rows without a label.
    """

    labels: tuple[str, ...]
    counts: tuple[tuple[int, ...], ...]
    accuracy: Measured
    classes: tuple[ClassMetrics, ...]
    macro: AverageMetrics
    weighted: AverageMetrics


def classification(
    expected: Sequence[str],
    got: Sequence[str | None],
    sampling: Sampling = INDEPENDENT,
    *,
    labels: Sequence[str] | None = None,
    undefined: float = 0.0,
    level: float = LEVEL,
) -> Classification:
    """The metrics of one or more rows; `labels` defaults to the labels that occur, sorted.

    Classes that are only predicted, never expected, have a row of zeros in `counts`, and count in the macro average, as
    in scikit-learn. `undefined` is what a class without a prediction (or without a row) contributes to the averages as
    its precision (or recall): 0 or 1, scikit-learn's `zero_division`, whose default is 0.

    Raises:
        ValueError: there is no row, the lengths differ, a label is not in `labels`, or a field of `sampling` is invalid.
    """
    import numpy as np

    if len(expected) != len(got) or not expected:
        raise ValueError(
            f"expected one or more labels, and one prediction for each; found {len(expected)} and {len(got)}"
        )
    known = (
        tuple(labels)
        if labels is not None
        else tuple(sorted({*expected, *(label for label in got if label is not None)}))
    )
    place: dict[Hashable, int] = {label: number for number, label in enumerate(known)}
    if unknown := {*expected, *(label for label in got if label is not None)} - place.keys():
        raise ValueError(f"labels: expected one of {', '.join(known)}; found {sorted(unknown)[0]!r}")
    truth = np.array([place[label] for label in expected], dtype=np.intp)
    given = np.array([len(known) if label is None else place[label] for label in got], dtype=np.intp)
    return coded_classification(
        truth, given, Groups.of(len(truth), sampling), labels=known, undefined=undefined, level=level
    )


def coded_classification(
    truth: Codes,
    given: Codes,
    groups: Groups,
    *,
    labels: Sequence[str],
    undefined: float = 0.0,
    level: float = LEVEL,
) -> Classification:
    """`classification` of rows whose labels are places in `labels`; a place after the last one is no label."""
    import numpy as np

    known, size = tuple(labels), len(labels) + 1
    counts = np.bincount(truth * size + given, minlength=len(known) * size).reshape(len(known), size)
    classes: list[ClassMetrics] = []
    sums = {average: _Sum.empty(len(truth), weighted=average[1]) for average in AVERAGES}
    for number, label in enumerate(known):
        part = _Class.of(groups, truth == number, given == number, undefined=undefined)
        classes.append(_metrics(part, label, groups, level=level))
        for (metric, _), total in sums.items():
            total.add(part, metric, classes[-1], count=len(known))
    found = {average: total.measured(groups, level=level) for average, total in sums.items()}
    return Classification(
        labels=known,
        counts=tuple(tuple(int(count) for count in row) for row in counts),
        accuracy=scored_rate((truth == given).astype(np.float64), groups, level=level),
        classes=tuple(classes),
        macro=AverageMetrics(**{metric: found[metric, False] for metric in METRICS}),
        weighted=AverageMetrics(**{metric: found[metric, True] for metric in METRICS}),
    )


METRICS = ("precision", "recall", "f1")
AVERAGES = tuple((metric, weighted) for metric in METRICS for weighted in (False, True))
"""Metric, and whether classes count in proportion to their support."""


@dataclass(slots=True)
class _Sum:
    """An average over classes, to which one class after the other is added."""

    weighted: bool
    influence: Floats
    value: float = 0.0
    below: float = 0.0
    above: float = 0.0
    """Sums of the squared distances of the value of each class from its bounds."""

    @classmethod
    def empty(cls, n: int, *, weighted: bool) -> _Sum:
        """The average of no class, of n rows."""
        import numpy as np

        return cls(weighted, np.zeros(n))

    def add(self, part: _Class, metric: str, own: ClassMetrics, *, count: int) -> None:
        """Adds a class out of `count`; a class whose metric is undefined may have any value."""
        value, influence = getattr(part, metric)
        weight = part.share if self.weighted else 1 / count
        self.value += weight * value
        self.influence += weight * influence
        if self.weighted:
            self.influence += (part.truth - part.share) * value
        measured: Measured = getattr(own, metric)
        low, high = (0.0, 1.0) if measured.low is None or measured.high is None else (measured.low, measured.high)
        self.below += (weight * (value - low)) ** 2
        self.above += (weight * (high - value)) ** 2

    def measured(self, groups: Groups, *, level: float) -> Measured:
        """The average with its interval."""
        value = min(1.0, max(0.0, self.value))
        found = score_at_effective_n(value, groups, influence=self.influence, level=level)
        assert found.low is not None and found.high is not None  # a share always has bounds
        low, high = (max(0.0, value - math.sqrt(self.below)), min(1.0, value + math.sqrt(self.above)))
        is_wider = low < found.low or high > found.high
        method = f"{found.method}+mover" if is_wider else found.method
        return replace(found, low=min(low, found.low), high=max(high, found.high), method=method)


@dataclass(frozen=True, slots=True)
class _Class:
    """One class: which rows should have it and which have it, and its metrics with their influence values."""

    truth: Floats
    given: Floats
    share: float
    """Share of the rows that should have the label."""
    precision: tuple[float, Floats]
    recall: tuple[float, Floats]
    f1: tuple[float, Floats]

    @classmethod
    def of(cls, groups: Groups, truth: NDArray[np.bool_], given: NDArray[np.bool_], *, undefined: float) -> _Class:
        """The class whose rows are `truth` and whose predictions are `given`."""
        import numpy as np

        one, other = truth.astype(np.float64), given.astype(np.float64)
        hits = one * other
        return cls(
            one,
            other,
            groups.mean(one),
            precision=_ratio(groups, hits, other, undefined=undefined),
            recall=_ratio(groups, hits, one, undefined=undefined),
            f1=_ratio(groups, 2 * hits, one + other, undefined=undefined),
        )


def _ratio(groups: Groups, top: Floats, bottom: Floats, *, undefined: float) -> tuple[float, Floats]:
    """Ratio of two means, with the influence of each row on it; `undefined` without influence if the divisor is 0."""
    import numpy as np

    divisor = groups.mean(bottom)
    if divisor == 0:
        return undefined, np.zeros(len(top))
    value = groups.mean(top) / divisor
    return value, (top - value * bottom) / divisor


def _metrics(part: _Class, label: str, groups: Groups, *, level: float) -> ClassMetrics:
    truth, given = part.truth == 1, part.given == 1
    return ClassMetrics(
        label=label,
        support=int(part.truth.sum()),
        predicted=int(part.given.sum()),
        precision=domain_rate(truth, given, groups, level=level, none="no prediction of this class"),
        recall=domain_rate(given, truth, groups, level=level, none="no row of this class"),
        f1=_f1(part, groups, level=level),
    )


def _f1(part: _Class, groups: Groups, *, level: float) -> Measured:
    """F1 over the rows of the class and its predictions: the other rows have no influence."""
    rows = part.truth + part.given > 0
    if not rows.any():
        return unmeasured("no row and no prediction of this class", level=level)
    own = groups.only(rows)
    value, influence = _ratio(
        own, 2 * part.truth[rows] * part.given[rows], part.truth[rows] + part.given[rows], undefined=0.0
    )
    return score_at_effective_n(value, own, influence=influence, level=level)


def gate_class_metric(
    expected: Sequence[str | None], got: Sequence[str | None], sampling: Sampling, *, metric: str, label: str
) -> GateRate:
    """Precision, recall or F1 of a class for a gate rule: low and high are one-sided bounds (`rates.gate_rate`).

    Precision and recall have the bounds of a rate of the rows in their denominators, F1 those of a share with the
    variance of its influence values. As in a rate, a row whose expected class is unknown (None) counts as wrong in the
    value: it has this class unless it was given it. The bounds extend to the case that all of these rows are right.

    Raises:
        ValueError: the metric is none of the three, or a field of `sampling` is invalid.
    """
    import numpy as np

    truth, given = (np.array([one == label for one in labels], dtype=bool) for labels in (expected, got))
    unknown = np.array([one is None for one in expected], dtype=bool)
    groups = Groups.of(len(truth), sampling)
    worst, best = (
        _gate_metric(np.where(unknown, case, truth), given, groups, metric=metric, label=label)
        for case in (~given, given)
    )
    if not unknown.any():
        return worst
    missing = f"{int(unknown.sum())} of {len(truth)} predictions without an expected class"
    if worst.bounds is None or best.bounds is None:
        none = worst.measured.reason if worst.bounds is None else best.measured.reason
        return GateRate(unmeasured(f"{missing}: possibly {none}", level=GATE_LEVEL, n=len(truth)), None)
    bounds = SpanningBounds(worst.bounds, best.bounds)
    spanned = spanning(worst.measured, best.measured, unscored=0)
    reason = f"{missing}: the value counts them as wrong, the bounds as wrong and as right"
    return GateRate(replace(spanned, low=bounds.lower(ERROR), high=bounds.upper(ERROR), reason=reason), bounds)


def _gate_metric(
    truth: NDArray[np.bool_], given: NDArray[np.bool_], groups: Groups, *, metric: str, label: str
) -> GateRate:
    part = _Class.of(groups, truth, given, undefined=0.0)
    measured: Measured = getattr(_metrics(part, label, groups, level=GATE_LEVEL), metric)
    return _for_gate(measured, _class_bounds(part, metric, groups))


def gate_average_metric(
    expected: Sequence[str], got: Sequence[str | None], sampling: Sampling, *, metric: str, weighted: bool
) -> GateRate:
    """The average of a metric over the classes for a gate rule: the wider one of two one-sided bounds.

    One has the variance of the influence values of the average, the other combines the bounds of the classes (MOVER).

    Raises:
        ValueError: a field of `sampling` is invalid.
    """
    import numpy as np

    if not expected:
        return GateRate(unmeasured("no prediction", level=GATE_LEVEL), None)
    groups = Groups.of(len(expected), sampling)
    labels = sorted({*expected, *(label for label in got if label is not None)})
    total, parts = _Sum.empty(groups.n, weighted=weighted), []
    for label in labels:
        truth, given = (np.array([one == label for one in found], dtype=bool) for found in (expected, got))
        part = _Class.of(groups, truth, given, undefined=0.0)
        total.add(part, metric, _metrics(part, label, groups, level=GATE_LEVEL), count=len(labels))
        weight = part.share if weighted else 1 / len(labels)
        parts.append((weight, getattr(part, metric)[0], _class_bounds(part, metric, groups)))
    measured = total.measured(groups, level=GATE_LEVEL)
    whole = _effective_bounds(measured.value or 0.0, groups, total.influence)
    return _for_gate(measured, AverageBounds(value=measured.value or 0.0, whole=whole, classes=tuple(parts)))


@dataclass(frozen=True, slots=True, kw_only=True)
class AverageBounds:
    """Bounds of an average over classes; `classes` holds weight, value and bounds of each, None if undefined."""

    value: float
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
        return min(1.0, max(self.whole.upper(error), self.value + math.hypot(*distances)))

    def p_above(self, threshold: float) -> float:
        """The p-value of the null hypothesis that the average is at most `threshold`; 1 instead of values above 1/3."""
        return error_at_zero(lambda error: self.lower(error) - threshold)

    def p_below(self, threshold: float) -> float:
        """The p-value of the null hypothesis that the average is at least `threshold`; 1 instead of values above 1/3."""
        return error_at_zero(lambda error: threshold - self.upper(error))


def _class_bounds(part: _Class, metric: str, groups: Groups) -> OneSidedBounds | None:
    """The bounds of the metric of a class; None if it is undefined."""
    truth, given = part.truth == 1, part.given == 1
    domain = {"precision": given, "recall": truth, "f1": truth | given}[metric]
    if not domain.any():
        return None
    own = groups.only(domain)
    if metric != "f1":
        return bounds_of((part.truth * part.given)[domain], own)
    value, influence = _ratio(
        own, 2 * (part.truth * part.given)[domain], (part.truth + part.given)[domain], undefined=0
    )
    return _effective_bounds(value, own, influence)


def _effective_bounds(value: float, groups: Groups, influence: Floats) -> EffectiveBounds:
    """The bounds of a share with the variance of its influence values."""
    import numpy as np

    spread = spread_of(groups, np.where(np.abs(influence) < ROUNDING, 0.0, influence))
    return EffectiveBounds(value=value, spread=spread, n=groups.n, equal_groups=groups.equal_groups)


def _for_gate(measured: Measured, bounds: OneSidedBounds | None) -> GateRate:
    if bounds is None:
        return GateRate(measured, None)
    low, high = bounds.lower(ERROR), bounds.upper(ERROR)
    return GateRate(replace(measured, low=low, high=high, method=f"{measured.method}+one_sided"), bounds)
