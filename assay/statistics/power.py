"""Power of a comparison and of a lower-bound rule: MDE, records needed, and probability of each verdict.

The probabilities are enumerated for the bounds that a gate uses (`paired_bounds.py`, `measured.py`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from assay.statistics.conventions import ERROR, FEWEST_DISCORDANT, MOST_RECORDS, POWER
from assay.statistics.exact_tests import difference_above_p

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Counts = NDArray[np.int64]

SPREAD = 6.0
"""Range of the sums over the number of discordant pairs or of successes, in standard deviations."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A planned comparison: `n` records, the share on which the variants differ, and the no-regression margin.

    `difference` is the true difference, candidate minus champion. `rules` is the number of tested rules of the gate:
    the FAIL of one rule is adjusted for all of them. Clustered records have the number of `clusters` and a design
    effect of at least 1.

    Raises:
        ValueError: a value is out of range, or the difference is larger than the discordance.
    """

    n: int
    discordance: float
    margin: float
    difference: float = 0.0
    rules: int = 1
    clusters: int | None = None
    design_effect: float = 1.0

    def __post_init__(self) -> None:
        if self.n < 1 or self.rules < 1 or self.design_effect < 1 or (self.clusters is not None and self.clusters < 2):
            raise ValueError("a plan needs n, rules and a design effect of at least 1, and at least 2 clusters or None")
        if not 0 <= abs(self.difference) <= self.discordance <= 1 or not 0 <= self.margin < 1:
            raise ValueError(
                f"discordance {self.discordance:g}, difference {self.difference:g}, margin {self.margin:g}: expected "
                "0 <= |difference| <= discordance <= 1 and 0 <= margin < 1"
            )

    @property
    def standard_error(self) -> float:
        """Standard error of the estimated difference."""
        return math.sqrt((self.discordance - self.difference**2) * self.design_effect / self.n)


@dataclass(frozen=True, slots=True, kw_only=True)
class VerdictProbabilities:
    """Probabilities of the three outcomes of the no-regression rule; they sum to 1."""

    passing: float
    failing: float
    inconclusive: float


def mde_of_plan(standard_error: float, *, df: float = math.inf, power: float = POWER) -> float:
    """The minimum detectable effect of a two-sided test at 5% with this standard error.

    (t for 97.5% + t for the power) x standard error: Bloom, Evaluation Review 19 (1995) 547.
    """
    from scipy.special import stdtrit

    return float(stdtrit(df, 1 - ERROR / 2) + stdtrit(df, power)) * standard_error


def records_for(wanted: float, *, n: int, mde: float) -> int:
    """Number of similar records whose minimum detectable effect is `wanted`, if n records have the effect `mde`."""
    if wanted <= 0:
        raise ValueError(f"wanted difference {wanted:g}: expected a value above 0")
    return min(MOST_RECORDS, math.ceil(n * (mde / wanted) ** 2))


def records_needed(wanted: float, *, discordance: float, power: float = POWER, design_effect: float = 1.0) -> int:
    """Number of pairs with which McNemar's two-sided test at 5% has this power for the wanted difference.

    Connor, Biometrics 43 (1987) 207; multiplied by the design effect for clustered records.
    """
    from scipy.special import ndtri

    if not 0 < abs(wanted) <= discordance <= 1:
        raise ValueError(
            f"wanted difference {wanted:g}, discordance {discordance:g}: expected 0 < |wanted| <= discordance <= 1"
        )
    under_null = float(ndtri(1 - ERROR / 2)) * math.sqrt(discordance)
    under_difference = float(ndtri(power)) * math.sqrt(discordance - wanted**2)
    return min(MOST_RECORDS, math.ceil(design_effect * ((under_null + under_difference) / wanted) ** 2))


def minimum_detectable_effect(
    n: int, *, discordance: float, power: float = POWER, design_effect: float = 1.0
) -> float | None:
    """The minimum detectable effect of n pairs; None if it would be larger than the discordance.

    The inversion of `records_needed` (Connor 1987).
    """
    from scipy.optimize import brentq
    from scipy.special import ndtri

    z, z_power = float(ndtri(1 - ERROR / 2)), float(ndtri(power))

    def surplus(wanted: float) -> float:
        spread = z * math.sqrt(discordance) + z_power * math.sqrt(max(0.0, discordance - wanted**2))
        return wanted * math.sqrt(n / design_effect) - spread

    return float(brentq(surplus, 0.0, discordance)) if discordance > 0 and surplus(discordance) >= 0 else None


def records_to_pass(plan: Plan, *, chance: float = POWER) -> int | None:
    """Number of records with which the plan passes with probability `chance`; None if ten million do not suffice.

    Larger plans have more clusters of the same size.
    """
    if plan.difference <= -plan.margin:
        return None
    low, high = 0, 64
    while verdict_probabilities(_resized(plan, high)).passing < chance:
        low, high = high, 2 * high
        if high > MOST_RECORDS:
            return None
    while high - low > max(1, high // 100):
        middle = (low + high) // 2
        low, high = (low, middle) if verdict_probabilities(_resized(plan, middle)).passing >= chance else (middle, high)
    return high


def verdict_probabilities(plan: Plan) -> VerdictProbabilities:
    """Probabilities that the no-regression rule passes, fails or is inconclusive.

    Independent binary pairs: every outcome is enumerated and decided from its bounds. Clusters: the noncentral
    Student's t at the true difference, with clusters - 1 degrees of freedom.
    """
    passing, failing = _student(plan) if plan.clusters is not None or plan.design_effect > 1 else _enumerated(plan)
    return VerdictProbabilities(passing=passing, failing=failing, inconclusive=max(0.0, 1 - passing - failing))


def _resized(plan: Plan, n: int) -> Plan:
    clusters = max(2, round(plan.clusters * n / plan.n)) if plan.clusters is not None else None
    return replace(plan, n=n, clusters=clusters)


def _student(plan: Plan) -> tuple[float, float]:
    from scipy.special import stdtrit
    from scipy.stats import nct

    df = float((plan.clusters or plan.n) - 1)
    if plan.standard_error == 0:
        return float(plan.difference > -plan.margin), float(plan.difference < -plan.margin)
    apart = (plan.difference + plan.margin) / plan.standard_error
    passing = nct.sf(stdtrit(df, 1 - ERROR), df, apart)
    return float(passing), float(nct.cdf(stdtrit(df, ERROR / plan.rules), df, apart))


def _enumerated(plan: Plan) -> tuple[float, float]:
    """Probabilities of PASS and FAIL, computed from the fewest gains that decide each number of discordant pairs."""
    import numpy as np
    from scipy.stats import binom

    n, share = plan.n, plan.discordance
    spread = SPREAD * math.sqrt(n * share * (1 - share)) + 1
    counts = np.arange(max(0, math.floor(n * share - spread)), min(n, math.ceil(n * share + spread)) + 1)
    gain = (share + plan.difference) / (2 * share) if share else 0.5
    weight = binom.pmf(counts, n, share)
    gains = _fewest(counts, n, threshold=-plan.margin, error=ERROR)
    losses = _fewest(counts, n, threshold=plan.margin, error=ERROR / plan.rules)
    passing = float((weight * binom.sf(gains - 1, counts, gain)).sum())
    return passing, float((weight * binom.sf(losses - 1, counts, 1 - gain)).sum())


def _fewest(counts: Counts, n: int, *, threshold: float, error: float) -> Counts:
    """For each number m of discordant pairs, the fewest gains that show a mean above the threshold, or m + 1."""
    import numpy as np
    from scipy.special import ndtri

    z = float(ndtri(1 - error))
    below, fewest = np.full(len(counts), -1), counts + 1
    for _ in range(int(counts.max()).bit_length() + 1):
        middle = (below + fewest) // 2
        shown = (_scores(np.maximum(middle, 0), counts, n, threshold) > z) & (middle >= 0)
        below, fewest = np.where(shown, below, middle), np.where(shown, middle, fewest)
    for place, m in enumerate(counts.tolist()):
        if m < FEWEST_DISCORDANT:
            shown_by = (ups for ups in range(m + 1) if _exact_p(ups, m, n, threshold) <= error)
            fewest[place] = next(shown_by, m + 1)
    return fewest


def _exact_p(ups: int, discordant: int, n: int, threshold: float) -> float:
    return difference_above_p(ups, discordant - ups, n, difference=threshold, error=ERROR)


def _scores(ups: Counts, discordant: Counts, n: int, threshold: float) -> NDArray[np.float64]:
    """Vectorized `tango_score`, times the `shrinkage` of `ScoreBounds`."""
    import numpy as np

    downs = discordant - ups
    b = -discordant + (2 * n - ups + downs) * threshold
    share = (np.sqrt(np.maximum(b**2 + 8 * n * downs * threshold * (1 - threshold), 0.0)) - b) / (4 * n)
    variance = n * (2 * share + threshold * (1 - threshold))
    distance = ups - downs - n * threshold
    certain = np.where(distance == 0, 0.0, np.copysign(math.inf, distance))
    score = np.where(variance > 0, distance / np.sqrt(np.where(variance > 0, variance, 1.0)), certain)
    return score * np.sqrt(1 - 1 / np.maximum(discordant, 2))


def probability_of_clearing(n: int, *, rate: float, threshold: float) -> float:
    """Probability that the one-sided 95% lower bound of n independent predictions reaches the threshold.

    Every number of successes is enumerated and decided from its bound.

    Raises:
        ValueError: n is below 1, or the rate or threshold is outside 0 to 1.
    """
    import numpy as np
    from scipy.stats import binom

    if n < 1 or not 0 <= rate <= 1 or not 0 <= threshold <= 1:
        raise ValueError(
            f"n {n}, rate {rate:g}, threshold {threshold:g}: expected n >= 1, and rate and threshold from 0 to 1"
        )
    spread = SPREAD * math.sqrt(n * rate * (1 - rate)) + 1
    successes = np.arange(max(0, math.floor(n * rate - spread)), min(n, math.ceil(n * rate + spread)) + 1)
    clear = lower_bounds(successes, n) >= threshold
    return float(min(1.0, binom.pmf(successes, n, rate)[clear].sum()))


def records_to_clear(rate: float, *, threshold: float, chance: float = POWER) -> int | None:
    """Number of records with which the lower bound reaches the threshold with probability `chance`, to within 1%.

    None if the rate is not above the threshold, or if more than ten million records are needed. The probability
    increases in steps, so it may be slightly lower with a few more records.
    """
    if rate <= threshold:
        return None
    low, high = 0, 16
    while probability_of_clearing(high, rate=rate, threshold=threshold) < chance:
        low, high = high, 2 * high
        if high > MOST_RECORDS:
            return None
    while high - low > max(1, high // 100):
        middle = (low + high) // 2
        low, high = (
            (low, middle)
            if probability_of_clearing(middle, rate=rate, threshold=threshold) >= chance
            else (middle, high)
        )
    return high


def lower_bounds(successes: Counts, n: int) -> Floats:
    """Exact one-sided 95% lower bounds (Clopper & Pearson), as `BinomialBounds.lower`, for an array of successes."""
    import numpy as np
    from scipy.special import betaincinv

    return np.where(successes > 0, betaincinv(np.maximum(successes, 1), n - successes + 1, ERROR), 0.0)
