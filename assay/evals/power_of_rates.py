"""What a rule on a rate can find before it is run: the chance that its lower bound is clear of the bar, and records for that.

Pure computation, with the very bounds that the gate uses for independent yes/no answers (`statistics.py`). Comparisons of two
variants are `power.py`'s matter.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from assay.evals.power import ERROR, MOST_RECORDS, POWER, SPREAD
from assay.evals.statistics import FEW

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Counts = NDArray[np.int64]


def clearing_chance(n: int, *, rate: float, bar: float) -> float:
    """The probability that the one-sided 95 % lower bound of n independent answers is at least the bar, at that true rate.

    Every number of successes is enumerated and judged by the bound that it would have.

    Raises:
        ValueError: n below 1, or a rate or bar outside 0 to 1.
    """
    import numpy as np
    from scipy.stats import binom

    if n < 1 or not 0 <= rate <= 1 or not 0 <= bar <= 1:
        raise ValueError(f"n {n}, rate {rate:g}, bar {bar:g}: expected n >= 1 and both from 0 to 1")
    spread = SPREAD * math.sqrt(n * rate * (1 - rate)) + 1
    successes = np.arange(max(0, math.floor(n * rate - spread)), min(n, math.ceil(n * rate + spread)) + 1)
    clear = lower_bounds(successes, n) >= bar
    return float(min(1.0, binom.pmf(successes, n, rate)[clear].sum()))


def records_to_clear(rate: float, *, bar: float, chance: float = POWER) -> int | None:
    """How many records let the bound be clear with that probability, to within 1 %; None where the rate is not above the bar.

    The chance rises in steps, so that a few records more may have a little less of it.
    """
    if rate <= bar:
        return None
    low, high = 0, 16
    while clearing_chance(high, rate=rate, bar=bar) < chance:
        low, high = high, 2 * high
        if high > MOST_RECORDS:
            return None
    while high - low > max(1, high // 100):
        middle = (low + high) // 2
        low, high = (low, middle) if clearing_chance(middle, rate=rate, bar=bar) >= chance else (middle, high)
    return high


def lower_bounds(successes: Counts, n: int) -> Floats:
    """`proportion_interval` of many outcomes at once, its lower end at a two-sided level of 90 %."""
    import numpy as np
    from scipy.special import betaincinv, ndtri

    z = float(ndtri(1 - ERROR))
    share = successes / n
    spread = z * np.sqrt(share * (1 - share) / n + z**2 / (4 * n**2))
    wilson = (share + z**2 / (2 * n) - spread) / (1 + z**2 / n)
    exact = np.where(successes > 0, betaincinv(np.maximum(successes, 1), n - successes + 1, ERROR), 0.0)
    few = np.minimum(successes, n - successes) < FEW
    bounds: Floats = np.where(few, exact, np.maximum(wilson, 0.0))
    return bounds
