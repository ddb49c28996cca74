"""Intervals for a rate of independent yes/no outcomes.

`scipy` computes; which method fits which case is decided in `estimates.py`.
"""

from __future__ import annotations

from dataclasses import dataclass

LEVEL = 0.95
FEW = 5
"""Fewer successes or failures than this are too few for Wilson's interval to keep its level."""


@dataclass(frozen=True, slots=True)
class Interval:
    """Bounds of a rate, 0 to 1, at `LEVEL`, and the name of the method."""

    low: float
    high: float
    method: str


def proportion_interval(successes: int, n: int) -> Interval:
    """Wilson's score interval, or Clopper and Pearson's exact one where successes or failures are few.

    Wilson, J. Am. Stat. Assoc. 22 (1927) 209; Clopper & Pearson, Biometrika 26 (1934) 404.

    Raises:
        ValueError: not 0 <= successes <= n with n at least 1.
    """
    from scipy.stats import binomtest

    few = min(successes, n - successes) < FEW
    bounds = binomtest(successes, n).proportion_ci(confidence_level=LEVEL, method="exact" if few else "wilson")
    return Interval(float(bounds.low), float(bounds.high), "clopper_pearson" if few else "wilson")
