"""Confusion matrix of a judge, with sensitivity, specificity and precision of each class."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any

from assay.statistics.agreement import codes_of, missing, ordered
from assay.statistics.conventions import LEVEL
from assay.statistics.measured import Measured
from assay.statistics.rates import domain_rate
from assay.statistics.sampling import INDEPENDENT, Groups, Sampling

NO_ITEM = "no item of this kind"


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassRates:
    """The rates of one class compared with all other classes."""

    label: Hashable
    support: int
    """Number of items of the class."""
    sensitivity: Measured
    """Share of the items of the class that are judged to be of it; also called recall."""
    specificity: Measured
    """Share of the items of other classes that are not judged to be of it."""
    precision: Measured
    """Share of the items judged to be of the class that are of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Confusion:
    """`counts[i][j]` is the unweighted number of items of class i that were judged as class j; rates are weighted."""

    labels: tuple[Any, ...]
    counts: tuple[tuple[int, ...], ...]
    classes: tuple[ClassRates, ...]


def confusion(
    truth: Sequence[Hashable | None],
    judged: Sequence[Hashable | None],
    *,
    categories: tuple[Any, ...] | None = None,
    sampling: Sampling = INDEPENDENT,
    level: float = LEVEL,
) -> Confusion:
    """The confusion matrix of the items with both labels; each class is a domain of the sample with its effective n.

    Raises:
        ValueError: the sequences differ in length, or a label is not among the categories.
    """
    import numpy as np

    if len(truth) != len(judged):
        raise ValueError(f"judged: expected one label per item ({len(truth)}), found {len(judged)}")
    both = np.array([not (missing(a) or missing(b)) for a, b in zip(truth, judged, strict=True)], dtype=bool)
    groups = Groups.of(len(truth), sampling).only(both)
    true_labels, judge_labels = (
        [label for label, keep in zip(labels, both, strict=True) if keep] for labels in (truth, judged)
    )
    known = categories or ordered([*true_labels, *judge_labels])
    one, other, size = codes_of(true_labels, known), codes_of(judge_labels, known), len(known)
    counts = np.bincount(one * size + other, minlength=size * size).reshape(size, size)
    classes = [
        ClassRates(
            label=label,
            support=int(counts[place].sum()),
            sensitivity=domain_rate(other == place, one == place, groups, level=level, none=NO_ITEM),
            specificity=domain_rate(other != place, one != place, groups, level=level, none=NO_ITEM),
            precision=domain_rate(one == place, other == place, groups, level=level, none=NO_ITEM),
        )
        for place, label in enumerate(known)
    ]
    return Confusion(
        labels=known,
        counts=tuple(tuple(int(count) for count in row) for row in counts),
        classes=tuple(classes),
    )
