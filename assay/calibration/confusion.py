"""Which labels a judge mistakes for which: counts, and for each class its sensitivity, specificity and precision."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from assay.statistics.agreement import codes_of, missing, ordered
from assay.statistics.conventions import LEVEL
from assay.statistics.measured import Measured, unmeasured
from assay.statistics.rates import scored_rate
from assay.statistics.sampling import INDEPENDENT, Groups, Sampling

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Hits = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassRates:
    """How well one class is told from the others."""

    label: Hashable
    support: int
    """Items that are of the class."""
    sensitivity: Measured
    """Of the items of the class, the share judged so; also called recall."""
    specificity: Measured
    """Of the items of other classes, the share not judged so."""
    precision: Measured
    """Of the items judged so, the share that is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Confusion:
    """`counts[i][j]`: items of class i judged to be of class j, unweighted; the rates are weighted."""

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
    """The confusion of the items that have both labels; each class is a domain of the sample, with its own effective n.

    Raises:
        ValueError: sequences of different length, or a label that is not among the categories given.
    """
    import numpy as np

    if len(truth) != len(judged):
        raise ValueError(f"judged: one label an item was expected, {len(truth)} items; found {len(judged)}")
    both = np.array([not (missing(a) or missing(b)) for a, b in zip(truth, judged, strict=True)], dtype=bool)
    groups = Groups.of(len(truth), sampling).only(both)
    is_of, said = ([label for label, keep in zip(labels, both, strict=True) if keep] for labels in (truth, judged))
    known = categories or ordered([*is_of, *said])
    one, other, size = codes_of(is_of, known), codes_of(said, known), len(known)
    counts = np.bincount(one * size + other, minlength=size * size).reshape(size, size)
    classes = [
        ClassRates(
            label=label,
            support=int(counts[place].sum()),
            sensitivity=_share(groups, one == place, hits=other == place, level=level),
            specificity=_share(groups, one != place, hits=other != place, level=level),
            precision=_share(groups, other == place, hits=one == place, level=level),
        )
        for place, label in enumerate(known)
    ]
    return Confusion(
        labels=known,
        counts=tuple(tuple(int(count) for count in row) for row in counts),
        classes=tuple(classes),
    )


def _share(groups: Groups, domain: Hits, *, hits: Hits, level: float) -> Measured:
    import numpy as np

    if not domain.any():
        return unmeasured("no such item", level=level)
    return scored_rate(hits[domain].astype(np.float64), groups.only(domain), level=level)
