"""The type of every estimate, and binomial confidence intervals."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum

from assay.statistics.conventions import FEWEST_OUTCOMES, LEVEL


@dataclass(frozen=True, slots=True)
class Interval:
    """Bounds of a rate, 0 to 1, and the name of the method."""

    low: float
    high: float
    method: str


class Status(StrEnum):
    """How far an estimate can be relied on; the field `reason` explains every status other than ok."""

    OK = "ok"
    WARNING = "warning"
    """The interval is valid but is based on few clusters."""
    TOO_FEW = "too_few"
    """Too few data; the bounds of a rate, if it has any, are conservative."""
    INCONCLUSIVE = "inconclusive"
    """Too few clusters to estimate the variance between them."""
    UNSCORED = "unscored"
    """No value; the bounds are those of the worst and the best case."""
    NONE = "none"
    """No value and no bounds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """An estimate with its interval; most fields are columns of table `estimates`."""

    value: float | None
    low: float | None
    high: float | None
    level: float
    method: str
    n: int
    clusters: int | None = None
    """Number of independent groups: clusters, and records without a cluster."""
    effective_n: float | None = None
    standard_error: float | None = None
    """Linearized, between groups; None without variation, and for a binomial, where it follows from value and n."""
    status: Status = Status.OK
    reason: str | None = None
    worst: float | None = None
    """The value if every unscored row failed; set if too many rows are unscored for a value."""
    best: float | None = None
    """The value if every unscored row passed; set if too many rows are unscored for a value."""


def joined(*reasons: str | None) -> str | None:
    """The reasons as one text; None without any."""
    return "; ".join(reason for reason in reasons if reason) or None


def unmeasured(reason: str, *, level: float, n: int = 0, status: Status = Status.NONE) -> Measured:
    """An estimate without a value, with the reason."""
    return Measured(value=None, low=None, high=None, level=level, method="none", n=n, status=status, reason=reason)


def proportion_interval(successes: int, n: int, *, level: float = LEVEL) -> Interval:
    """Wilson's score interval, or Clopper & Pearson's exact interval if successes or failures are few.

    Wilson, J. Am. Stat. Assoc. 22 (1927) 209; Clopper & Pearson, Biometrika 26 (1934) 404.

    Raises:
        ValueError: successes are not from 0 to n, or n is below 1.
    """
    from scipy.stats import binomtest

    few = min(successes, n - successes) < FEWEST_OUTCOMES
    bounds = binomtest(successes, n).proportion_ci(confidence_level=level, method="exact" if few else "wilson")
    return Interval(float(bounds.low), float(bounds.high), "clopper_pearson" if few else "wilson")


def wilson_bounds(share: float, n: float, *, error: float) -> tuple[float, float]:
    """Wilson's interval for a share of n, with error rate `error` on each side; n may be fractional."""
    from scipy.special import ndtri

    z = float(ndtri(1 - error))
    center, spread = share + z**2 / (2 * n), z * math.sqrt(max(0.0, share * (1 - share)) / n + z**2 / (4 * n**2))
    scale = 1 + z**2 / n
    return max(0.0, (center - spread) / scale), min(1.0, (center + spread) / scale)


def exact_bounds(share: float, n: float, *, error: float) -> tuple[float, float]:
    """Clopper & Pearson's interval for a share of n; n and the number of successes may be fractional.

    Korn & Graubard, Survey Methodology 24 (1998) 193, use it with a fractional n.
    """
    from scipy.special import betaincinv

    successes = share * n
    low = float(betaincinv(successes, n - successes + 1, error)) if successes > 0 else 0.0
    high = float(betaincinv(successes + 1, n - successes, 1 - error)) if successes < n else 1.0
    return low, high
