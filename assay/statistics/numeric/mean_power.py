"""Power of a gate rule on a mean: the probability that its one-sided bound meets the limit."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from assay.statistics.conventions import (
    ERROR,
    FEWEST_CLUSTERS,
    FEWEST_MEASURED,
    MEAN_ERROR_SHARE,
    MOST_RECORDS,
    POWER,
)
from assay.statistics.measured import Status
from assay.statistics.numeric.means import ScoreScale, gate_mean
from assay.statistics.sampling import ROUNDING, Sampling, numbered

if TYPE_CHECKING:
    from assay.statistics.sampling import Codes, Floats

FAR = 20.0
"""Standard errors beyond the quantile from which the probability is 0 or 1 to ten digits."""
SAMPLES, SEARCH_SAMPLES, SEED = 2_000, 400, 0
"""Resamples of landed scores for a probability, and for each step of a search; the seed."""
MOST_RESAMPLED = 20_000
"""Largest number of records of a resample; with more, the mean is close to normal."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NormalScores:
    """Normal scores with a standard deviation, and a limit at `distance` from their mean, positive if the mean meets it.

    `cluster_size` is the number of records per cluster of equal weight, None for records without clusters. `is_scaled` is
    true for scores with a known range, whose mean has the bounds of a rate.

    Raises:
        ValueError: the standard deviation or the design effect is out of range.
    """

    distance: float
    sd: float
    error: float = ERROR
    cluster_size: float | None = None
    design_effect: float = 1.0
    is_scaled: bool = False

    def __post_init__(self) -> None:
        if not 0 < self.sd < math.inf or self.design_effect < 1:
            raise ValueError(
                f"sd {self.sd:g}: expected a positive standard deviation, and a design effect of at least 1"
            )

    @property
    def fewest(self) -> int:
        """Number of records or equal clusters below which the rule is inconclusive."""
        return FEWEST_CLUSTERS if self.is_scaled else FEWEST_MEASURED

    def passing(self, n: int) -> float:
        """Probability that the bound of the mean of n records is beyond the limit.

        The bound is that of `MeanBounds` for numbers without skewness: Student's t at `MEAN_ERROR_SHARE` of the error rate,
        so the probability is that of the noncentral t. With a known range, it is at the whole error rate.
        """
        from scipy.special import nctdtr, stdtrit

        groups = n if self.cluster_size is None else math.floor(n / self.cluster_size + ROUNDING)
        if groups < self.fewest:
            return 0.0
        shift = self.distance / (self.sd * math.sqrt(self.design_effect / n))
        quantile = float(stdtrit(groups - 1, 1 - self.error * (1 if self.is_scaled else MEAN_ERROR_SHARE)))
        if abs(shift) > quantile + FAR:
            return float(shift > 0)
        return 1 - float(nctdtr(groups - 1, shift, quantile))

    def records(self, *, chance: float = POWER) -> int | None:
        """Number of records with which the bound meets the limit with probability `chance`.

        None if no number does, or more than ten million are needed.
        """
        if self.distance <= 0:
            return None
        return _fewest_records(self.passing, start=math.ceil(self.fewest * (self.cluster_size or 1)), chance=chance)


@dataclass(frozen=True, kw_only=True)
class LandedScores:
    """Scores of a run, of which samples are drawn and decided as the gate decides (`gate_mean`).

    `values` has one score per output, NaN if unscored, with its record and cluster (None: a separate one). Whole records
    or clusters are drawn with replacement. The numbers are shifted by `shift`; the mean must be at least `limit`, or at most if
    `is_at_most`.
    """

    values: tuple[float, ...]
    records: tuple[int, ...]
    clusters: tuple[int | None, ...]
    limit: float
    is_at_most: bool = False
    shift: float = 0.0
    scale: ScoreScale | None = None
    error: float = ERROR

    def passing(self, n: int, *, samples: int = SAMPLES) -> float:
        """Share of samples of n records, or of the number of clusters with about n records, that meet the limit."""
        import numpy as np

        random, (units, size) = np.random.default_rng(SEED), self._units
        passing, count = 0, max(1, round(n / size))
        for _ in range(samples):
            drawn = [units[place] for place in random.integers(0, len(units), count).tolist()]
            passing += self._passes(drawn)
        return passing / samples

    def records_to_pass(self, *, chance: float = POWER) -> int | None:
        """Number of records that pass with probability `chance`, to within about 5%; None above `MOST_RESAMPLED`."""

        def passing(n: int) -> float:
            return self.passing(n, samples=SEARCH_SAMPLES)

        return _fewest_records(passing, start=FEWEST_MEASURED, chance=chance, most=MOST_RESAMPLED, nearest=50)

    @cached_property
    def _units(self) -> tuple[list[tuple[Floats, Codes]], float]:
        """The scores of each cluster with the numbers of their records, and the mean number of records."""
        import numpy as np

        values = np.array(self.values) + self.shift
        pairs = zip(self.records, self.clusters, strict=True)
        codes = numbered([("record", record) if cluster is None else cluster for record, cluster in pairs])
        records = numbered(self.records)
        order = np.argsort(codes)
        cuts = np.flatnonzero(np.diff(codes[order])) + 1
        units = zip(np.split(values[order], cuts), np.split(records[order], cuts), strict=True)
        return list(units), (int(records.max()) + 1) / (int(codes.max()) + 1)

    def _passes(self, drawn: Sequence[tuple[Floats, Codes]]) -> bool:
        import numpy as np

        place = np.repeat(np.arange(len(drawn)), [len(values) for values, _ in drawn])
        records = np.concatenate([records for _, records in drawn])
        has_clusters = any(cluster is not None for cluster in self.clusters)
        keys = (place * (int(records.max()) + 1) + records).tolist()
        several = has_clusters or len(set(keys)) < len(keys)
        sampling = Sampling(records=keys if several else None, clusters=place.tolist() if has_clusters else None)
        found = gate_mean(np.concatenate([values for values, _ in drawn]).tolist(), sampling, scale=self.scale)
        if found.bounds is None or found.measured.status in {Status.INCONCLUSIVE, Status.NONE}:
            return False
        if self.is_at_most:
            return found.bounds.upper(self.error) <= self.limit
        return found.bounds.lower(self.error) >= self.limit


def _fewest_records(
    passing: Callable[[int], float], *, start: int, chance: float, most: int = MOST_RECORDS, nearest: int = MOST_RECORDS
) -> int | None:
    """The number of records that pass with probability `chance`, to within 1 / `nearest`; None above `most`."""
    low, high = 0, start
    while passing(high) < chance:
        low, high = high, 2 * high
        if high > most:
            return None
    while low and high - low > max(1, high // nearest):
        middle = (low + high) // 2
        low, high = (low, middle) if passing(middle) >= chance else (middle, high)
    return high
