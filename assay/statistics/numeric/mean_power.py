"""Power of a gate rule on a mean: the probability that its one-sided bound meets the limit."""

from __future__ import annotations

import math

from assay.statistics.conventions import ERROR, FEWEST_MEASURED, MEAN_ERROR_SHARE, MOST_RECORDS, POWER


def probability_of_mean(
    n: int, *, distance: float, sd: float, error: float = ERROR, clusters: int | None = None, design_effect: float = 1.0
) -> float:
    """Probability that the bound of a mean of n records is beyond a limit at `distance` from the true mean.

    `distance` is positive if the true mean meets the limit. The bound is that of `MeanBounds` for numbers without
    skewness: Student's t at `MEAN_ERROR_SHARE` of the error rate, so the probability is that of the noncentral t. It is 0
    for fewer than `FEWEST_MEASURED` records or clusters, with which the rule is inconclusive.

    Raises:
        ValueError: n is below 1, or the standard deviation is not positive.
    """
    from scipy.special import nctdtr, stdtrit

    if n < 1 or not 0 < sd < math.inf:
        raise ValueError(f"n {n}, sd {sd:g}: expected n >= 1 and a positive standard deviation")
    groups = n if clusters is None else clusters
    if groups < FEWEST_MEASURED:
        return 0.0
    shift = distance / (sd * math.sqrt(design_effect / n))
    quantile = float(stdtrit(groups - 1, 1 - error * MEAN_ERROR_SHARE))
    if abs(shift) > quantile + FAR:
        return float(shift > 0)
    return 1 - float(nctdtr(groups - 1, shift, quantile))


FAR = 20.0
"""Standard errors beyond the quantile from which the probability is 0 or 1 to ten digits."""


def records_to_mean(
    *, distance: float, sd: float, error: float = ERROR, design_effect: float = 1.0, chance: float = POWER
) -> int | None:
    """Number of records with which the bound meets the limit with probability `chance`; None if no number does.

    None, too, if more than ten million records are needed.
    """
    if distance <= 0:
        return None
    low, high = 0, FEWEST_MEASURED
    while probability_of_mean(high, distance=distance, sd=sd, error=error, design_effect=design_effect) < chance:
        low, high = high, 2 * high
        if high > MOST_RECORDS:
            return None
    while low and high - low > 1:
        middle = (low + high) // 2
        found = probability_of_mean(middle, distance=distance, sd=sd, error=error, design_effect=design_effect)
        low, high = (low, middle) if found >= chance else (middle, high)
    return high
