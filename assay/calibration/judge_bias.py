"""Length bias of a judge."""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from assay.statistics.agreement import missing
from assay.statistics.conventions import FEWEST_RANKED, LEVEL
from assay.statistics.measured import Measured, Status, unmeasured
from assay.statistics.rates import floats
from assay.statistics.sampling import INDEPENDENT, Groups, Sampling, numbered, spread_of

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Codes = NDArray[np.intp]


def length_bias(
    scores: Sequence[float | None],
    lengths: Sequence[float | None],
    *,
    human: Sequence[Hashable | None] | None = None,
    sampling: Sampling = INDEPENDENT,
    level: float = LEVEL,
) -> Measured:
    """Spearman's correlation of a judge's scores with the lengths of predictions that have the same human label.

    Ranks are over all items, minus their mean within each human label; without `human`, it is the plain correlation. A
    value above 0 means that the judge scores longer predictions higher than people do. The interval is Fisher's z with
    a linearized variance that includes the estimation of the ranks (influence function: Croux & Dehon, Stat. Methods
    Appl. 19 (2010) 497), and therefore accounts for ties, weights and clusters. There is no value if scores or lengths
    do not vary, or if there are too few items.
    """
    import numpy as np

    x, y = floats(scores), floats(lengths)
    if len(x) != len(y) or (human is not None and len(human) != len(x)):
        raise ValueError(f"lengths, human: expected one entry per score ({len(x)})")
    kept = ~(np.isnan(x) | np.isnan(y))
    if human is not None:
        kept &= np.array([not missing(label) for label in human], dtype=bool)
    groups = Groups.of(len(x), sampling).only(kept)
    if groups.count < FEWEST_RANKED:
        few = f"{groups.count} items or clusters: at least {FEWEST_RANKED} are needed"
        return unmeasured(few, level=level, n=groups.n, status=Status.TOO_FEW)
    labels: Sequence[Hashable | None] = [0] * len(x) if human is None else human
    stratum = numbered([label for label, keep in zip(labels, kept, strict=True) if keep])
    one, other = (_Ranks.of(values[kept], groups, stratum) for values in (x, y))
    if min(one.variance, other.variance) <= 1e-12:
        return unmeasured(
            "scores or lengths do not vary among predictions with the same label", level=level, n=groups.n
        )
    return _correlation(one, other, groups=groups, level=level)


@dataclass(frozen=True)
class _Ranks:
    """Weighted mid-ranks (0 to 1) minus their mean within each stratum, and the order of the distinct values."""

    values: Floats
    places: Codes
    variance: float

    @classmethod
    def of(cls, values: Floats, groups: Groups, stratum: Codes) -> _Ranks:
        import numpy as np

        places = np.unique(values, return_inverse=True)[1].astype(np.intp)
        shares = np.bincount(places, weights=groups.weights) / groups.n
        ranks = (shares.cumsum() - shares / 2)[places]
        means = np.bincount(stratum, weights=groups.weights * ranks) / np.bincount(stratum, weights=groups.weights)
        left = ranks - means[stratum]
        return cls(left, places, groups.mean(left**2))

    def influence(self, against: Floats, groups: Groups) -> Floats:
        """Influence of each item on Σ rank × `against`.

        An item shifts the ranks of all items above it, and by half as much those of tied items.
        """
        import numpy as np

        sums = np.bincount(self.places, weights=groups.weights * against) / groups.n
        return np.asarray((sums[::-1].cumsum()[::-1] - sums / 2)[self.places])


def _correlation(one: _Ranks, other: _Ranks, *, groups: Groups, level: float) -> Measured:
    together = groups.mean(one.values * other.values)
    value = together / math.sqrt(one.variance * other.variance)
    covaries = one.values * other.values + one.influence(other.values, groups) + other.influence(one.values, groups)
    spreads = [ranks.values**2 + 2 * ranks.influence(ranks.values, groups) for ranks in (one, other)]
    influence = covaries / math.sqrt(one.variance * other.variance)
    influence -= value / 2 * (spreads[0] / one.variance + spreads[1] / other.variance)
    spread = spread_of(groups, influence - groups.mean(influence))
    found = Measured(
        value=value, low=None, high=None, level=level, method="fisher_z_linearised", n=groups.n, clusters=groups.count
    )
    if 1 - value**2 < 1e-9 or spread.df <= 0 or spread.variance <= 0:
        return replace(found, method="none", status=Status.TOO_FEW, reason="the ranks agree perfectly: no interval")
    z, half = math.atanh(value), spread.half((1 - level) / 2, conservative=True) / (1 - value**2)
    found = replace(found, effective_n=groups.n / spread.design_effect, standard_error=math.sqrt(spread.variance))
    return replace(found, low=math.tanh(z - half), high=math.tanh(z + half))
