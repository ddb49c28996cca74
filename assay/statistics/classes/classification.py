"""Precision, recall and F1 of labels: per class, macro and weighted, with intervals; confusion matrix.

A row without a label (None: a failed or refused prediction) is a miss of its class and a hit of none. Precision and
recall are rates of the rows in their denominators. F1 and the averages are ratios of means, whose interval comes from
their influence values at the effective n (`rates.score_at_effective_n`), so that epochs, clusters and weights count: the
delta method of Takahashi et al. (Applied Intelligence 52 (2022) 4961) with the interval of a rate in place of the normal
one. tests/statistics/test_classification.py compares them with published results.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from assay.statistics.classes.averages import AVERAGES, METRICS, AverageMetrics, ClassSum
from assay.statistics.classes.metrics import ClassMetrics, ClassRows, class_metrics
from assay.statistics.conventions import LEVEL
from assay.statistics.measured import Measured
from assay.statistics.rates import scored_rate
from assay.statistics.sampling import INDEPENDENT, Groups, Sampling

if TYPE_CHECKING:
    from assay.statistics.sampling import Codes


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
    sums = {average: ClassSum.empty(len(truth), weighted=average[1]) for average in AVERAGES}
    for number, label in enumerate(known):
        part = ClassRows.of(groups, truth == number, given == number, undefined=undefined)
        classes.append(class_metrics(part, label, groups, level=level))
        for (metric, _), total in sums.items():
            total.add(part, metric, (label, getattr(classes[-1], metric)), count=len(known), groups=groups)
    found = {average: total.measured(average[0], groups, level=level) for average, total in sums.items()}
    return Classification(
        labels=known,
        counts=tuple(tuple(int(count) for count in row) for row in counts),
        accuracy=scored_rate((truth == given).astype(np.float64), groups, level=level),
        classes=tuple(classes),
        macro=AverageMetrics(**{metric: found[metric, False] for metric in METRICS}),
        weighted=AverageMetrics(**{metric: found[metric, True] for metric in METRICS}),
    )
