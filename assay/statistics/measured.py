"""Intervals for a share of outcomes, and what every estimate of this room looks like.

Which method fits which rows is decided in `rates.py` and `agreement.py`; here are the bounds themselves.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum

from assay.statistics.conventions import FEWEST_OUTCOMES, LEVEL


@dataclass(frozen=True, slots=True)
class Interval:
    """Bounds of a rate, 0 to 1, at the level asked for, and the name of the method."""

    low: float
    high: float
    method: str


class Status(StrEnum):
    """What an estimate may be used for; `reason` beside it says why."""

    OK = "ok"
    WARNING = "warning"
    """The interval holds, but rests on few clusters."""
    TOO_FEW = "too_few"
    """Too little to say; the bounds of a rate, where there are any, are conservative."""
    INCONCLUSIVE = "inconclusive"
    """Too few clusters to tell how much they differ."""
    UNSCORED = "unscored"
    """No value; the bounds are those of the worst and the best case."""
    NONE = "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """An estimate with its bounds; most fields are columns of `estimates`."""

    value: float | None
    low: float | None
    high: float | None
    level: float
    method: str
    n: int
    clusters: int | None = None
    """Independent groups: clusters, a record without one counting as its own."""
    effective_n: float | None = None
    standard_error: float | None = None
    """Between groups, linearised; None where one outcome is all there is, or a binomial's follows from value and n."""
    status: Status = Status.OK
    reason: str | None = None
    worst: float | None = None
    """The value if every unscored row had failed, where too many are unscored for a value."""
    best: float | None = None


def unmeasured(reason: str, *, level: float, n: int = 0, status: Status = Status.NONE) -> Measured:
    """Nothing, with the reason."""
    return Measured(value=None, low=None, high=None, level=level, method="none", n=n, status=status, reason=reason)


def proportion_interval(successes: int, n: int, *, level: float = LEVEL) -> Interval:
    """Wilson's score interval, or Clopper and Pearson's exact one where successes or failures are few.

    Wilson, J. Am. Stat. Assoc. 22 (1927) 209; Clopper & Pearson, Biometrika 26 (1934) 404.

    Raises:
        ValueError: not 0 <= successes <= n with n at least 1.
    """
    from scipy.stats import binomtest

    few = min(successes, n - successes) < FEWEST_OUTCOMES
    bounds = binomtest(successes, n).proportion_ci(confidence_level=level, method="exact" if few else "wilson")
    return Interval(float(bounds.low), float(bounds.high), "clopper_pearson" if few else "wilson")


def wilson_bounds(share: float, n: float, *, error: float) -> tuple[float, float]:
    """Wilson's interval for a share of n, which need not be a whole number; each bound wrong with probability `error`."""
    from scipy.special import ndtri

    z = float(ndtri(1 - error))
    centre, spread = share + z**2 / (2 * n), z * math.sqrt(max(0.0, share * (1 - share)) / n + z**2 / (4 * n**2))
    scale = 1 + z**2 / n
    return max(0.0, (centre - spread) / scale), min(1.0, (centre + spread) / scale)


def exact_bounds(share: float, n: float, *, error: float) -> tuple[float, float]:
    """Clopper and Pearson's interval for a share of n, neither n nor the successes whole numbers.

    So used by Korn & Graubard, Survey Methodology 24 (1998) 193.
    """
    from scipy.special import betaincinv

    successes = share * n
    low = float(betaincinv(successes, n - successes + 1, error)) if successes > 0 else 0.0
    high = float(betaincinv(successes + 1, n - successes, 1 - error)) if successes < n else 1.0
    return low, high
