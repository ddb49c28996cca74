"""What sways a judge besides quality: the length of an answer."""

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
    """Spearman's correlation of a judge's score with the answer's length, among answers that people label alike.

    Ranks are taken over all items and their means within each human label removed; without `human` it is the plain
    correlation. Above 0: longer answers score higher than people warrant. The interval is Fisher's z with a linearised
    variance that lets ranks be estimated too (Croux & Dehon, Stat. Methods Appl. 19 (2010) 497, for the influence
    function), so that ties, weights and clusters enter. No value where scores or lengths do not vary, or items are few.
    """
    import numpy as np

    x, y = floats(scores), floats(lengths)
    if len(x) != len(y) or (human is not None and len(human) != len(x)):
        raise ValueError(f"lengths, human: one entry a score was expected, {len(x)} scores")
    kept = ~(np.isnan(x) | np.isnan(y))
    if human is not None:
        kept &= np.array([not missing(label) for label in human], dtype=bool)
    groups = Groups.of(len(x), sampling).only(kept)
    if groups.count < FEWEST_RANKED:
        few = f"{groups.count} items or clusters: at least {FEWEST_RANKED} are needed"
        return unmeasured(few, level=level, n=groups.n, status=Status.TOO_FEW)
    labels: Sequence[Hashable | None] = [0] * len(x) if human is None else human
    stratum = numbered([label for label, keep in zip(labels, kept, strict=True) if keep])
    one, other = (_Ranked.of(values[kept], groups, stratum) for values in (x, y))
    if min(one.variance, other.variance) <= 1e-12:
        return unmeasured("scores or lengths do not vary among answers labelled alike", level=level, n=groups.n)
    return _correlation(one, other, groups=groups, level=level)


@dataclass(frozen=True)
class _Ranked:
    """Weighted mid-ranks (0 to 1), their means within strata removed, and where each value stands among the others."""

    values: Floats
    places: Codes
    variance: float

    @classmethod
    def of(cls, values: Floats, groups: Groups, stratum: Codes) -> _Ranked:
        import numpy as np

        places = np.unique(values, return_inverse=True)[1].astype(np.intp)
        held = np.bincount(places, weights=groups.weights) / groups.n
        ranks = (held.cumsum() - held / 2)[places]
        means = np.bincount(stratum, weights=groups.weights * ranks) / np.bincount(stratum, weights=groups.weights)
        left = ranks - means[stratum]
        return cls(left, places, groups.mean(left**2))

    def pull(self, against: Floats, groups: Groups) -> Floats:
        """What an item does to Σ rank x `against` by raising the ranks of the items above it, and its equals' by half."""
        import numpy as np

        held = np.bincount(self.places, weights=groups.weights * against) / groups.n
        return np.asarray((held[::-1].cumsum()[::-1] - held / 2)[self.places])


def _correlation(one: _Ranked, other: _Ranked, *, groups: Groups, level: float) -> Measured:
    together = groups.mean(one.values * other.values)
    value = together / math.sqrt(one.variance * other.variance)
    covaries = one.values * other.values + one.pull(other.values, groups) + other.pull(one.values, groups)
    spreads = [ranked.values**2 + 2 * ranked.pull(ranked.values, groups) for ranked in (one, other)]
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
