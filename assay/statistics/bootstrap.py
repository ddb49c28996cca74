"""Bootstrap interval of a mean difference, shown beside the interval that decides."""

from __future__ import annotations

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
    import numpy as np
    from scipy.special import ndtr, ndtri

    if groups.count < 2 or not groups.net(centered(values, groups.mean(values))).any():
        return None
    sums, sizes, rng = groups.total(groups.weights * values), groups.sizes, np.random.default_rng(seed)
    rows, drawn = max(1, DRAWN_AT_ONCE // groups.count), []
    for start in range(0, resamples, rows):
        places = rng.integers(0, groups.count, size=(min(rows, resamples - start), groups.count))
        drawn.append(sums[places].sum(axis=1) / sizes[places].sum(axis=1))
    means, mean = np.sort(np.concatenate(drawn)), sums.sum() / sizes.sum()
    below = (np.searchsorted(means, mean, "left") + np.searchsorted(means, mean, "right")) / (2 * resamples)
    left_out = (sums.sum() - sums) / (sizes.sum() - sizes)
    moved = left_out.mean() - left_out
    acceleration = (moved**3).sum() / (6 * (moved**2).sum() ** 1.5)
    bias = ndtri(np.clip(below, 0.5 / resamples, 1 - 0.5 / resamples))
    shifted = bias + ndtri(np.array([ERROR / 2, 1 - ERROR / 2]))
    low, high = np.quantile(means, ndtr(bias + shifted / (1 - acceleration * shifted)))
    return (float(low), float(high)) if high - low > ROUNDING else None
