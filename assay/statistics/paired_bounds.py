"""The formulas behind a paired comparison: tests, intervals and the bounds that they give at any error.

Pure computation; which of them fits which data is decided in `paired.py`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from assay.statistics.conventions import ERROR
from assay.statistics.exact_tests import difference_above_p, difference_bounds, rate_bounds

if TYPE_CHECKING:
    from assay.statistics.sampling import Floats, Groups

NO_SKEWNESS = 1e-9
DRAWN_AT_ONCE = 4_000_000
"""Draws of the bootstrap held in memory at a time: 32 MB."""


class PairedBounds(Protocol):
    """Bounds of a mean difference at any error, and the p-values that belong to them."""

    @property
    def standard_error(self) -> float:
        """Of the difference; never 0."""
        ...

    @property
    def df(self) -> float:
        """Degrees of freedom, infinite where there are none to speak of."""
        ...

    def interval(self) -> tuple[float, float]:
        """The two-sided 95 % interval."""
        ...

    def lower(self, error: float) -> float:
        """The bound below, wrong with that probability."""
        ...

    def upper(self, error: float) -> float:
        """The bound above, wrong with that probability."""
        ...

    def p_above(self, bar: float) -> float:
        """The p-value of "the difference is at most `bar`"; small speaks for more."""
        ...

    def p_below(self, bar: float) -> float:
        """The p-value of "the difference is at least `bar`"; small speaks for less."""
        ...


def mcnemar_p(gains: int, losses: int, *, exact: bool) -> float:
    """The two-sided p-value of "gains are as likely as losses": exact, or its mid-p form, which is less conservative.

    McNemar, Psychometrika 12 (1947) 153; mid-p: Fagerland, Lydersen & Laake, BMC Med. Res. Methodol. 13 (2013) 91.
    """
    from scipy.stats import binom

    differing, fewer = gains + losses, min(gains, losses)
    tail = 2 * float(binom.cdf(fewer, differing, 0.5))
    if exact:
        return min(1.0, tail)
    if gains == losses:
        return 1 - float(binom.pmf(fewer, differing, 0.5))
    return tail - float(binom.pmf(fewer, differing, 0.5))


def tango_interval(gains: int, losses: int, n: int, *, error: float = ERROR) -> tuple[float, float]:
    """The score interval for (gains - losses) / n of n pairs, two-sided, wrong with probability `error` in the limit.

    Tango, Statistics in Medicine 17 (1998) 891.
    """
    from scipy.special import ndtri

    return _within_score(gains, losses, n, z=float(ndtri(1 - error / 2)))


def _within_score(gains: int, losses: int, n: int, *, z: float) -> tuple[float, float]:
    """The differences whose score is between -z and z."""
    from scipy.optimize import brentq

    seen = (gains - losses) / n

    def below(difference: float) -> float:
        return tango_score(gains, losses, n, difference) - z

    def above(difference: float) -> float:
        return tango_score(gains, losses, n, difference) + z

    edge = 1 - 1e-12
    low = -1.0 if seen == -1 else float(brentq(below, -edge, min(seen, edge), xtol=1e-13))
    high = 1.0 if seen == 1 else float(brentq(above, max(seen, -edge), edge, xtol=1e-13))
    return low, high


def tango_score(gains: int, losses: int, n: int, difference: float) -> float:
    """The score statistic of a true difference, with the likeliest share of losses that goes with it; falls as it grows."""
    b = -gains - losses + (2 * n - gains + losses) * difference
    c = -losses * difference * (1 - difference)
    share = (math.sqrt(max(0.0, b * b - 8 * n * c)) - b) / (4 * n)
    variance = n * (2 * share + difference * (1 - difference))
    distance = gains - losses - n * difference
    if variance > 0:
        return distance / math.sqrt(variance)
    return math.copysign(math.inf, distance) if distance else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Discordants:
    """Yes/no pairs by their counts; the difference is (gains - losses) / n."""

    gains: int
    losses: int
    n: int

    @property
    def standard_error(self) -> float:
        """With half a pair added to each cell: Agresti & Min, Statistics in Medicine 24 (2005) 729."""
        n = self.n + 2
        return math.sqrt(self.gains + self.losses + 1 - (self.gains - self.losses) ** 2 / n) / n

    @property
    def df(self) -> float:
        """None to speak of."""
        return math.inf


class ScoreBounds(Discordants):
    """Tango's bounds; one-sided, the score is taken times sqrt(1 - 1/m) with m discordant pairs.

    So a one-sided bound at 5 % is wrong at most about 5 % of the time from m = 10 on, by enumeration from 12 to 3,000 pairs;
    without that factor, a correction of the kind that n / (n - 1) is for a variance, up to 5.3 %.
    """

    @property
    def shrinkage(self) -> float:
        """What a score counts for, one-sided."""
        return math.sqrt(1 - 1 / (self.gains + self.losses))

    def interval(self) -> tuple[float, float]:
        """The two-sided 95 % interval."""
        return tango_interval(self.gains, self.losses, self.n)

    def lower(self, error: float) -> float:
        """The bound below, wrong with that probability."""
        return self._one_sided(error)[0]

    def upper(self, error: float) -> float:
        """The bound above, wrong with that probability."""
        return self._one_sided(error)[1]

    def p_above(self, bar: float) -> float:
        """The p-value of "the difference is at most `bar`"."""
        from scipy.special import ndtr

        return float(ndtr(-self.shrinkage * tango_score(self.gains, self.losses, self.n, bar)))

    def p_below(self, bar: float) -> float:
        """The p-value of "the difference is at least `bar`"."""
        return 1 - self.p_above(bar)

    def _one_sided(self, error: float) -> tuple[float, float]:
        from scipy.special import ndtri

        return _within_score(self.gains, self.losses, self.n, z=float(ndtri(1 - error)) / self.shrinkage)


class ExactBounds(Discordants):
    """The exact unconditional bounds, which hold at every n: Berger & Boos; see `difference_above_p`."""

    def interval(self) -> tuple[float, float]:
        """The two-sided 95 % interval."""
        return difference_bounds(self.gains, self.losses, self.n, error=ERROR / 2)

    def lower(self, error: float) -> float:
        """The bound below, wrong with that probability at most."""
        return difference_bounds(self.gains, self.losses, self.n, error=error)[0]

    def upper(self, error: float) -> float:
        """The bound above, wrong with that probability at most."""
        return difference_bounds(self.gains, self.losses, self.n, error=error)[1]

    def p_above(self, bar: float) -> float:
        """The p-value of "the difference is at most `bar`"."""
        return difference_above_p(self.gains, self.losses, self.n, difference=bar, error=ERROR)

    def p_below(self, bar: float) -> float:
        """The p-value of "the difference is at least `bar`"."""
        return difference_above_p(self.losses, self.gains, self.n, difference=-bar, error=ERROR)


@dataclass(frozen=True, slots=True, kw_only=True)
class SignBounds:
    """Too few differing records for a variance: a mean difference lies between -P(loss) and P(gain), whatever their sizes.

    `gains` and `losses` may be parts, where n is an effective number. Clopper & Pearson's bounds, Biometrika 26 (1934) 404.
    """

    gains: float
    losses: float
    n: int

    @property
    def standard_error(self) -> float:
        """That of yes/no pairs with half a pair added to each cell, an upper limit for smaller differences."""
        return math.sqrt(self.gains + self.losses + 1) / (self.n + 2)

    @property
    def df(self) -> float:
        """None to speak of."""
        return math.inf

    def interval(self) -> tuple[float, float]:
        """The two-sided 95 % interval."""
        return self.lower(ERROR / 2), self.upper(ERROR / 2)

    def lower(self, error: float) -> float:
        """The bound below, wrong with that probability at most."""
        return -rate_bounds(min(self.n, math.ceil(self.losses)), self.n, error=error)[1]

    def upper(self, error: float) -> float:
        """The bound above, wrong with that probability at most."""
        return rate_bounds(min(self.n, math.ceil(self.gains)), self.n, error=error)[1]

    def p_above(self, bar: float) -> float:
        """The p-value of "the difference is at most `bar`"; 1 where signs cannot tell."""
        return self._p(self.losses, -bar)

    def p_below(self, bar: float) -> float:
        """The p-value of "the difference is at least `bar`"; 1 where signs cannot tell."""
        return self._p(self.gains, bar)

    def _p(self, against: float, share: float) -> float:
        from scipy.special import bdtr

        if share <= 0:
            return 1.0
        return float(bdtr(min(self.n, math.ceil(against)), self.n, min(share, 1.0)))


@dataclass(frozen=True, slots=True, kw_only=True)
class StudentBounds:
    """A mean with a standard error and Student's t, whose degrees of freedom may be fractional.

    `skewness` is that of the mean (sum of cubed influences / sum of squares ** 1.5). A one-sided bound is the wider of
    Student's and of Hall's, whose transformation of t removes skewness (J. R. Stat. Soc. B 54 (1992) 221): where losses come
    in few clusters, Student's alone is wrong up to twice as often as it says. The interval holds both one-sided bounds.
    """

    mean: float
    standard_error: float
    df: float
    skewness: float

    def interval(self) -> tuple[float, float]:
        """The two-sided 95 % interval."""
        reach = self._quantile(ERROR / 2) * self.standard_error
        low, high = max(-1.0, self.mean - reach), min(1.0, self.mean + reach)
        return min(low, self.lower(ERROR)), max(high, self.upper(ERROR))

    def lower(self, error: float) -> float:
        """The bound below, wrong with that probability."""
        quantile = self._quantile(error)
        return max(-1.0, self.mean - max(quantile, _hall(quantile, self.skewness)) * self.standard_error)

    def upper(self, error: float) -> float:
        """The bound above, wrong with that probability."""
        quantile = self._quantile(error)
        return min(1.0, self.mean + max(quantile, _hall(quantile, -self.skewness)) * self.standard_error)

    @property
    def p_value(self) -> float:
        """The two-sided p-value of "no difference", by Student's t alone."""
        from scipy.special import stdtr

        return float(2 * stdtr(self.df, -abs(self.mean) / self.standard_error))

    def p_above(self, bar: float) -> float:
        """The p-value of "the difference is at most `bar`"."""
        return self._p((self.mean - bar) / self.standard_error, self.skewness)

    def p_below(self, bar: float) -> float:
        """The p-value of "the difference is at least `bar`"."""
        return self._p((bar - self.mean) / self.standard_error, -self.skewness)

    def _p(self, statistic: float, skewness: float) -> float:
        from scipy.special import stdtr

        cubic = (1 + skewness * statistic / 3) ** 3
        unskewed = (cubic - 1) / skewness + skewness / 6 if abs(skewness) > NO_SKEWNESS else statistic
        return float(1 - stdtr(self.df, min(statistic, unskewed)))

    def _quantile(self, error: float) -> float:
        from scipy.special import stdtrit

        return float(stdtrit(self.df, 1 - error))


def _hall(quantile: float, skewness: float) -> float:
    """The value whose transformation by Hall is the quantile."""
    if abs(skewness) <= NO_SKEWNESS:
        return quantile
    return 3 / skewness * (math.cbrt(1 + skewness * (quantile - skewness / 6)) - 1)


def bca_interval(values: Floats, groups: Groups, *, resamples: int, seed: int) -> tuple[float, float]:
    """The 95 % bootstrap interval of a weighted mean, corrected for bias and skewness; whole groups are drawn.

    BCa: Efron, J. Am. Stat. Assoc. 82 (1987) 171. The draws are those of `scipy.stats.bootstrap` with the same generator,
    whose jackknife takes n² steps instead of n. The values must not all be the same.
    """
    import numpy as np
    from scipy.special import ndtr, ndtri

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
    return float(low), float(high)
