"""Power of a comparison and of a lower-bound rule: records needed, and probability of each verdict.

The probabilities are those of the bounds that a gate uses (`paired_bounds.py`, `rate_bounds.py`): enumerated for
independent records, simulated for clusters.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING

from assay.statistics.conventions import ERROR, FEWEST_CLUSTERS, FEWEST_DISCORDANT, MOST_RECORDS, POWER
from assay.statistics.differences import binary_bounds
from assay.statistics.exact_tests import difference_above_p
from assay.statistics.measured import Status
from assay.statistics.rate_bounds import bounds_of
from assay.statistics.rates import undecided_clusters
from assay.statistics.sampling import Groups

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Counts = NDArray[np.int64]

SPREAD = 6.0
"""Range of the sums over the number of discordant pairs or of successes, in standard deviations."""
SAMPLES, SEARCH_SAMPLES, SEED, TINY = 2_000, 400, 0, 1e-300
"""Simulated samples of a clustered plan, and of each step of a search; the seed."""
MOST_SIMULATED = 20_000
"""Largest number of records of a simulated plan; with more, the bounds are close to Student's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A planned comparison: `n` records, the share on which the variants differ, and the no-regression margin.

    `difference` is the true difference, candidate minus champion. `rules` is the number of tested rules of the gate:
    the FAIL of one rule is adjusted for all of them. `error` is the largest p-value with which the rule passes.
    Clustered records have the number of `clusters` and a design effect of at least 1; `sizes` has the number of records
    of each cluster, and is empty if they are equal.

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
    sizes: tuple[int, ...] = ()
    error: float = ERROR

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


def records_to_pass(plan: Plan, *, chance: float = POWER) -> int | None:
    """Number of records with which the plan passes with probability `chance`; None if ten million do not suffice.

    To within 1%; with clusters, about 5%, because the probabilities are simulated. Larger plans have more clusters of the same size.
    """
    if plan.difference <= -plan.margin:
        return None
    clustered = plan.clusters is not None or plan.design_effect > 1
    samples = SEARCH_SAMPLES if clustered else SAMPLES

    def passing(n: int) -> float:
        return verdict_probabilities(_resized(plan, n), samples=samples).passing

    return _fewest_records(passing, start=64, chance=chance, nearest=50 if clustered else 100)


def _fewest_records(passing: Callable[[int], float], *, start: int, chance: float, nearest: int) -> int | None:
    """The number of records that pass with probability `chance`, to within 1 / `nearest`; None above `MOST_RECORDS`."""
    low, high = 0, start
    while passing(high) < chance:
        low, high = high, 2 * high
        if high > MOST_RECORDS:
            return None
    while high - low > max(1, high // nearest):
        middle = (low + high) // 2
        low, high = (low, middle) if passing(middle) >= chance else (middle, high)
    return high


def verdict_probabilities(plan: Plan, *, samples: int = SAMPLES) -> VerdictProbabilities:
    """Probabilities that the no-regression rule passes, fails or is inconclusive.

    Independent binary pairs: every outcome is enumerated and decided from its bounds. Clusters: drawn samples are
    decided from their bounds (`samples` of them, see `_simulated`); above `MOST_SIMULATED` records, noncentral Student's t.
    """
    if plan.clusters is None and plan.design_effect == 1:
        passing, failing = _enumerated(plan)
    else:
        passing, failing = _simulated(plan, samples) if plan.n <= MOST_SIMULATED else _student(plan)
    return VerdictProbabilities(passing=passing, failing=failing, inconclusive=max(0.0, 1 - passing - failing))


def _resized(plan: Plan, n: int) -> Plan:
    return replace(plan, n=n, clusters=_resized_clusters(plan, n))


def _resized_clusters(plan: Plan | RateSample, n: int) -> int | None:
    return max(2, round(plan.clusters * n / plan.n)) if plan.clusters is not None else None


def _student(plan: Plan) -> tuple[float, float]:
    from scipy.special import stdtrit
    from scipy.stats import nct

    clusters = plan.clusters or plan.n
    if clusters < FEWEST_CLUSTERS:
        return 0.0, 0.0
    if plan.standard_error == 0:
        return float(plan.difference > -plan.margin), float(plan.difference < -plan.margin)
    df, apart = clusters - 1.0, (plan.difference + plan.margin) / plan.standard_error
    passing = nct.sf(stdtrit(df, 1 - plan.error), df, apart)
    return float(passing), float(nct.cdf(stdtrit(df, ERROR / plan.rules), df, apart))


@lru_cache(maxsize=256)
def _simulated(plan: Plan, samples: int) -> tuple[float, float]:
    """Shares of drawn samples that pass and fail; the standard error of 2,000 samples is about one point.

    The design effect implies the intraclass correlation, but not how clusters differ. Half of the samples have shares
    of gains and losses that vary between clusters (Dirichlet-multinomial); in the other half, some records of a cluster
    have one outcome in common. The two differ by up to 12 points. Without clusters, records are in the smallest
    clusters that can have the design effect.
    """
    import numpy as np

    random = np.random.default_rng(SEED)
    groups, correlation = _clustered(plan)
    codes = groups.codes
    shares = [(plan.discordance + plan.difference) / 2, (plan.discordance - plan.difference) / 2, 1 - plan.discordance]
    passing = failing = 0
    for sample in range(samples):
        draw = (_varying, _in_common)[sample % 2]
        differences = draw(random, np.array(shares), codes, correlation)
        bounds, status = binary_bounds(differences, groups)
        if status is not Status.INCONCLUSIVE:
            passing += bounds.p_above(-plan.margin) < plan.error
            failing += bounds.p_below(-plan.margin) * plan.rules <= ERROR
    return passing / samples, failing / samples


def _clustered(plan: Plan | RateSample) -> tuple[Groups, float]:
    """The clusters of a plan's records, and the intraclass correlation that gives the design effect.

    More or fewer clusters than `sizes` have its quantiles. The correlation follows from Kish's design effect of means.
    """
    import numpy as np

    clusters = plan.clusters or max(2, plan.n // math.ceil(plan.design_effect))
    sizes = np.full(clusters, plan.n // clusters) + (np.arange(clusters) < plan.n % clusters)
    if plan.sizes:
        sizes = np.sort(plan.sizes)[((np.arange(clusters) + 0.5) * len(plan.sizes) / clusters).astype(np.intp)]
    codes = np.repeat(np.arange(clusters), sizes)
    excess = plan.design_effect - 1
    correlation = min(1.0, excess / max(float((sizes**2).sum()) / len(codes) - 1, excess, TINY))
    return Groups.numbered(codes, records=np.arange(len(codes))), correlation


def _varying(random: np.random.Generator, shares: Floats, codes: Counts, correlation: float) -> Floats:
    """A gain (1), loss (-1) or tie (0) for each record, whose probabilities vary between clusters."""
    import numpy as np

    if not 0 < correlation < 1:
        return _in_common(random, shares, codes, correlation)
    own = random.standard_gamma(shares * (1 - correlation) / correlation, size=(int(codes[-1]) + 1, 3)) + TINY
    own /= own.sum(axis=1, keepdims=True)
    place = random.random(len(codes))
    gained = place < own[codes, 0]
    lost = ~gained & (place < own[codes, 0] + own[codes, 1])
    drawn: Floats = gained.astype(np.float64) - lost
    return drawn


def _in_common(random: np.random.Generator, shares: Floats, codes: Counts, correlation: float) -> Floats:
    """A gain (1), loss (-1) or tie (0) for each record, its own or, with a fixed probability, that of its cluster."""
    import numpy as np

    of_cluster, own = (random.choice([1.0, -1.0, 0.0], n, p=shares) for n in (int(codes[-1]) + 1, len(codes)))
    drawn: Floats = np.where(random.random(len(codes)) < math.sqrt(correlation), of_cluster[codes], own)
    return drawn


def _enumerated(plan: Plan) -> tuple[float, float]:
    """Probabilities of PASS and FAIL, computed from the fewest gains that decide each number of discordant pairs."""
    import numpy as np
    from scipy.stats import binom

    n, share = plan.n, plan.discordance
    spread = SPREAD * math.sqrt(n * share * (1 - share)) + 1
    counts = np.arange(max(0, math.floor(n * share - spread)), min(n, math.ceil(n * share + spread)) + 1)
    gain = (share + plan.difference) / (2 * share) if share else 0.5
    weight = binom.pmf(counts, n, share)
    gains = _fewest(counts, n, threshold=-plan.margin, error=plan.error)
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


def probability_of_clearing(n: int, *, rate: float, threshold: float, error: float = ERROR) -> float:
    """Probability that the lower bound of n independent predictions, at this error rate, reaches the threshold.

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
    clear = lower_bounds(successes, n, error=error) >= threshold
    return float(min(1.0, binom.pmf(successes, n, rate)[clear].sum()))


@dataclass(frozen=True, slots=True, kw_only=True)
class RateSample:
    """Planned records of which each succeeds with probability `rate`, and their clusters, as in `Plan`."""

    n: int
    rate: float
    clusters: int | None = None
    design_effect: float = 1.0
    sizes: tuple[int, ...] = ()

    @property
    def is_clustered(self) -> bool:
        """True if the gate treats the records as clusters."""
        return (self.clusters is not None and self.clusters < self.n) or self.design_effect > 1


def probability_of_rate(sample: RateSample, *, threshold: float, error: float = ERROR, samples: int = SAMPLES) -> float:
    """Probability that the gate's lower bound of a rate, at this error rate, reaches the threshold.

    Independent records: enumerated. Clusters: drawn samples are decided as the gate decides (`_simulated_rate`); above
    `MOST_SIMULATED` records, noncentral Student's t.
    """
    from scipy.special import stdtrit
    from scipy.stats import nct

    if not sample.is_clustered:
        return probability_of_clearing(sample.n, rate=sample.rate, threshold=threshold, error=error)
    if sample.n <= MOST_SIMULATED:
        return _simulated_rate(sample, threshold, error, samples)
    clusters = sample.clusters or sample.n // math.ceil(sample.design_effect)
    deviation = math.sqrt(sample.rate * (1 - sample.rate) * sample.design_effect / sample.n)
    if clusters < FEWEST_CLUSTERS or deviation == 0:
        return float(clusters >= FEWEST_CLUSTERS and sample.rate > threshold)
    quantile = stdtrit(clusters - 1.0, 1 - error)
    return float(nct.sf(quantile, clusters - 1.0, (sample.rate - threshold) / deviation))


@lru_cache(maxsize=256)
def _simulated_rate(sample: RateSample, threshold: float, error: float, samples: int) -> float:
    """Share of drawn samples whose lower bound reaches the threshold; rates vary between clusters (beta-binomial)."""
    import numpy as np

    random = np.random.default_rng(SEED)
    groups, correlation = _clustered(sample)
    if undecided_clusters(groups) is not None:
        return 0.0
    own, passing = np.full(groups.count, sample.rate), 0
    for _ in range(samples):
        if correlation == 1:
            own = (random.random(groups.count) < sample.rate).astype(np.float64)
        elif correlation > 0 and 0 < sample.rate < 1:
            weight = (1 - correlation) / correlation
            own = random.beta(sample.rate * weight, (1 - sample.rate) * weight, groups.count)
        values = (random.random(groups.n) < own[groups.codes]).astype(np.float64)
        passing += bounds_of(values, groups).lower(error) >= threshold
    return passing / samples


def records_to_clear(
    sample: RateSample, *, threshold: float, chance: float = POWER, error: float = ERROR
) -> int | None:
    """Number of records with which the lower bound reaches the threshold with probability `chance`, to within 1%.

    With clusters, to within about 5%; larger plans have more clusters of the same sizes. None if the rate is not above
    the threshold, or if more than ten million records are needed. The probability increases in steps, so it may be
    slightly lower with a few more records.
    """
    if sample.rate <= threshold:
        return None

    def passing(n: int) -> float:
        resized = replace(sample, n=n, clusters=_resized_clusters(sample, n))
        return probability_of_rate(resized, threshold=threshold, error=error, samples=SEARCH_SAMPLES)

    return _fewest_records(passing, start=16, chance=chance, nearest=50 if sample.is_clustered else 100)


def lower_bounds(successes: Counts, n: int, *, error: float = ERROR) -> Floats:
    """Exact one-sided lower bounds (Clopper & Pearson), as `BinomialBounds.lower`, for an array of successes."""
    import numpy as np
    from scipy.special import betaincinv

    return np.where(successes > 0, betaincinv(np.maximum(successes, 1), n - successes + 1, error), 0.0)
