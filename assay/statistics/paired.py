"""Paired comparison of candidate and champion: the difference of their rates, with bounds and a status."""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from assay.errors import UsageError
from assay.statistics.bootstrap import bca_interval
from assay.statistics.conventions import ERROR
from assay.statistics.differences import Differences, difference_bounds_of, status_of
from assay.statistics.effects import mde_of_plan, records_for
from assay.statistics.measured import Status, joined
from assay.statistics.one_sided import SpanningBounds, two_sided_p
from assay.statistics.paired_bounds import PairedBounds, strict_bounds
from assay.statistics.sampling import INDEPENDENT, ROUNDING, Groups, Sampling, means_by_record

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from assay.statistics.sampling import Floats


class Sortable(Protocol):
    """A key that can be sorted."""

    def __lt__(self, other: Any, /) -> bool: ...


Key = TypeVar("Key", bound=Sortable)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pairs:
    """The outcomes of both variants on the records that both have, one row per record.

    `candidate` and `champion` hold values from 0 to 1, in one column or one column per epoch: NaN for an unscored
    outcome, infinity for an epoch that the record does not have. `sampling` contains the cluster and weight of each
    record; its `records` is unused. `only_candidate` and `only_champion` count the records that are omitted because the
    other variant lacks them.
    """

    candidate: Floats
    champion: Floats
    sampling: Sampling = INDEPENDENT
    only_candidate: int = 0
    only_champion: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class PairedComparison:
    """Candidate minus champion, as a difference of rates; `gains` and `losses` count the records that differ.

    `low` and `high` are the two-sided 95% interval, `lower` and `upper` one-sided 95% bounds; `bounds` gives bounds and
    p-values at any other error rate. `p_value` is two-sided, for the null hypothesis of no difference. `mde` is the
    minimum detectable effect of this comparison, and `needed` the number of similar records with which the MDE would
    equal the wanted difference. `unscored` counts records with an unscored outcome, `left_out` records that only one
    variant has. `candidate_rate` and `champion_rate` are the rates of the compared records. `resampled` is the interval of a BCa bootstrap, if `resamples` was above 0.
    """

    difference: float
    low: float
    high: float
    lower: float
    upper: float
    p_value: float
    n: int
    clusters: int | None
    gains: int
    losses: int
    method: str
    status: Status
    reason: str | None
    mde: float
    needed: int | None
    unscored: int
    left_out: int
    bounds: PairedBounds
    candidate_rate: float = math.nan
    champion_rate: float = math.nan
    resampled: tuple[float, float] | None = None


def pair(
    candidate: Mapping[Key, Sequence[float]],
    champion: Mapping[Key, Sequence[float]],
    *,
    clusters: Mapping[Key, Hashable] | None = None,
    weights: Mapping[Key, float] | None = None,
) -> Pairs:
    """The outcomes of the records that both variants have, in the order of the keys.

    Each record maps to the outcomes of its epochs, whose number may differ; NaN is an unscored epoch. A record
    without a cluster (None) forms a cluster of its own.

    Raises:
        UsageError: the variants have no record in common.
    """
    shared = sorted(candidate.keys() & champion.keys())
    only = len(candidate) - len(shared), len(champion) - len(shared)
    if not shared:
        raise UsageError(
            f"Candidate and champion have no records in common (record counts: {only[0]} and {only[1]})",
            next_step="run both on the same records.",
        )
    return Pairs(
        candidate=_columns([candidate[record] for record in shared]),
        champion=_columns([champion[record] for record in shared]),
        sampling=Sampling(
            clusters=[clusters.get(record) for record in shared] if clusters else None,
            weights=[weights[record] for record in shared] if weights else None,
        ),
        only_candidate=only[0],
        only_champion=only[1],
    )


def compare(pairs: Pairs, *, wanted: float | None = None, resamples: int = 0, seed: int = 0) -> PairedComparison:
    """The difference, computed by the method that fits the data: one binary outcome, fractions or epochs, or clusters.

    An unscored outcome counts as a failure in the difference. The bounds extend from the case that all unscored
    outcomes are losses to the case that all are gains.

    Raises:
        UsageError: an outcome is outside 0 to 1, the shapes differ, or no record is scored for both variants.
        ValueError: a cluster or weight is missing, or a weight is not positive.
    """
    for name, outcomes in (("candidate", pairs.candidate), ("champion", pairs.champion)):
        _validate(name, outcomes, records=len(pairs.candidate))
    groups = Groups.of(len(pairs.candidate), pairs.sampling)
    if not len(_differences(pairs, groups).values):
        raise UsageError(
            f"None of the {groups.n} records in common is scored for both variants", next_step="score both runs."
        )
    options = _CompareOptions(
        wanted=wanted, resamples=resamples, seed=seed, left_out=pairs.only_candidate + pairs.only_champion
    )
    unscored = int((_unscored(pairs.candidate) | _unscored(pairs.champion)).sum())
    found = replace(
        _compared(_differences(pairs, groups, candidate=0.0, champion=0.0), options),
        candidate_rate=_rate(pairs, groups, pairs.candidate),
        champion_rate=_rate(pairs, groups, pairs.champion),
        unscored=unscored,
    )
    if not unscored:
        return found
    worst, best = (
        difference_bounds_of(_differences(pairs, groups, candidate=case, champion=1 - case))[0] for case in (0.0, 1.0)
    )
    return _worst_case(found, WorstCaseBounds(worst=worst, best=best), groups.n)


def _worst_case(found: PairedComparison, bounds: WorstCaseBounds, records: int) -> PairedComparison:
    """The comparison with worst-case bounds for the unscored records."""
    low, high = bounds.interval()
    return replace(
        found,
        low=low,
        high=high,
        lower=bounds.lower(ERROR),
        upper=bounds.upper(ERROR),
        p_value=bounds.p_value,
        bounds=bounds,
        method=f"{found.method}+worst_case",
        status=found.status if found.status is Status.INCONCLUSIVE else Status.UNSCORED,
        reason=joined(
            f"{found.unscored} of {records} records unscored: counted as failures, within bounds of the worst and the best case",
            found.reason,
        ),
    )


@dataclass(frozen=True, slots=True)
class WorstCaseBounds(SpanningBounds):
    """Bounds with unscored outcomes: lower if all of them are losses, upper if all of them are gains."""

    worst: PairedBounds
    best: PairedBounds

    @property
    def standard_error(self) -> float:
        """The larger standard error of the two cases."""
        return max(self.worst.standard_error, self.best.standard_error)

    @property
    def df(self) -> float:
        """The smaller number of degrees of freedom of the two cases."""
        return min(self.worst.df, self.best.df)

    @property
    def p_value(self) -> float:
        """Twice the smaller one-sided p-value, at most 1."""
        return two_sided_p(self)

    def interval(self) -> tuple[float, float]:
        """The two-sided 95% interval."""
        return self.worst.interval()[0], self.best.interval()[1]


def for_small_errors(found: PairedComparison) -> PairedComparison:
    """The comparison with bounds that are valid at error rates far below 5% (`strict_bounds`)."""
    bounds = found.bounds
    if isinstance(bounds, WorstCaseBounds):
        cases = strict_bounds(bounds.worst), strict_bounds(bounds.best)
        return replace(found, bounds=WorstCaseBounds(worst=cases[0], best=cases[1]))
    return replace(found, bounds=strict_bounds(bounds))


@dataclass(frozen=True, slots=True, kw_only=True)
class _CompareOptions:
    wanted: float | None
    resamples: int
    seed: int
    left_out: int


def _compared(data: Differences, options: _CompareOptions) -> PairedComparison:
    bounds, method = difference_bounds_of(data)
    status, reason = status_of(data, bounds)
    low, high = bounds.interval()
    n, mde = len(data.values), mde_of_plan(bounds.standard_error, df=bounds.df)
    return PairedComparison(
        difference=data.groups.mean(data.values),
        low=low,
        high=high,
        lower=bounds.lower(ERROR),
        upper=bounds.upper(ERROR),
        p_value=bounds.p_value,
        n=n,
        clusters=data.groups.count if data.clustered else None,
        gains=data.gains,
        losses=data.losses,
        method=method,
        status=status,
        reason=reason,
        mde=mde,
        needed=records_for(options.wanted, n=n, mde=mde) if options.wanted else None,
        unscored=0,
        left_out=options.left_out,
        bounds=bounds,
        resampled=_resampled(data, options),
    )


def _resampled(data: Differences, options: _CompareOptions) -> tuple[float, float] | None:
    if not options.resamples:
        return None
    return bca_interval(data.values, data.groups, resamples=options.resamples, seed=options.seed)


def _columns(outcomes: Sequence[Sequence[float]]) -> Floats:
    """One row per record and one column per epoch; infinity if a record has fewer epochs."""
    import numpy as np

    columns = np.full((len(outcomes), max(1, *(len(epochs) for epochs in outcomes), 1)), np.inf)
    for row, epochs in zip(columns, outcomes, strict=True):
        row[: len(epochs)] = epochs
    return columns


def _differences(
    pairs: Pairs, groups: Groups, *, candidate: float = math.nan, champion: float = math.nan
) -> Differences:
    """Differences of the record means, with the given values in place of unscored outcomes.

    A record that lacks outcomes of one variant is omitted.
    """
    import numpy as np

    means = record_means(pairs.candidate, unscored=candidate), record_means(pairs.champion, unscored=champion)
    scored = ~np.isnan(means[0]) & ~np.isnan(means[1])
    first, second = means[0][scored], means[1][scored]
    return Differences(
        values=np.where(np.abs(first - second) <= ROUNDING, 0.0, first - second),
        groups=groups.only(scored),
        yes_no=bool(np.isin(first, (0, 1)).all() and np.isin(second, (0, 1)).all()),
    )


def _rate(pairs: Pairs, groups: Groups, outcomes: Floats) -> float:
    """The rate of one variant on the compared records, with unscored outcomes as failures."""
    import numpy as np

    both = ~np.isnan(record_means(pairs.candidate, unscored=0.0)) & ~np.isnan(
        record_means(pairs.champion, unscored=0.0)
    )
    return groups.only(both).mean(record_means(outcomes, unscored=0.0)[both])


def record_means(outcomes: Floats, *, unscored: float) -> Floats:
    """The mean over each record's epochs; NaN if the record has none."""
    import numpy as np

    columns = np.asarray(outcomes, dtype=np.float64).reshape(len(outcomes), -1)
    columns = np.where(np.isnan(columns), unscored, columns)
    known = np.isfinite(columns)
    return means_by_record(columns[known], np.nonzero(known)[0], count=len(columns))


def _unscored(outcomes: Floats) -> NDArray[np.bool_]:
    """True for each record with an unscored outcome."""
    import numpy as np

    return np.asarray(np.isnan(outcomes.reshape(len(outcomes), -1)).any(axis=1))


def _validate(name: str, outcomes: Floats, *, records: int) -> None:
    import numpy as np

    if len(outcomes) != records:
        raise UsageError(f"Expected the same number of records of both variants, found {records} and {len(outcomes)}.")
    outside = outcomes[((outcomes < 0) | (outcomes > 1)) & ~np.isposinf(outcomes)]
    if len(outside):
        raise UsageError(
            f"Outcomes of the {name}: expected 0 to 1, found {outside[0]:g}", next_step="scale them first."
        )
