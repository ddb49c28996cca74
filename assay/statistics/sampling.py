"""Clusters and weights of the rows of a sample, and the variance of an estimate under them.

Every estimate that is a smooth function of means gets its variance from `spread_of`, with one influence value per row.
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

ROUNDING = 1e-12
"""Relative differences below this value are rounding errors."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sampling:
    """Clusters and weights of a sample's rows.

    Each field that is set has one entry per row; by default, rows are independent and have equal weights.
    """

    records: Sequence[Hashable] | None = None
    """Record of each row; several rows of one record are its epochs."""
    clusters: Sequence[Hashable] | None = None
    """Cluster of each row, such as a customer or conversation; None makes the record a separate cluster."""
    weights: Sequence[float] | None = None
    """Inverse of the probability that the row was drawn."""


INDEPENDENT = Sampling()


@dataclass(frozen=True)
class Groups:
    """Weight (mean 1) and group of each row; a group is a cluster, or a record if there are no clusters."""

    codes: Codes
    weights: Floats
    count: int
    are_clusters: bool
    """True if a group may hold several records."""
    weighted: bool

    @classmethod
    def of(cls, n: int, sampling: Sampling = INDEPENDENT) -> Groups:
        """The groups of n rows.

        Raises:
            ValueError: a field does not have n entries, a weight is not positive, or a record is in two clusters.
        """
        import numpy as np

        for name in ("records", "clusters", "weights"):
            entries = getattr(sampling, name)
            if entries is not None and len(entries) != n:
                raise ValueError(f"{name}: expected one entry per row ({n}), found {len(entries)}")
        records = numbered(sampling.records) if sampling.records is not None else np.arange(n, dtype=np.intp)
        codes = records if sampling.clusters is None else _clustered(records, sampling.clusters)
        weights = np.ones(n) if sampling.weights is None else np.asarray(sampling.weights, dtype=np.float64)
        if not (np.isfinite(weights) & (weights > 0)).all():
            raise ValueError("weights: expected positive finite numbers, found another value")
        together = sampling.clusters is not None and _count(codes) < _count(records)
        uneven = bool(n) and weights.min() < weights.max()
        return cls(
            codes,
            weights / weights.mean() if uneven else np.ones(n),
            _count(codes),
            are_clusters=together,
            weighted=uneven,
        )

    @classmethod
    def numbered(cls, groups: NDArray[np.integer[Any]], *, records: NDArray[np.integer[Any]]) -> Groups:
        """The groups of rows with equal weights, from the group and the record of each row as integers."""
        import numpy as np

        codes = np.unique(groups, return_inverse=True)[1].astype(np.intp)
        count, ordered = _count(codes), np.sort(records)
        one_record_each = count == int((ordered[1:] != ordered[:-1]).sum()) + (len(ordered) > 0)
        return cls(codes, np.ones(len(codes)), count, are_clusters=not one_record_each, weighted=False)

    def only(self, kept: NDArray[np.bool_]) -> Groups:
        """The groups of the rows for which `kept` is true: a domain of the sample."""
        import numpy as np

        codes, weights = np.unique(self.codes[kept], return_inverse=True)[1], self.weights[kept]
        uneven = self.weighted and len(weights) > 0 and bool(weights.min() < weights.max())
        scaled = weights / weights.mean() if uneven else np.ones(len(weights))
        return Groups(codes.astype(np.intp), scaled, _count(codes), self.are_clusters, uneven)

    @property
    def n(self) -> int:
        """Number of rows."""
        return len(self.codes)

    @cached_property
    def sizes(self) -> Floats:
        """Total weight of each group."""
        return self.total(self.weights)

    def total(self, values: Floats) -> Floats:
        """The sum of the values in each group."""
        import numpy as np

        return np.bincount(self.codes, weights=values, minlength=self.count).astype(np.float64)

    def net(self, values: Floats) -> Floats:
        """The weighted sum of the values in each group; exactly 0 where they cancel except for rounding errors."""
        import numpy as np

        weighted = self.weights * values
        totals = self.total(weighted)
        return np.where(np.abs(totals) <= ROUNDING * self.total(np.abs(weighted)), 0.0, totals)

    def mean(self, values: Floats) -> float:
        """The weighted mean over rows."""
        return float((self.weights * values).sum() / self.n)

    @property
    def largest_share(self) -> float:
        """Share of the total weight in the largest group."""
        return float(self.sizes.max() / self.sizes.sum())

    @property
    def equal_groups(self) -> float:
        """Effective number of groups of equal weight (Kish, Survey Sampling, Wiley 1965, §11.7)."""
        return float(self.sizes.sum() ** 2 / (self.sizes**2).sum())


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """Variance of a weighted mean of influence values."""

    variance: float
    df: float
    """Degrees of freedom of the variance."""
    independent_variance: float
    """The variance if rows were independent and had equal weights."""
    groups: int
    grouped: bool
    """True if any group has several rows."""
    skewness: float
    """Skewness of the group totals."""

    @property
    def design_effect(self) -> float:
        """Variance divided by the variance of the same number of independent rows; at least 1."""
        return max(1.0, self.variance / self.independent_variance) if self.independent_variance > 0 else 1.0

    @property
    def negligible(self) -> bool:
        """True if the data show no correlation within groups: the design effect is about 1."""
        limit = 1 + NEGLIGIBLE_DESIGN_EFFECT / math.sqrt(max(self.df, 1.0))
        return self.grouped and self.variance <= limit * self.independent_variance

    def half(self, error: float, *, conservative: bool = False) -> float:
        """Half-width of a confidence interval for the mean, with error rate `error` on each side.

        Student's t on the variance between groups, but never narrower than the normal interval for independent rows:
        Korn & Graubard (Survey Methodology 24 (1998) 193) limit the effective n in the same way. Unless `conservative`,
        groups with a negligible design effect are treated as independent rows: otherwise ten groups of independent rows
        have a coverage of 97%. Under normality, this lowers the coverage to 94.5% at the worst true design effect,
        which is between 1.5 and 2.
        """
        from scipy.special import ndtri, stdtrit

        floor = float(ndtri(1 - error)) * math.sqrt(self.independent_variance)
        if self.negligible and not conservative:
            return floor
        return max(floor, float(stdtrit(self.df, 1 - error)) * math.sqrt(self.variance)) if self.df > 0 else math.inf


def means_by_record(values: Floats, records: Codes, *, count: int) -> Floats:
    """The mean of each record's values, of which each has the number of its record, from 0 to `count` - 1.

    A record without a value, or with one that is NaN, is NaN.
    """
    import numpy as np

    sums, counts = np.bincount(records, weights=values, minlength=count), np.bincount(records, minlength=count)
    return np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)


def centered(values: Floats, mean: float) -> Floats:
    """The values minus their mean; exactly 0 for values that equal it except for rounding errors."""
    import numpy as np

    left = values - mean
    return np.where(np.abs(left) <= ROUNDING * float(np.abs(values).max(initial=0.0)), 0.0, left)


def majority(values: Floats, *, tolerance: float) -> float | None:
    """The value that more than half of one or more values have within the tolerance; None if there is none."""
    import numpy as np

    median = float(np.sort(values)[len(values) // 2])
    return median if 2 * int((np.abs(values - median) <= tolerance).sum()) > len(values) else None


def spread_of(groups: Groups, influence: Floats) -> Spread:
    """Variance between groups of the weighted mean of values that average 0, with its degrees of freedom.

    The cluster-robust variance CR2 and the Satterthwaite degrees of freedom of Bell & McCaffrey (Survey Methodology 28
    (2002) 169) for a mean, with the within-group correlation that the design effect implies instead of 0. The degrees
    of freedom are at most groups - 1, and at most the number that the kurtosis of the group totals implies, because a
    few extreme groups make the variance itself uncertain (O'Neill, Am. Stat. 68 (2014) 282). If groups have equal size,
    the variance has the usual factor G/(G-1). One group has no degrees of freedom.
    """
    import numpy as np

    weights, n = groups.weights, groups.n
    own = float((weights * influence**2).sum()) / n
    independent, grouped = own / max(n - 1, 1), groups.count < n
    if groups.count < 2 or own <= 0:
        unknown = math.inf if groups.count < 2 else 0.0
        return Spread(
            variance=unknown,
            df=0.0,
            independent_variance=independent,
            groups=groups.count,
            grouped=grouped,
            skewness=0.0,
        )
    share, totals = groups.sizes / n, groups.net(influence)
    adjusted = 1 / (1 - share)
    variance = float((adjusted * totals**2).sum()) / n**2
    working = _working_variances(groups, variance * n**2 / own)
    df = min(groups.count - 1.0, _satterthwaite(share, working, np.sqrt(adjusted)), _kurtosis_df(totals))
    skewness = float((totals**3).mean() / (totals**2).mean() ** 1.5) if totals.any() else 0.0
    return Spread(
        variance=variance,
        df=df,
        independent_variance=independent,
        groups=groups.count,
        grouped=grouped,
        skewness=skewness,
    )


def _working_variances(groups: Groups, ratio: float) -> Floats:
    """Variance of each group's total if a single within-group correlation explains the estimated variance."""
    squares = groups.total(groups.weights**2)
    off_diagonal = float((groups.sizes**2 - squares).sum())
    excess = ratio - float(squares.sum())
    correlation = min(1.0, max(0.0, excess / off_diagonal)) if off_diagonal > 1e-9 else 0.0
    return (1 - correlation) * squares + correlation * groups.sizes**2


def _kurtosis_df(totals: Floats) -> float:
    """Degrees of freedom of the chi-square distribution with the relative variance of the estimated variance."""
    squares = totals**2
    total = float(squares.sum())
    relative_variance = float((squares**2).sum()) / total**2 - 1 / len(totals) if total > 0 else 0.0
    return 2 / relative_variance if relative_variance > 0 else math.inf


def _satterthwaite(share: Floats, working: Floats, factor: Floats) -> float:
    """(Σλ)²/Σλ² of the quadratic form that estimates the variance, if group totals have the variances `working`.

    The residual totals have covariance δ_gh v_g - s_h v_g - s_g v_h + s_g s_h Σv, times the factors of both groups. The
    squared norm is computed without building the G x G matrix.
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
    """The labels as integers 0, 1, 2, … in order of first appearance."""
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
        raise ValueError("clusters: expected one cluster per record, found a record in two")
    return codes


def _count(codes: Codes) -> int:
    return int(codes.max()) + 1 if len(codes) else 0
