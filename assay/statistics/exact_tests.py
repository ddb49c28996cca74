"""Exact one-sided tests of a rate and of a paired difference of rates, valid at every sample size."""

from __future__ import annotations

import math
from functools import lru_cache

from assay.statistics.conventions import NUISANCE_SHARE

NUISANCE_POINTS = 12
SPREAD = 8.0
"""Range of the sum over the number of discordant pairs, in standard deviations; omits less than 1e-14."""
BISECTIONS = 16
REMEMBERED = 20_000
"""Number of bounds kept in memory, because many comparisons have the same counts."""


def rate_above_p(successes: int, n: int, *, rate: float) -> float:
    """The p-value of the null hypothesis that the true rate is at most `rate`: P(`successes` or more of `n`).

    The exact binomial test; its inversion is Clopper & Pearson's bound, Biometrika 26 (1934) 404.
    """
    from scipy.special import bdtrc

    if not 0 <= successes <= n or n < 1:
        raise ValueError(f"successes {successes}, n {n}: expected 0 <= successes <= n and n >= 1")
    return float(bdtrc(successes - 1, n, rate)) if successes else 1.0


def rate_bounds(successes: int, n: int, *, error: float) -> tuple[float, float]:
    """Lower and upper bound of the rate, each with an error rate of at most `error` (Clopper & Pearson)."""
    from scipy.special import betaincinv

    low = float(betaincinv(successes, n - successes + 1, error)) if successes else 0.0
    high = float(betaincinv(successes + 1, n - successes, 1 - error)) if successes < n else 1.0
    return low, high


def difference_above_p(gains: int, losses: int, n: int, *, difference: float, error: float) -> float:
    """The p-value of the null hypothesis that the true mean of n paired differences is at most `difference`.

    A pair counts +1 (`gains`), -1 (`losses`) or 0. The share of pairs that differ is unknown. The p-value is therefore
    the maximum over a one-sided confidence interval for that share, plus the error rate of the interval, which is a
    fixed part of `error` (Berger & Boos, J. Am. Stat. Assoc. 89 (1994) 1012). It is valid at every n; compare it with
    `error`.
    """
    import numpy as np

    differing = gains + losses
    if min(gains, losses) < 0 or differing > n or n < 1:
        raise ValueError(
            f"gains {gains}, losses {losses}, n {n}: expected gains and losses >= 0, their sum <= n, and n >= 1"
        )
    spent = NUISANCE_SHARE * error
    highest = rate_bounds(differing, n, error=spent)[1]
    lowest = max(abs(difference), 1e-9)
    if highest < lowest:  # No share of differing pairs within its confidence bound is compatible with this difference.
        return spent
    shares = np.linspace(lowest, highest, NUISANCE_POINTS)
    largest = max(_tail(gains - losses, n, share=float(share), difference=difference) for share in shares)
    return min(1.0, largest + spent)


def difference_bounds(gains: int, losses: int, n: int, *, error: float) -> tuple[float, float]:
    """Lower and upper bound of the mean paired difference, each with an error rate of at most `error`.

    The inversion of `difference_above_p`, rounded outward by about 1e-4.
    """
    return _lower(gains, losses, n, error=error), -_lower(losses, gains, n, error=error)


@lru_cache(maxsize=REMEMBERED)
def _lower(gains: int, losses: int, n: int, *, error: float) -> float:
    low, high = -1.0, (gains - losses) / n
    for _ in range(BISECTIONS):
        middle = (low + high) / 2
        if difference_above_p(gains, losses, n, difference=middle, error=error) <= error:
            low = middle
        else:
            high = middle
    return low


def _tail(seen: int, n: int, *, share: float, difference: float) -> float:
    """P(gains - losses >= `seen`) if the given share of n pairs differs and the mean is n·`difference`."""
    import numpy as np
    from scipy.special import betainc, gammaln, xlog1py, xlogy

    spread = SPREAD * math.sqrt(n * share * (1 - share)) + SPREAD
    first, last = max(0, math.floor(n * share - spread)), min(n, math.ceil(n * share + spread))
    counts = np.arange(first, last + 1, dtype=np.float64)
    ways = gammaln(n + 1) - gammaln(counts + 1) - gammaln(n - counts + 1)
    likely = np.exp(ways + xlogy(counts, share) + xlog1py(n - counts, -share))
    least = np.ceil((counts + seen) / 2)
    gain = min(1.0, max(0.0, (share + difference) / (2 * share)))
    threshold = np.clip(least, 1, np.maximum(counts, 1))
    tail = betainc(threshold, np.maximum(counts, 1) - threshold + 1, gain)
    tail = np.where(least <= 0, 1.0, np.where(least > counts, 0.0, tail))
    return float((likely * tail).sum())
