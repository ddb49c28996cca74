"""Precision, recall and F1 of labels: per class, macro and weighted, with intervals; confusion matrix.

A row without a label (None: a failed or refused prediction) is a miss of its class and a hit of none. Each metric is a
ratio of means, whose interval comes from its influence values at the effective n (`rates.score_at_effective_n`), so that
epochs, clusters and weights count. tests/statistics/test_classification.py compares them with published results.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from assay.statistics.conventions import LEVEL
from assay.statistics.measured import Measured, unmeasured
from assay.statistics.rates import domain_rate, score_at_effective_n, scored_rate
from assay.statistics.sampling import INDEPENDENT, Groups, Sampling

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from assay.statistics.sampling import Floats


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
    groups, size = Groups.of(len(truth), sampling), len(known) + 1
    counts = np.bincount(truth * size + given, minlength=len(known) * size).reshape(len(known), size)
    parts = [_Class.of(groups, truth == number, given == number, undefined=undefined) for number in range(len(known))]
    return Classification(
        labels=known,
        counts=tuple(tuple(int(count) for count in row) for row in counts),
        accuracy=scored_rate((truth == given).astype(np.float64), groups, level=level),
        classes=tuple(_metrics(part, label, groups, level=level) for part, label in zip(parts, known, strict=True)),
        macro=_averages(parts, groups, weighted=False, level=level),
        weighted=_averages(parts, groups, weighted=True, level=level),
    )


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


def _averages(parts: Sequence[_Class], groups: Groups, *, weighted: bool, level: float) -> AverageMetrics:
    def average(name: str) -> Measured:
        values = [getattr(part, name) for part in parts]
        value, influence = 0.0, values[0][1] * 0
        for part, (own, moved) in zip(parts, values, strict=True):
            weight = part.share if weighted else 1 / len(parts)
            value += weight * own
            influence = influence + weight * moved + ((part.truth - part.share) * own if weighted else 0.0)
        value = min(1.0, max(0.0, value))
        return score_at_effective_n(value, groups, influence=influence, level=level)

    return AverageMetrics(precision=average("precision"), recall=average("recall"), f1=average("f1"))
