"""How rows were drawn: which of them belong together, how many others each stands for, and what that does to a variance.

Every estimate of this room that is a smooth function of means takes its variance here, from one influence value a row.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from assay.statistics.conventions import NEGLIGIBLE_DESIGN_EFFECT

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Codes = NDArray[np.intp]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sampling:
    """One entry a row in each field that is given; rows without any are independent and count alike."""

    records: Sequence[Hashable] | None = None
    """Rows of the same record are its epochs."""
    clusters: Sequence[Hashable] | None = None
    """Records of the same customer or conversation; None in a row: a cluster of its own."""
    weights: Sequence[float] | None = None
    """One over the probability that the row came into the sample."""


ALONE = Sampling()


@dataclass(frozen=True)
class Groups:
    """Rows with the weight of each (mean 1) and the group that it shares its luck with: its cluster, else its record."""

    codes: Codes
    weights: Floats
    count: int
    are_clusters: bool
    """Whether a group may hold several records."""
    weighted: bool

    @classmethod
    def of(cls, n: int, sampling: Sampling = ALONE) -> Groups:
        """The groups of n rows.

        Raises:
            ValueError: a field has not n entries, a weight is not a positive number, or a record lies in two clusters.
        """
        import numpy as np

        for name in ("records", "clusters", "weights"):
            entries = getattr(sampling, name)
            if entries is not None and len(entries) != n:
                raise ValueError(f"{name}: one entry a row was expected, {n} rows; found {len(entries)}")
        records = numbered(sampling.records) if sampling.records is not None else np.arange(n, dtype=np.intp)
        codes = records if sampling.clusters is None else _clustered(records, sampling.clusters)
        weights = np.ones(n) if sampling.weights is None else np.asarray(sampling.weights, dtype=np.float64)
        if not (np.isfinite(weights) & (weights > 0)).all():
            raise ValueError("weights: one over a probability above 0 was expected, found one that is not positive")
        together = sampling.clusters is not None and _count(codes) < _count(records)
        uneven = bool(n) and weights.min() < weights.max()
        return cls(codes, weights / weights.mean() if uneven else np.ones(n), _count(codes), together, uneven)

    @classmethod
    def numbered(cls, groups: NDArray[np.integer[Any]], *, records: NDArray[np.integer[Any]]) -> Groups:
        """The groups of rows that count alike, where numbers tell the group and the record of each; nothing is looked up."""
        import numpy as np

        codes = np.unique(groups, return_inverse=True)[1].astype(np.intp)
        count, ordered = _count(codes), np.sort(records)
        alone = count == int((ordered[1:] != ordered[:-1]).sum()) + (len(ordered) > 0)
        return cls(codes, np.ones(len(codes)), count, not alone, False)

    def only(self, kept: NDArray[np.bool_]) -> Groups:
        """The groups of the rows that are kept, which is a domain of the sample."""
        import numpy as np

        codes, weights = np.unique(self.codes[kept], return_inverse=True)[1], self.weights[kept]
        uneven = self.weighted and len(weights) > 0 and bool(weights.min() < weights.max())
        scaled = weights / weights.mean() if uneven else np.ones(len(weights))
        return Groups(codes.astype(np.intp), scaled, _count(codes), self.are_clusters, uneven)

    @property
    def n(self) -> int:
        """Rows."""
        return len(self.codes)

    @cached_property
    def sizes(self) -> Floats:
        """The weight of each group."""
        return self.total(self.weights)

    def total(self, values: Floats) -> Floats:
        """The sum of the values in each group."""
        import numpy as np

        return np.bincount(self.codes, weights=values, minlength=self.count).astype(np.float64)

    def mean(self, values: Floats) -> float:
        """The weighted mean over rows."""
        return float((self.weights * values).sum() / self.n)

    @property
    def equal_groups(self) -> float:
        """How many groups of equal weight would say as much (Kish, Survey Sampling, Wiley 1965, §11.7)."""
        return float(self.sizes.sum() ** 2 / (self.sizes**2).sum())


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """Variance of a weighted mean of influence values."""

    variance: float
    df: float
    """Degrees of freedom of that variance."""
    alone: float
    """What the variance would be if rows were independent and weighed alike."""
    groups: int
    grouped: bool
    """Whether any group has several rows."""
    skewness: float
    """Of the totals of the groups."""

    @property
    def design_effect(self) -> float:
        """How many times the variance of as many independent rows; at least 1."""
        return max(1.0, self.variance / self.alone) if self.alone > 0 else 1.0

    @property
    def negligible(self) -> bool:
        """True where rows in groups vary as independent ones would, as far as can be seen."""
        return (
            self.grouped and self.variance <= (1 + NEGLIGIBLE_DESIGN_EFFECT / math.sqrt(max(self.df, 1.0))) * self.alone
        )

    def half(self, error: float, *, careful: bool = False) -> float:
        """Half a confidence interval for the mean, wrong with probability `error` on each side.

        Student's t on the variance between groups, and never less than the normal interval for independent rows: Korn &
        Graubard (Survey Methodology 24 (1998) 193) bound the effective n in the same way. Unless `careful`, groups with a
        negligible design effect are taken as independent rows; otherwise that floor makes ten groups of independent rows
        cover 97 %. In normal theory the price is 94.5 % at the worst true design effect, between 1.5 and 2.
        """
        from scipy.special import ndtri, stdtrit

        floor = float(ndtri(1 - error)) * math.sqrt(self.alone)
        if self.negligible and not careful:
            return floor
        return max(floor, float(stdtrit(self.df, 1 - error)) * math.sqrt(self.variance)) if self.df > 0 else math.inf


def spread_of(groups: Groups, influence: Floats) -> Spread:
    """Variance of the weighted mean of values that average 0, between groups, with its degrees of freedom.

    The cluster-robust variance CR2 and the Satterthwaite degrees of freedom of Bell & McCaffrey (Survey Methodology 28
    (2002) 169) for a mean, with the within-group correlation that the design effect shows in place of none; at most
    groups - 1, and at most what the kurtosis of the group totals leaves: few groups that differ make for a variance
    that is itself a guess (O'Neill, Am. Stat. 68 (2014) 282). Groups of equal size give the textbook's G/(G-1).
    One group gives no degrees of freedom.
    """
    import numpy as np

    weights, n = groups.weights, groups.n
    own = float((weights * influence**2).sum()) / n
    alone, grouped = own / max(n - 1, 1), groups.count < n
    if groups.count < 2 or own <= 0:
        nothing = math.inf if groups.count < 2 else 0.0
        return Spread(variance=nothing, df=0.0, alone=alone, groups=groups.count, grouped=grouped, skewness=0.0)
    share, totals = groups.sizes / n, groups.total(weights * influence)
    adjusted = 1 / (1 - share)
    variance = float((adjusted * totals**2).sum()) / n**2
    working = _working_variances(groups, variance * n**2 / own)
    df = min(groups.count - 1.0, _satterthwaite(share, working, np.sqrt(adjusted)), _kurtosis_df(totals))
    skewness = float((totals**3).mean() / (totals**2).mean() ** 1.5) if totals.any() else 0.0
    return Spread(variance=variance, df=df, alone=alone, groups=groups.count, grouped=grouped, skewness=skewness)


def _working_variances(groups: Groups, ratio: float) -> Floats:
    """Variance of each group's total under the one correlation within groups that explains the variance found."""
    squares = groups.total(groups.weights**2)
    room = float((groups.sizes**2 - squares).sum())
    correlation = min(1.0, max(0.0, (ratio - float(squares.sum())) / room)) if room > 1e-9 else 0.0
    return (1 - correlation) * squares + correlation * groups.sizes**2


def _kurtosis_df(totals: Floats) -> float:
    """Twice the squared mean over the variance of the estimated variance: the chi-square with the same spread."""
    squares = totals**2
    whole = float(squares.sum())
    room = float((squares**2).sum()) / whole**2 - 1 / len(totals) if whole > 0 else 0.0
    return 2 / room if room > 0 else math.inf


def _satterthwaite(share: Floats, working: Floats, factor: Floats) -> float:
    """(Σλ)²/Σλ² of the quadratic form that estimates the variance, when group totals have the variances `working`.

    The residual totals have covariance  δ_gh v_g - s_h v_g - s_g v_h + s_g s_h Σv, each times both groups' factors; the
    squared norm is summed without the G x G matrix.
    """
    whole = float(working.sum())
    a, b = factor * share, factor * working
    own = factor**2 * working
    diagonal = own - 2 * a * b + a**2 * whole
    off = 2 * float((a**2).sum() * (b**2).sum() + (a * b).sum() ** 2) - 4 * whole * float((a * b).sum() * (a**2).sum())
    off += whole**2 * float((a**2).sum()) ** 2
    cross = 2 * float((own * (-2 * a * b + a**2 * whole)).sum()) + float((own**2).sum())
    norm = off + cross
    return float(diagonal.sum()) ** 2 / norm if norm > 0 else 0.0


def numbered(labels: Sequence[Hashable]) -> Codes:
    """The labels as 0, 1, 2, … in the order of their first appearance."""
    import numpy as np

    seen: dict[Any, int] = {}
    return np.fromiter((seen.setdefault(label, len(seen)) for label in labels), dtype=np.intp, count=len(labels))


def _clustered(records: Codes, clusters: Sequence[Hashable]) -> Codes:
    import numpy as np

    named = [
        ("record", int(record)) if cluster is None else cluster
        for record, cluster in zip(records, clusters, strict=True)
    ]
    codes = numbered(named)
    first = np.full(_count(records), -1, dtype=np.intp)
    first[records[::-1]] = codes[::-1]
    if (first[records] != codes).any():
        raise ValueError("clusters: one cluster for each record was expected, found a record in two")
    return codes


def _count(codes: Codes) -> int:
    return int(codes.max()) + 1 if len(codes) else 0
