"""The mean of scores in their own unit, with its interval and the bounds that a gate rule decides on.

A score with a known range, such as the levels of a rubric, is a fraction of that range: its mean has the bounds of a
rate, of positive width and with a worst and a best case. Other scores have the bounds of a mean of amounts.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from assay.statistics.conventions import ERROR, FEWEST_DISCORDANT, FEWEST_MEASURED, GATE_LEVEL, LEVEL, MEAN_ERROR_SHARE
from assay.statistics.measured import Measured, Status, joined, unmeasured
from assay.statistics.one_sided import OneSidedBounds
from assay.statistics.paired_bounds import hall, unskewed
from assay.statistics.rates import GateRate, floats, gate_rate_between, grouped_mean, grouped_rate, spanning
from assay.statistics.sampling import (
    INDEPENDENT,
    ROUNDING,
    Groups,
    Sampling,
    centered,
    majority,
    means_by_record,
    numbered,
    spread_of,
)

if TYPE_CHECKING:
    from assay.statistics.sampling import Codes, Floats


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreScale:
    """The lowest and the highest value that a score can have.

    Raises:
        ValueError: the highest value is not above the lowest.
    """

    lowest: float
    highest: float

    def __post_init__(self) -> None:
        if not self.lowest < self.highest:
            raise ValueError(f"scale: expected the highest value above {self.lowest:g}, found {self.highest:g}")

    def share(self, value: float) -> float:
        """The place of a value between the lowest (0) and the highest (1)."""
        return (value - self.lowest) / (self.highest - self.lowest)

    def shares(self, values: Floats) -> Floats:
        """The places of several values."""
        return (values - self.lowest) / (self.highest - self.lowest)

    def value(self, share: float | None) -> float | None:
        """The value at a place between the lowest and the highest."""
        return None if share is None else self.lowest + share * (self.highest - self.lowest)


def scored_mean(
    values: Floats,
    groups: Groups,
    *,
    records: Codes | None = None,
    scale: ScoreScale | None = None,
    level: float = LEVEL,
) -> Measured:
    """The mean over records of the mean of each record's predictions, in the unit of the scores; NaN is unscored.

    `groups` are those of the records; `records` has the number of each value's record, by default one value per record.
    A comparison of means (`compare_means`) takes the same means of records.

    With a scale, an unscored prediction counts as the lowest value, and the bounds extend from there to the case that all
    unscored ones have the highest (Horowitz & Manski, J. Am. Stat. Assoc. 95 (2000) 77). Without one, they have no bounds:
    the mean is of the records without one, `status` is unscored, and `reason` gives their number and share. `n` is the
    number of predictions, unscored ones included. A constant sample without a scale has a value and no interval; one in
    which few records differ from the usual number (`too_few_deviating`) is too_few.

    Raises:
        ValueError: a score is outside the scale.
    """
    import numpy as np

    rows = np.arange(len(values)) if records is None else records
    unscored, n = int(np.isnan(values).sum()), len(values)
    if scale is not None:
        rated = [grouped_rate(case, groups, level=level) for case in _cases(scale.shares(values), rows, groups.n)]
        worst, best = (replace(one, n=n) for one in rated)
        return _in_unit(spanning(worst, best, unscored=unscored) if unscored else worst, scale, values)
    means = means_by_record(values, rows, count=groups.n)
    known = ~np.isnan(means)
    if not known.any():
        reason = unscored_values(unscored, n) if unscored else "no prediction with an output"
        return unmeasured(reason, level=level, n=n)
    found = replace(_of_known(means[known], groups.only(known), level=level), n=n)
    if not unscored:
        return found
    status = found.status if found.status is Status.INCONCLUSIVE else Status.UNSCORED
    reason = joined(unscored_values(unscored, n), found.reason) or ""
    return replace(found, status=status, reason=reason)


def gate_mean(
    values: Sequence[float | None], sampling: Sampling = INDEPENDENT, *, scale: ScoreScale | None
) -> GateRate:
    """`scored_mean` for a gate rule: low and high are one-sided bounds, whose error rate is at most `ERROR`.

    With a scale, they are the bounds of a rate (`gate_rate`). Without one, they keep the error rate in at least
    `FEWEST_MEASURED` records or clusters of equal weight (`MeanBounds`), of which `FEWEST_DISCORDANT` differ from the usual number; with
    fewer or with unscored predictions, the status is inconclusive. `sampling` has one entry per prediction.

    Raises:
        ValueError: a score is outside the scale, or a field of `sampling` is invalid.
    """
    import numpy as np

    found = floats(values)
    records, of_records, count = _records(len(found), sampling)
    if scale is not None:
        worst, best = _cases(scale.shares(found), records, count)
        rated = gate_rate_between(worst, best, of_records)
        is_spanned = rated.measured.worst is not None and not np.isnan(found).all()
        value = rated.measured.worst if is_spanned else rated.measured.value
        bounds = None if rated.bounds is None else ScaledBounds(rated.bounds, scale)
        return GateRate(_in_unit(replace(rated.measured, value=value, n=len(found)), scale, found), bounds)
    groups = Groups.of(count, of_records)
    measured = scored_mean(found, groups, records=records, level=GATE_LEVEL)
    if np.isnan(found).any() or measured.low is None:
        return GateRate(replace(measured, low=None, high=None, status=Status.INCONCLUSIVE), None)
    mean_bounds = MeanBounds.of(means_by_record(found, records, count=count), groups)
    decided = replace(measured, low=mean_bounds.lower(ERROR), high=mean_bounds.upper(ERROR), method=MEAN_BOUNDS)
    few = too_few_measured(groups)
    if few is not None and decided.status is not Status.INCONCLUSIVE:
        decided = replace(decided, reason=joined(few, decided.reason))
    if few is not None or decided.status is Status.TOO_FEW:
        decided = replace(decided, status=Status.INCONCLUSIVE)
    return GateRate(decided, mean_bounds)


def _records(n: int, sampling: Sampling) -> tuple[Codes, Sampling, int]:
    """The number of each prediction's record, the sampling of the records, and their number."""
    import numpy as np

    Groups.of(n, sampling)  # Raises an error if a record is in two clusters.
    if sampling.records is None:
        return np.arange(n), sampling, n
    codes = numbered(sampling.records)
    first = np.unique(codes, return_index=True)[1]
    clusters, weights = (
        None if entries is None else [entries[place] for place in first]
        for entries in (sampling.clusters, sampling.weights)
    )
    return codes, Sampling(clusters=clusters, weights=weights), len(first)


def _cases(shares: Floats, records: Codes, count: int) -> tuple[Floats, Floats]:
    """The means of the records if every unscored prediction has the lowest, and if it has the highest score."""
    import numpy as np

    worst, best = (
        means_by_record(np.nan_to_num(shares, nan=case), records, count=count) if len(shares) else shares
        for case in (0.0, 1.0)
    )
    return worst, best


MEAN_BOUNDS = "hall_t_one_sided"


@dataclass(frozen=True, slots=True, kw_only=True)
class MeanBounds:
    """One-sided bounds of a mean: the wider one of Student's t and Hall's transformation of it, at half the error rate.

    The mean of skewed amounts is above Hall's upper bound in up to 7.7% of samples of 50 (log-normal, sigma 1) instead
    of 5%. At half the nominal error rate, it is in at most 5% from `FEWEST_MEASURED` records on; docs/reference/coverage.md,
    "One-sided errors of rules on a mean". `standard_error` is at least that of independent rows; `skewness` is that of
    the mean. Hall, J. R. Stat. Soc. B 54 (1992) 221.
    """

    mean: float
    standard_error: float
    df: float
    skewness: float

    @classmethod
    def of(cls, values: Floats, groups: Groups, *, least_error: float = 0.0) -> MeanBounds:
        """The bounds of values that are all known; `least_error` is a lower limit of the standard error.

        Raises:
            ValueError: there is no variation and no lower limit, or a single group.
        """
        value = groups.mean(values)
        spread = spread_of(groups, centered(values, value))
        variance = max(spread.variance, spread.independent_variance, least_error**2)
        if not 0 < variance < math.inf:
            raise ValueError("expected values that vary between two or more groups")
        return cls(
            mean=value,
            standard_error=math.sqrt(variance),
            df=spread.df or groups.count - 1.0,
            skewness=spread.skewness / math.sqrt(spread.groups),
        )

    @property
    def p_value(self) -> float:
        """The two-sided p-value for a mean of 0; it is at most 5% exactly where the interval does not contain 0."""
        return min(1.0, min(self.p_above(0.0), self.p_below(0.0)) * 2 * MEAN_ERROR_SHARE)

    def interval(self) -> tuple[float, float]:
        """The two-sided 95% interval; it contains both one-sided bounds at `ERROR`."""
        return self._bound((1 - LEVEL) / 2, sign=-1), self._bound((1 - LEVEL) / 2, sign=1)

    def lower(self, error: float) -> float:
        """The lower bound at one-sided error rate `error`."""
        return self._bound(error * MEAN_ERROR_SHARE, sign=-1)

    def upper(self, error: float) -> float:
        """The upper bound at one-sided error rate `error`."""
        return self._bound(error * MEAN_ERROR_SHARE, sign=1)

    def p_above(self, threshold: float) -> float:
        """The p-value of the null hypothesis that the mean is at most `threshold`."""
        return self._p((self.mean - threshold) / self.standard_error, self.skewness)

    def p_below(self, threshold: float) -> float:
        """The p-value of the null hypothesis that the mean is at least `threshold`."""
        return self._p((threshold - self.mean) / self.standard_error, -self.skewness)

    def _bound(self, error: float, *, sign: int) -> float:
        from scipy.special import stdtrit

        quantile = float(stdtrit(self.df, 1 - error))
        return self.mean + sign * max(quantile, hall(quantile, -sign * self.skewness)) * self.standard_error

    def _p(self, statistic: float, skewness: float) -> float:
        from scipy.special import stdtr

        return min(1.0, float(stdtr(self.df, -min(statistic, unskewed(statistic, skewness)))) / MEAN_ERROR_SHARE)


@dataclass(frozen=True, slots=True)
class ScaledBounds:
    """The bounds of a rate in the unit of a scale."""

    rate: OneSidedBounds
    scale: ScoreScale

    def lower(self, error: float) -> float:
        """The lower bound at one-sided error rate `error`."""
        return self.scale.value(self.rate.lower(error)) or 0.0

    def upper(self, error: float) -> float:
        """The upper bound at one-sided error rate `error`."""
        return self.scale.value(self.rate.upper(error)) or 0.0

    def p_above(self, threshold: float) -> float:
        """The p-value of the null hypothesis that the mean is at most `threshold`."""
        return self.rate.p_above(self.scale.share(threshold))

    def p_below(self, threshold: float) -> float:
        """The p-value of the null hypothesis that the mean is at least `threshold`."""
        return self.rate.p_below(self.scale.share(threshold))


def unscored_values(unscored: int, n: int) -> str:
    """The reason of a mean without the unscored rows, whose possible values are unknown."""
    return f"{unscored} of {n} unscored ({unscored / n:.1%}), without bounds: the mean is of the others"


def too_few_measured(groups: Groups) -> str | None:
    """The reason why no rule decides on a mean of few groups, or of few that have most of the weight; None if it does."""
    what = "clusters" if groups.are_clusters else "records"
    needed = f"a rule on a mean needs at least {FEWEST_MEASURED}"
    if groups.count < FEWEST_MEASURED:
        return f"{groups.count} {what}: {needed}"
    equal = math.floor(groups.equal_groups + ROUNDING)
    if equal < FEWEST_MEASURED:
        return f"{groups.count} {what} of unequal weight, worth {equal} of equal weight: {needed}"
    return None


def too_few_deviating(values: Floats, groups: Groups, *, size: float, what: str) -> str | None:
    """The reason why a mean has no sound bounds if few groups differ from the usual number; None if enough do.

    The usual number is that of more than half of the rows, compared within the rounding error of numbers of size `size`.
    If fewer than `FEWEST_DISCORDANT` groups differ from it on balance, the sample may lack the extreme numbers that
    decide the mean, and its variance is too small. `what` names the number.
    """
    import numpy as np

    tolerance = ROUNDING * size
    usual = majority(values, tolerance=tolerance)
    if usual is None:
        return None
    off = values - usual
    deviating = int((groups.net(np.where(np.abs(off) <= tolerance, 0.0, off)) != 0).sum())
    if deviating >= FEWEST_DISCORDANT:
        return None
    unit = "clusters" if groups.are_clusters else "records"
    return (
        f"{deviating} of {groups.count} {unit} differ from the usual {what} {usual:g}, fewer than {FEWEST_DISCORDANT}"
    )


def deviation(values: Floats) -> float | None:
    """The standard deviation of the known values, with n - 1; None for fewer than two."""
    import numpy as np

    known = values[~np.isnan(values)]
    return float(known.std(ddof=1)) if len(known) > 1 else None


def _of_known(values: Floats, groups: Groups, *, level: float) -> Measured:
    """The mean of numbers that are all known; too_few if few of them differ from the usual one."""
    import numpy as np

    found = grouped_mean(values, groups, level=level)
    few = too_few_deviating(values, groups, size=float(np.abs(values).max()), what="number")
    if few is None or found.low is None:
        return found
    status = found.status if found.status is Status.INCONCLUSIVE else Status.TOO_FEW
    return replace(found, status=status, reason=joined(few, found.reason))


def _in_unit(found: Measured, scale: ScoreScale, values: Floats) -> Measured:
    """An estimate of a share of the scale, in the unit of the scale."""
    import numpy as np

    width, unscored = scale.highest - scale.lowest, int(np.isnan(values).sum())
    lowest = f"{unscored} of {len(values)} unscored: the value counts them as the lowest score, the bounds as any score"
    return replace(
        found,
        value=scale.value(found.value),
        low=scale.value(found.low),
        high=scale.value(found.high),
        worst=scale.value(found.worst),
        best=scale.value(found.best),
        standard_error=None if found.standard_error is None else found.standard_error * width,
        reason=lowest if unscored else found.reason,
    )
