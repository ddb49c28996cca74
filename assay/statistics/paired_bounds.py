"""Tests, intervals and bounds for a paired comparison, at any error rate."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol

from assay.statistics.conventions import ERROR, FEWEST_OUTCOMES, HALL_RANGE
from assay.statistics.exact_tests import difference_above_p, difference_bounds, rate_bounds
from assay.statistics.one_sided import OneSidedBounds, WidestOneSided, two_sided_p

NO_SKEWNESS = 1e-9


class PairedBounds(OneSidedBounds, Protocol):
    """Bounds of a mean difference at any error rate, and the matching p-values."""

    @property
    def standard_error(self) -> float:
        """Standard error of the difference; never 0."""
        ...

    @property
    def df(self) -> float:
        """Degrees of freedom; infinite for a normal approximation."""
        ...

    @property
    def p_value(self) -> float:
        """The two-sided p-value of the null hypothesis of no difference."""
        ...

    def interval(self) -> tuple[float, float]:
        """The two-sided 95% interval."""
        ...


def mcnemar_p(gains: int, losses: int, *, exact: bool) -> float:
    """The two-sided p-value of McNemar's test, exact or as mid-p, which is less conservative.

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
    """The two-sided score interval for (gains - losses) / n of n pairs, with the asymptotic error rate `error`.

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
    """Tango's score statistic of a true difference, at the maximum-likelihood share of losses.

    It decreases as the difference increases.
    """
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
    """Counts of binary pairs; the difference is (gains - losses) / n."""

    gains: int
    losses: int
    n: int

    @property
    def standard_error(self) -> float:
        """Standard error with half a pair added to each cell: Agresti & Min, Statistics in Medicine 24 (2005) 729."""
        n = self.n + 2
        return math.sqrt(self.gains + self.losses + 1 - (self.gains - self.losses) ** 2 / n) / n

    @property
    def df(self) -> float:
        """Infinite: the bounds do not use Student's t."""
        return math.inf


class ScoreBounds(Discordants):
    """Tango's bounds; a one-sided bound multiplies the score by sqrt(1 - 1/m), with m discordant pairs.

    Enumeration for 12 to 3,000 pairs shows that a one-sided bound at 5% has an error rate of at most about 5% if m is
    10 or more. Without the factor, which corrects the variance as n / (n - 1) does, it is up to 5.3%.
    """

    @property
    def p_value(self) -> float:
        """McNemar's mid-p."""
        return mcnemar_p(self.gains, self.losses, exact=False)

    @property
    def shrinkage(self) -> float:
        """The factor applied to the score in one-sided bounds."""
        return math.sqrt(1 - 1 / (self.gains + self.losses))

    def interval(self) -> tuple[float, float]:
        """The two-sided 95% interval."""
        return tango_interval(self.gains, self.losses, self.n)

    def lower(self, error: float) -> float:
        """The lower bound at one-sided error rate `error`."""
        return self._one_sided(error)[0]

    def upper(self, error: float) -> float:
        """The upper bound at one-sided error rate `error`."""
        return self._one_sided(error)[1]

    def p_above(self, threshold: float) -> float:
        """The p-value of the null hypothesis that the difference is at most `threshold`."""
        from scipy.special import ndtr

        return float(ndtr(-self.shrinkage * tango_score(self.gains, self.losses, self.n, threshold)))

    def p_below(self, threshold: float) -> float:
        """The p-value of the null hypothesis that the difference is at least `threshold`."""
        return 1 - self.p_above(threshold)

    def _one_sided(self, error: float) -> tuple[float, float]:
        from scipy.special import ndtri

        return _within_score(self.gains, self.losses, self.n, z=float(ndtri(1 - error)) / self.shrinkage)


class ExactBounds(Discordants):
    """Exact unconditional bounds, valid at every n: Berger & Boos; see `difference_above_p`."""

    @property
    def p_value(self) -> float:
        """McNemar's exact test."""
        return mcnemar_p(self.gains, self.losses, exact=True)

    def interval(self) -> tuple[float, float]:
        """The two-sided 95% interval."""
        return difference_bounds(self.gains, self.losses, self.n, error=ERROR / 2)

    def lower(self, error: float) -> float:
        """The lower bound at a one-sided error rate of at most `error`."""
        return difference_bounds(self.gains, self.losses, self.n, error=error)[0]

    def upper(self, error: float) -> float:
        """The upper bound at a one-sided error rate of at most `error`."""
        return difference_bounds(self.gains, self.losses, self.n, error=error)[1]

    def p_above(self, threshold: float) -> float:
        """The p-value of the null hypothesis that the difference is at most `threshold`."""
        return difference_above_p(self.gains, self.losses, self.n, difference=threshold, error=ERROR)

    def p_below(self, threshold: float) -> float:
        """The p-value of the null hypothesis that the difference is at least `threshold`."""
        return difference_above_p(self.losses, self.gains, self.n, difference=-threshold, error=ERROR)


@dataclass(frozen=True, slots=True, kw_only=True)
class SignBounds:
    """Bounds without a variance, used if few differences are not `center`, which is usually 0.

    The mean is at least `center` - (1 + `center`) P(below), and at most `center` + (1 - `center`) P(above), whatever
    the size of the other differences. `above` and `below` count them, and may be fractional if n is an effective n. The
    bounds of both probabilities are those of Clopper & Pearson, Biometrika 26 (1934) 404.
    """

    above: float
    below: float
    n: int
    center: float = 0.0

    @property
    def standard_error(self) -> float:
        """Standard error of binary pairs with half a pair added to each cell; an upper limit for fractions."""
        return (1 + abs(self.center)) * math.sqrt(self.above + self.below + 1) / (self.n + 2)

    @property
    def df(self) -> float:
        """Infinite: the bounds do not use Student's t."""
        return math.inf

    @property
    def p_value(self) -> float:
        """Twice the smaller one-sided p-value, at most 1."""
        return two_sided_p(self)

    def interval(self) -> tuple[float, float]:
        """The two-sided 95% interval."""
        return self.lower(ERROR / 2), self.upper(ERROR / 2)

    def lower(self, error: float) -> float:
        """The lower bound at a one-sided error rate of at most `error`."""
        return self.center - (1 + self.center) * self._most(self.below, error)

    def upper(self, error: float) -> float:
        """The upper bound at a one-sided error rate of at most `error`."""
        return self.center + (1 - self.center) * self._most(self.above, error)

    def p_above(self, threshold: float) -> float:
        """The p-value of the null hypothesis that the difference is at most `threshold`; 1 if signs cannot reject it."""
        return self._p(self.below, self.center - threshold, 1 + self.center)

    def p_below(self, threshold: float) -> float:
        """The p-value of the null hypothesis that the difference is at least `threshold`; 1 if signs cannot reject it."""
        return self._p(self.above, threshold - self.center, 1 - self.center)

    def _most(self, count: float, error: float) -> float:
        return rate_bounds(min(self.n, math.ceil(count)), self.n, error=error)[1]

    def _p(self, count: float, distance: float, most: float) -> float:
        from scipy.special import bdtr

        if distance <= 0:
            return 1.0
        return float(bdtr(min(self.n, math.ceil(count)), self.n, min(distance / most, 1.0))) if most > 0 else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class StudentBounds:
    """Student's t for a mean with a standard error; the degrees of freedom may be fractional.

    `skewness` is the skewness of the mean (sum of cubed influences / sum of squares ** 1.5). A one-sided bound is the
    wider one of Student's t and Hall's transformation of it, which removes skewness (J. R. Stat. Soc. B 54 (1992) 221);
    beyond the transformation's range (`HALL_RANGE`), both have the ratio of its end.
    If losses come from few clusters, Student's t alone has up to twice the nominal error rate. The interval contains
    both one-sided bounds.
    """

    mean: float
    standard_error: float
    df: float
    skewness: float

    def interval(self) -> tuple[float, float]:
        """The two-sided 95% interval."""
        reach = self._quantile(ERROR / 2) * self.standard_error
        low, high = max(-1.0, self.mean - reach), min(1.0, self.mean + reach)
        return min(low, self.lower(ERROR)), max(high, self.upper(ERROR))

    def lower(self, error: float) -> float:
        """The lower bound at one-sided error rate `error`."""
        quantile = self._quantile(error)
        return max(-1.0, self.mean - max(quantile, _skewed(quantile, self.skewness)) * self.standard_error)

    def upper(self, error: float) -> float:
        """The upper bound at one-sided error rate `error`."""
        quantile = self._quantile(error)
        return min(1.0, self.mean + max(quantile, _skewed(quantile, -self.skewness)) * self.standard_error)

    @property
    def p_value(self) -> float:
        """The two-sided p-value of Student's t, or the one-sided p-value with Hall's transformation if that is larger.

        It is at most 5% exactly where the interval does not contain 0.
        """
        from scipy.special import stdtr

        one_sided = self.p_above(0.0) if self.mean > 0 else self.p_below(0.0)
        return max(float(2 * stdtr(self.df, -abs(self.mean) / self.standard_error)), one_sided)

    def p_above(self, threshold: float) -> float:
        """The p-value of the null hypothesis that the difference is at most `threshold`."""
        return self._p((self.mean - threshold) / self.standard_error, self.skewness)

    def p_below(self, threshold: float) -> float:
        """The p-value of the null hypothesis that the difference is at least `threshold`."""
        return self._p((threshold - self.mean) / self.standard_error, -self.skewness)

    def _p(self, statistic: float, skewness: float) -> float:
        from scipy.special import stdtr

        return float(stdtr(self.df, -min(statistic, _unskewed(statistic, skewness))))

    def _quantile(self, error: float) -> float:
        from scipy.special import stdtrit

        return float(stdtrit(self.df, 1 - error))


@dataclass(frozen=True, slots=True)
class WidestBounds(WidestOneSided):
    """The widest of several bounds, with a two-sided interval and p-value.

    `enough`, if given, are the bounds from which the two-sided interval and p-value are taken instead; the interval then
    still contains both one-sided bounds.
    """

    parts: tuple[PairedBounds, ...]
    enough: PairedBounds | None = None

    @property
    def standard_error(self) -> float:
        """The largest standard error."""
        return max(part.standard_error for part in self.parts)

    @property
    def df(self) -> float:
        """The smallest number of degrees of freedom."""
        return min(part.df for part in self.parts)

    @property
    def p_value(self) -> float:
        """The two-sided p-value; at most 5% only if the interval does not contain 0."""
        if self.enough is None:
            return max(part.p_value for part in self.parts)
        one_sided = [min(part.p_above(0.0), part.p_below(0.0)) for part in self.parts if part is not self.enough]
        return max([self.enough.p_value, *one_sided])

    def interval(self) -> tuple[float, float]:
        """The two-sided 95% interval."""
        if self.enough is not None:
            low, high = self.enough.interval()
            return min(low, self.lower(ERROR)), max(high, self.upper(ERROR))
        intervals = [part.interval() for part in self.parts]
        return min(low for low, _ in intervals), max(high for _, high in intervals)


def strict_bounds(bounds: PairedBounds) -> PairedBounds:
    """The bounds for an error rate far below 5%, as in a family of comparisons.

    At 0.03%, Tango's one-sided bound has up to 3 times the nominal error rate if nearly all pairs differ in the same
    direction. With fewer than 5 pairs in one direction, `ExactBounds` replace it; enumeration for 200 and 1,000 pairs then
    shows at most 1.0 times the nominal two-sided error rate.
    """
    if isinstance(bounds, ScoreBounds) and min(bounds.gains, bounds.losses) < FEWEST_OUTCOMES:
        return ExactBounds(gains=bounds.gains, losses=bounds.losses, n=bounds.n)
    if isinstance(bounds, WidestBounds):
        return WidestBounds(tuple(strict_bounds(part) for part in bounds.parts), bounds.enough)
    return bounds


def hall(quantile: float, skewness: float) -> float:
    """The inverse of Hall's transformation at the quantile: J. R. Stat. Soc. B 54 (1992) 221."""
    if abs(skewness) <= NO_SKEWNESS:
        return quantile
    return 3 / skewness * (math.cbrt(1 + skewness * (quantile - skewness / 6)) - 1)


def unskewed(statistic: float, skewness: float) -> float:
    """Hall's transformation of a statistic, the inverse of `hall`."""
    if abs(skewness) <= NO_SKEWNESS:
        return statistic
    return ((1 + skewness * statistic / 3) ** 3 - 1) / skewness + skewness / 6


def _unskewed(statistic: float, skewness: float) -> float:
    """`unskewed` within `HALL_RANGE`, and in proportion beyond it."""
    if abs(skewness * statistic) <= HALL_RANGE:
        return unskewed(statistic, skewness)
    end = math.copysign(HALL_RANGE / abs(skewness), statistic)
    return statistic * unskewed(end, skewness) / end


def _skewed(quantile: float, skewness: float) -> float:
    """The inverse of `_unskewed` at a positive quantile."""
    if abs(skewness) <= NO_SKEWNESS:
        return quantile
    end = HALL_RANGE / abs(skewness)
    last = unskewed(end, skewness)
    return hall(quantile, skewness) if quantile <= last else quantile * end / last
