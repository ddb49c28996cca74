"""Chance-corrected agreement of two or more raters, with confidence intervals.

Rows are items. Every coefficient is 1 - observed disagreement / expected disagreement. Its interval is the interval of
the observed disagreement at its effective n (`rates.score_at_effective_n`), divided by the expected disagreement. It
accounts for weights and clusters, never exceeds 1, and has a positive width even if raters agree perfectly, unlike
Wald's interval.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

from assay.statistics.conventions import LEVEL
from assay.statistics.measured import Measured, unmeasured
from assay.statistics.rates import score_at_effective_n
from assay.statistics.sampling import INDEPENDENT, Groups, Sampling

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Codes = NDArray[np.intp]

Weighting = Literal["nominal", "linear", "quadratic"]
Metric = Literal["nominal", "ordinal", "interval", "ratio"]
MOST_VALUES = 2_000
"""Maximum number of distinct values; the table of their pairs grows with the square of this number."""
ONE_CATEGORY = "all labels are the same, so that chance agreement is 100%"


@dataclass(frozen=True, slots=True)
class Scale:
    """Distances between the categories of Cohen's kappa. By default, the categories are the labels found, ascending."""

    weighting: Weighting = "nominal"
    categories: tuple[Any, ...] | None = None


NOMINAL = Scale()


def cohens_kappa(
    first: Sequence[Hashable | None],
    second: Sequence[Hashable | None],
    *,
    scale: Scale = NOMINAL,
    sampling: Sampling = INDEPENDENT,
    level: float = LEVEL,
) -> Measured:
    """Cohen's kappa of two raters over the items that both labeled, weighted as the scale states.

    Cohen, Educ. Psychol. Meas. 20 (1960) 37 and Psychol. Bull. 70 (1968) 213; the variance follows Fleiss, Cohen &
    Everitt (Psychol. Bull. 72 (1969) 323), linearized to account for weights and clusters.

    Raises:
        ValueError: the sequences differ in length, or a label is not among the scale's categories.
    """
    import numpy as np

    if len(first) != len(second):
        raise ValueError(f"second: expected one label per item ({len(first)}), found {len(second)}")
    both = np.array([not (missing(a) or missing(b)) for a, b in zip(first, second, strict=True)], dtype=bool)
    groups = Groups.of(len(first), sampling)
    if not both.any():
        return unmeasured("no item has both labels", level=level)
    groups = groups.only(both)
    kept = [(a, b) for a, b, keep in zip(first, second, both, strict=True) if keep]
    categories = scale.categories or ordered([label for pair in kept for label in pair])
    one, other = (codes_of([pair[i] for pair in kept], categories) for i in (0, 1))
    apart = _apart(len(categories), scale.weighting)
    row, column = (_shares(groups, codes, len(categories)) for codes in (one, other))
    distance = apart[one, other]
    expected_one, expected_other = apart @ column, row @ apart
    chance = float(row @ apart @ column)
    expected = expected_one[one] + expected_other[other] - 2 * chance
    found = _Coefficient(groups.mean(distance), chance, distance - groups.mean(distance), expected)
    return found.measured(groups, level=level)


def krippendorffs_alpha(
    ratings: Sequence[Sequence[Any]],
    *,
    metric: Metric = "nominal",
    sampling: Sampling = INDEPENDENT,
    level: float = LEVEL,
) -> Measured:
    """Krippendorff's alpha for any number of raters. Ratings of an item may be in any order; None is a missing rating.

    Krippendorff, Content Analysis (Sage, 4th ed. 2019), ch. 12. Items with fewer than two ratings are omitted. The
    variance is linearized over items, including the dependence of the ordinal metric on the ratings. The nominal metric
    accepts any labels, the ordinal metric labels that sort in ascending order, and the other metrics numbers.

    Raises:
        ValueError: there are more than 2,000 distinct values, or ratings that do not fit the metric.
    """
    import numpy as np

    table, kept = _Ratings.of(ratings, least=2)
    groups = Groups.of(len(ratings), sampling)
    if not kept.any():
        return unmeasured("no item has two ratings", level=level)
    groups, size = groups.only(kept), table.counts
    whole, met = float((groups.weights * size).sum()), table.coincidences(groups.weights)
    totals = met.sum(axis=1)
    apart = _distances(table.categories, totals, metric)
    widest = float(apart.max())
    possible = whole * (whole - 1)
    observed, chance = float((met * apart).sum()) / whole, float(totals @ apart @ totals) / possible
    if chance <= 0:
        return unmeasured(ONE_CATEGORY, level=level, n=groups.n)
    own = table.within(apart) - observed * size
    expected = 2 * table.sum_of(apart @ totals) / possible - chance * (2 * whole - 1) * size / possible
    own, expected = own * groups.n / whole, expected * groups.n
    if metric == "ordinal":
        own = own + table.sum_of(_pull_on_ranks(met / whole, totals)) * groups.n
        expected = expected + table.sum_of(_pull_on_ranks(np.outer(totals, totals) / possible, totals)) * groups.n
    found = _Coefficient(observed / widest, chance / widest, own / widest, expected / widest)
    return found.measured(groups, level=level)


def gwets_ac1(
    ratings: Sequence[Sequence[Any]],
    *,
    categories: tuple[Any, ...] | None = None,
    sampling: Sampling = INDEPENDENT,
    level: float = LEVEL,
) -> Measured:
    """Gwet's AC1 for any number of raters; unlike kappa, it stays high if nearly all labels fall in one category.

    Gwet, Br. J. Math. Stat. Psychol. 61 (2008) 29. Chance agreement is computed over the given categories; by default
    these are the categories found in the ratings.
    """
    import numpy as np

    table, kept = _Ratings.of(ratings, least=1, categories=categories)
    groups = Groups.of(len(ratings), sampling)
    if not (table.counts > 1).any():
        return unmeasured("no item has two ratings", level=level)
    if len(table.categories) < 2:
        return unmeasured(ONE_CATEGORY, level=level, n=int((table.counts > 1).sum()))
    groups = groups.only(kept)
    several = table.counts > 1
    share, used = _of_several(groups, several, table.disagreement())
    spread = len(table.categories) - 1
    prevalence = np.array([groups.mean(table.sum_of(hit) / table.counts) for hit in np.eye(spread + 1)])
    chance = 1 - float((prevalence * (1 - prevalence)).sum()) / spread
    expected = -table.sum_of(1 - 2 * prevalence) / table.counts
    found = _Coefficient(share, chance, used, (expected - groups.mean(expected)) / spread)
    return replace(found.measured(groups, level=level), n=int(several.sum()))


def percent_agreement(
    ratings: Sequence[Sequence[Any]], *, sampling: Sampling = INDEPENDENT, level: float = LEVEL
) -> Measured:
    """Share of rating pairs that agree within an item, averaged over the items with at least two ratings."""
    import numpy as np

    table, kept = _Ratings.of(ratings, least=2)
    if not kept.any():
        return unmeasured("no item has two ratings", level=level)
    groups, apart = Groups.of(len(ratings), sampling).only(kept), table.disagreement()
    share = groups.mean(apart)
    return _Coefficient(share, 1.0, apart - share, np.zeros(len(apart))).measured(groups, level=level)


@dataclass(frozen=True)
class _Coefficient:
    """1 - observed / chance, with the influence of each item on both terms."""

    observed: float
    chance: float
    own: Floats
    expected: Floats

    def measured(self, groups: Groups, *, level: float) -> Measured:
        """The coefficient with its interval; no value if the expected disagreement is 0."""
        if self.chance <= 0:
            return unmeasured(ONE_CATEGORY, level=level, n=groups.n)
        influence = self.own - self.observed / self.chance * self.expected
        observed = min(1.0, max(0.0, self.observed))
        found = score_at_effective_n(observed, groups, influence=influence - groups.mean(influence), level=level)
        low, high = (None if bound is None else 1 - bound / self.chance for bound in (found.high, found.low))
        error = None if found.standard_error is None else found.standard_error / self.chance
        return replace(found, value=1 - self.observed / self.chance, low=low, high=high, standard_error=error)


@dataclass(frozen=True)
class _Ratings:
    """Ratings as category codes: one row per item, -1 for a missing rating; includes only items with enough ratings."""

    codes: Codes
    categories: tuple[Any, ...]
    counts: Floats

    @classmethod
    def of(
        cls, ratings: Sequence[Sequence[Any]], *, least: int, categories: tuple[Any, ...] | None = None
    ) -> tuple[_Ratings, NDArray[np.bool_]]:
        """The items with at least `least` ratings, and a mask of these items among all items."""
        import numpy as np

        items = [[label for label in item if not missing(label)] for item in ratings]
        kept = np.array([len(item) >= least for item in items], dtype=bool)
        items = [item for item in items if len(item) >= least]
        flat = [label for item in items for label in item]
        known = categories or ordered(flat)
        if len(known) > MOST_VALUES:
            raise ValueError(f"ratings: expected at most {MOST_VALUES} distinct values, found {len(known)}")
        counts = np.array([len(item) for item in items], dtype=np.intp)
        codes = np.full((len(items), int(counts.max()) if len(items) else 0), -1, dtype=np.intp)
        codes[np.arange(codes.shape[1]) < counts[:, None]] = codes_of(flat, known)
        return cls(codes, known, counts.astype(np.float64)), kept

    def sum_of(self, values: Floats) -> Floats:
        """For each item, the sum of the values of its ratings; `values` has one value per category."""
        import numpy as np

        padded = np.append(values, 0.0)
        return np.asarray(padded[self.codes].sum(axis=1))

    def within(self, apart: Floats) -> Floats:
        """For each item, the sum of distances over ordered pairs of ratings, divided by its number of ratings - 1."""
        import numpy as np

        padded = np.pad(apart, ((0, 1), (0, 1)))
        columns = self.codes.T
        pairs = sum(
            (2 * padded[columns[i], columns[j]] for i in range(len(columns)) for j in range(i)),
            start=np.zeros(len(self.codes)),
        )
        return np.asarray(pairs / np.maximum(self.counts - 1, 1))

    def disagreement(self) -> Floats:
        """For each item, the share of its pairs of ratings that differ."""
        import numpy as np

        return self.within(1 - np.eye(len(self.categories))) / self.counts

    def coincidences(self, weights: Floats) -> Floats:
        """Krippendorff's coincidence matrix."""
        import numpy as np

        size, columns = len(self.categories), self.codes.T
        table = np.zeros((size, size))
        for i in range(len(columns)):
            for j in range(i):
                both = (columns[i] >= 0) & (columns[j] >= 0)
                place, share = columns[i][both] * size + columns[j][both], (weights / (self.counts - 1))[both]
                table += np.bincount(place, weights=share, minlength=size * size).reshape(size, size)
        return np.asarray(table + table.T)


def missing(label: Any) -> bool:
    """True for None and NaN."""
    return label is None or label != label


def ordered(labels: Sequence[Any]) -> tuple[Any, ...]:
    """The distinct labels in ascending order; labels that do not compare are ordered by their text."""
    distinct = set(labels)
    try:
        return tuple(sorted(distinct))
    except TypeError:
        return tuple(sorted(distinct, key=str))


def codes_of(labels: Sequence[Any], categories: tuple[Any, ...]) -> Codes:
    """The position of each label among the categories.

    Raises:
        ValueError: a label is not among the categories.
    """
    import numpy as np

    positions = {category: position for position, category in enumerate(categories)}
    unknown = next((label for label in labels if label not in positions), None)
    if unknown is not None:
        raise ValueError(f"labels: expected one of {', '.join(map(str, categories))}, found {unknown!r}")
    return np.fromiter((positions[label] for label in labels), dtype=np.intp, count=len(labels))


def _shares(groups: Groups, codes: Codes, size: int) -> Floats:
    import numpy as np

    return np.bincount(codes, weights=groups.weights, minlength=size) / groups.n


def _apart(size: int, weighting: Weighting) -> Floats:
    """Distances between the ordered categories, 0 to 1."""
    import numpy as np

    places = np.arange(size, dtype=np.float64)
    steps = np.abs(places[:, None] - places[None, :]) / max(size - 1, 1)
    return {"nominal": (steps > 0).astype(np.float64), "linear": steps, "quadratic": steps**2}[weighting]


def _of_several(groups: Groups, several: NDArray[np.bool_], apart: Floats) -> tuple[float, Floats]:
    """The mean over items with several ratings, and the influence of every item on it."""
    import numpy as np

    portion = groups.mean(several.astype(np.float64))
    share = groups.mean(np.where(several, apart, 0.0)) / portion
    return share, np.where(several, apart - share, 0.0) / portion


def _distances(categories: tuple[Any, ...], totals: Floats, metric: Metric) -> Floats:
    import numpy as np

    if metric == "nominal":
        return 1 - np.eye(len(categories))
    if metric == "ordinal":
        return _rank_steps(totals) ** 2
    try:
        values = np.array(categories, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(f"ratings: expected numbers for metric {metric}, found {categories[:3]}") from error
    apart = values[:, None] - values[None, :]
    if metric == "interval":
        return np.asarray(apart**2)
    if (values < 0).any():
        raise ValueError("ratings: expected non-negative numbers for the ratio metric, found a negative one")
    both = values[:, None] + values[None, :]
    return np.asarray(np.divide(apart, both, out=np.zeros_like(apart), where=both > 0) ** 2)


def _rank_steps(totals: Floats) -> Floats:
    """Number of ratings between two categories, counting half of the ratings in each of the two."""
    import numpy as np

    middles = totals.cumsum() - totals / 2
    return np.asarray(np.abs(middles[:, None] - middles[None, :]))


def _pull_on_ranks(share: Floats, totals: Floats) -> Floats:
    """Derivative of Σ share × (rank step)² with respect to the number of ratings in each category.

    The rank step from c to k > c is the difference of their mid-ranks. One more rating raises the mid-rank of k by 1 if
    it is below k, and by 1/2 if it is in k.
    """
    import numpy as np

    middles = totals.cumsum() - totals / 2
    moved = 2 * ((share + share.T) * (middles[:, None] - middles[None, :])).sum(axis=1)
    above = moved[::-1].cumsum()[::-1]
    return np.asarray(above - moved / 2)
