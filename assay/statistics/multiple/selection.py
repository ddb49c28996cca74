"""The rate of the best of several variants, corrected for having chosen it on the same records."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from assay.statistics.bootstrap import drawn_counts
from assay.statistics.conventions import ERROR
from assay.statistics.rates import gate_rate
from assay.statistics.sampling import Groups, Sampling

if TYPE_CHECKING:
    from assay.statistics.sampling import Floats


@dataclass(frozen=True, slots=True, kw_only=True)
class BestVariant:
    """The variant (a column) with the highest rate, its rate, and two corrections for its selection.

    `corrected` is the expected rate of a variant that is chosen in this way, at most `rate`; None with fewer than two
    groups. `lower` is
    a 95% lower bound that holds whichever variant was chosen.
    """

    variant: int
    rate: float
    corrected: float | None
    lower: float


def best_variant(means: Floats, sampling: Sampling, *, resamples: int, seed: int) -> BestVariant:
    """The best of several variants on records that all of them have; `means` are record means, records x variants.

    The highest of k measured rates is too high on average (the winner's curse). `corrected` chooses the best variant in
    each of many bootstrap samples and takes its rate on the records that are not in the sample: Tsamardinos, Greasidou &
    Borboudakis, Machine Learning 107 (2018) 1895. Clusters are resampled as a whole. `lower` is the one-sided bound of a
    gate rule with the error rate 5% / k (Bonferroni).
    """
    import numpy as np

    groups = Groups.of(len(means), sampling)
    rates = means.mean(axis=0)
    best = int(np.argmax(rates))
    rate, outside = float(rates[best]), _out_of_bag(means, groups, resamples=resamples, seed=seed)
    return BestVariant(
        variant=best,
        rate=rate,
        corrected=None if outside is None else min(rate, outside),
        lower=_lower(means[:, best], sampling, error=ERROR / means.shape[1]),
    )


def _out_of_bag(means: Floats, groups: Groups, *, resamples: int, seed: int) -> float | None:
    """The mean rate, outside of each bootstrap sample, of the variant that is best in the sample."""
    import numpy as np

    if groups.count < 2:
        return None
    sums = np.stack([groups.total(column) for column in means.T], axis=1)
    found = []
    for counts in drawn_counts(groups.count, resamples, seed):
        chosen = np.argmax((counts @ sums) / (counts @ groups.sizes)[:, None], axis=1)
        outside = (counts == 0).astype(np.float64)
        sizes = outside @ groups.sizes
        totals = np.take_along_axis(outside @ sums, chosen[:, None], axis=1)[:, 0]
        found.append(totals[sizes > 0] / sizes[sizes > 0])
    rates = np.concatenate(found)
    return float(rates.mean()) if len(rates) else None


def _lower(values: Floats, sampling: Sampling, *, error: float) -> float:
    bounds = gate_rate(values.tolist(), sampling).bounds
    return bounds.lower(error) if bounds is not None else -math.inf
