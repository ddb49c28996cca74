"""The rate of a population whose rows fall into groups of known shares, from the labels within each group.

A group is a verdict of the judge, or a stratum of the sample. The rows are themselves a sample of the population, so
its variance is that of a two-phase sample: the variance of the labels within each group, and the variance of the shares
of the groups (Cochran, Sampling Techniques, 3rd ed., Wiley 1977, §12.2). A finite population correction of the first
term would be added to the second one and cancels, so that it appears in neither.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from assay.statistics.conventions import ERROR, FEWEST_DISSENTING, TAIL_ERROR
from assay.statistics.measured import exact_bounds, wilson_bounds

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

Bounds = tuple[float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelGroup:
    """The share of a group among all rows, the pass rate of its labeled rows, and their effective number."""

    share: float
    passes: float
    effective: float

    @classmethod
    def of(cls, share: float, y: Floats, weights: Floats) -> LabelGroup:
        """The group with these labels; without labels, the pass rate is set to one half."""
        if not len(weights):
            return cls(share=share, passes=0.5, effective=0.0)
        return cls(
            share=share,
            passes=float((weights * y).sum() / weights.sum()),
            effective=float(weights.sum() ** 2 / (weights**2).sum()),
        )

    def is_rare(self, scale: float) -> bool:
        """True if the labels hold too few of one outcome for Jeffreys' bounds; False without labels."""
        rarer = min(self.passes, 1 - self.passes) * self.effective / scale
        return self.effective > 0 and rarer < FEWEST_DISSENTING * (1 - 1e-9)

    @property
    def variance(self) -> float:
        """Variance that the labels of the group add to the rate; 0 without labels, which are bounded instead."""
        return self.share**2 * self.passes * (1 - self.passes) / self.effective if self.effective else 0.0

    def bounds(self, *, scale: float) -> Bounds:
        """Jeffreys' or, if one outcome is rare, exact bounds; both are the pass rate itself if no row is labeled."""
        if not self.effective:
            return self.passes, self.passes
        method = exact_bounds if self.is_rare(scale) else jeffreys_bounds
        return method(self.passes, self.effective / scale, error=TAIL_ERROR)


def grouped_value(groups: Sequence[LabelGroup]) -> float:
    """The rate: the pass rates of the groups, weighted by their shares."""
    return sum(group.share * group.passes for group in groups)


def grouped_variance(groups: Sequence[LabelGroup], n: float) -> float:
    """Variance of the rate if rows were independent, from the groups of n rows."""
    value = grouped_value(groups)
    between = sum(group.share * (group.passes - value) ** 2 for group in groups) / n
    return between + sum(group.variance for group in groups)


def grouped_bounds(groups: Sequence[LabelGroup], *, n: float, scale: float) -> Bounds:
    """Bounds of the rate: MOVER, Zou & Donner, Statistics in Medicine 27 (2008) 1693.

    One interval for each group's pass rate, Jeffreys' or, if one outcome is rare, the exact one, and Wilson's for the
    share of each group among the groups that follow it. `scale` divides all counts. A group without labels may have any
    pass rate: its whole share is added, because this is not a random error.
    """
    sides = list(_of_shares(groups, n / scale))
    low, high = [side[0] for side in sides], [side[1] for side in sides]
    for group in groups:
        bounds = group.bounds(scale=scale)
        low.append(group.share * (group.passes - bounds[0]))
        high.append(group.share * (bounds[1] - group.passes))
    unknown = sum(group.share / 2 for group in groups if not group.effective)
    value = grouped_value(groups)
    return value - math.hypot(*low) - unknown, value + math.hypot(*high) + unknown


def are_associated(groups: Sequence[LabelGroup], *, scale: float) -> bool:
    """True if the pass rates of the groups differ: the chi-square test of homogeneity, at `ERROR`."""
    from scipy.special import chdtri

    labeled = [group for group in groups if group.effective]
    n = sum(group.effective for group in labeled)
    if len(labeled) < 2:
        return False
    mean = sum(group.effective * group.passes for group in labeled) / n
    between = sum(group.effective * (group.passes - mean) ** 2 for group in labeled) / scale
    return between > float(chdtri(len(labeled) - 1, ERROR)) * mean * (1 - mean)


def _of_shares(groups: Sequence[LabelGroup], n: float) -> Iterator[Bounds]:
    """For each group, the distances of the rate from its bounds that the uncertainty of the group's share causes."""
    yield 0.0, 0.0
    for place, group in enumerate(groups[:-1]):
        after = groups[place + 1 :]
        rest = sum(other.share for other in after)
        total = group.share + rest
        if total <= 0:
            continue
        mean = grouped_value(after) / rest if rest > 0 else sum(other.passes for other in after) / len(after)
        low, high = wilson_bounds(group.share / total, n * total, error=TAIL_ERROR)
        sides = group.share - total * low, total * high - group.share
        gap = group.passes - mean
        yield (gap * sides[0], gap * sides[1]) if gap >= 0 else (-gap * sides[1], -gap * sides[0])


def jeffreys_bounds(share: float, n: float, *, error: float) -> Bounds:
    """Jeffreys' interval for a share of n; the lower bound is 0 without successes, the upper bound 1 without failures.

    `error` is the approximate error rate on each side. n and the number of successes may be fractional. Brown, Cai &
    DasGupta, Statistical Science 16 (2001) 101.
    """
    from scipy.special import betaincinv

    successes = share * n
    low = float(betaincinv(successes + 0.5, n - successes + 0.5, error)) if successes > 0 else 0.0
    high = float(betaincinv(successes + 0.5, n - successes + 0.5, 1 - error)) if successes < n else 1.0
    return low, high
