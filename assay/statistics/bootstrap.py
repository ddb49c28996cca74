"""Bootstrap interval of a mean difference, shown beside the interval that decides."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from assay.statistics.conventions import ERROR
from assay.statistics.sampling import ROUNDING, centered

if TYPE_CHECKING:
    from assay.statistics.sampling import Floats, Groups

DRAWN_AT_ONCE = 4_000_000
"""Number of bootstrap draws that are held in memory at a time: 32 MB."""


def bca_interval(values: Floats, groups: Groups, *, resamples: int, seed: int) -> tuple[float, float] | None:
    """The 95% BCa bootstrap interval of a weighted mean; the groups are resampled.

    None if the groups do not differ, because every resample then has the same mean, and if the interval has no width.
    Efron, J. Am. Stat. Assoc. 82 (1987) 171. The draws equal those of `scipy.stats.bootstrap` with the same generator.
    The jackknife takes n² steps there, and n steps here.
    """
    return bca_intervals(values[:, None], groups, resamples=resamples, seed=seed)[0]


def bca_intervals(values: Floats, groups: Groups, *, resamples: int, seed: int) -> list[tuple[float, float] | None]:
    """`bca_interval` of each column of the values; all columns use the same resamples."""
    import numpy as np

    columns = values.T
    varies = [bool(groups.net(centered(column, groups.mean(column))).any()) for column in columns]
    if groups.count < 2 or not any(varies):
        return [None] * len(columns)
    sums = np.stack([groups.total(groups.weights * column) for column in columns], axis=1)
    drawn = np.concatenate(
        [counts @ sums / (counts @ groups.sizes)[:, None] for counts in drawn_counts(groups.count, resamples, seed)]
    )
    means = sums.sum(axis=0) / groups.sizes.sum()
    return [
        _bca(drawn[:, place], float(mean), sums=sums[:, place], sizes=groups.sizes) if varies[place] else None
        for place, mean in enumerate(means)
    ]


def drawn_counts(groups: int, resamples: int, seed: int) -> Iterator[Floats]:
    """How often each resample (row) draws each group (column), in blocks of rows."""
    import numpy as np

    rng, rows = np.random.default_rng(seed), max(1, DRAWN_AT_ONCE // groups)
    for start in range(0, resamples, rows):
        block = min(rows, resamples - start)
        places = rng.integers(0, groups, size=(block, groups)) + np.arange(block)[:, None] * groups
        yield np.bincount(places.ravel(), minlength=block * groups).reshape(block, groups).astype(np.float64)


def _bca(drawn: Floats, mean: float, *, sums: Floats, sizes: Floats) -> tuple[float, float] | None:
    """The interval from the drawn means, the mean, and the total and size of each group."""
    import numpy as np
    from scipy.special import ndtr, ndtri

    means = np.sort(np.where(np.abs(drawn - mean) <= ROUNDING, mean, drawn))
    below = (np.searchsorted(means, mean, "left") + np.searchsorted(means, mean, "right")) / (2 * len(means))
    left_out = (sums.sum() - sums) / (sizes.sum() - sizes)
    moved = left_out.mean() - left_out
    acceleration = (moved**3).sum() / (6 * (moved**2).sum() ** 1.5)
    bias = ndtri(np.clip(below, 0.5 / len(means), 1 - 0.5 / len(means)))
    shifted = bias + ndtri(np.array([ERROR / 2, 1 - ERROR / 2]))
    low, high = np.quantile(means, ndtr(bias + shifted / (1 - acceleration * shifted)))
    return (float(low), float(high)) if high - low > ROUNDING else None
