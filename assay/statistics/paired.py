"""Candidate against champion on the same records: the difference of their rates, its bounds, and whether it is enough to say.

Pure computation on outcomes from 0 to 1. Which rows are compared belongs to the callers, what follows from the bounds to
`gate_rules.py`, the formulas to `paired_methods.py`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from assay.errors import UsageError
from assay.statistics.conventions import ERROR, FEW_CLUSTERS, FEWEST_CLUSTERS, FEWEST_DISCORDANT, MAX_UNSCORED_SHARE
from assay.statistics.measured import Status
from assay.statistics.paired_bounds import (
    ExactBounds,
    PairedBounds,
    ScoreBounds,
    SignBounds,
    StudentBounds,
    bca_interval,
    mcnemar_p,
)
from assay.statistics.power import mde_of_plan, records_for
from assay.statistics.sampling import ALONE, Groups, Sampling, spread_of

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from assay.statistics.sampling import Floats


class Sortable(Protocol):
    """A key that has an order."""

    def __lt__(self, other: Any, /) -> bool: ...


Key = TypeVar("Key", bound=Sortable)
OneCase = ExactBounds | ScoreBounds | SignBounds | StudentBounds


@dataclass(frozen=True, slots=True, kw_only=True)
class Pairs:
    """The outcomes of both variants on the records that both answered, one row a record.

    `candidate` and `champion` hold values from 0 to 1, in one column or in one per epoch; NaN where an outcome could not be
    scored, infinite where a record has no such epoch. `sampling` has the cluster and weight of each record; its `records` is not used. `only_candidate` and
    `only_champion` count the records that were left out because the other variant did not have them.
    """

    candidate: Floats
    champion: Floats
    sampling: Sampling = ALONE
    only_candidate: int = 0
    only_champion: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class PairedComparison:
    """Candidate minus champion, as a difference of rates; `gains` and `losses` are the records that differ.

    `low` and `high` are the two-sided 95 % interval, `lower` and `upper` one-sided 95 % bounds; `bounds` gives them, and
    p-values, at any other error. `p_value` is two-sided, of "no difference". `mde_of_plan` is the smallest true difference
    that such a comparison finds four times in five, `needed` how many records of the same kind would make that the wanted
    one. `unscored` records have an outcome without a score, `left_out` ones were answered by one variant only. `resampled`
    is a second opinion on the interval by BCa bootstrap, where resamples were asked for.
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
    detectable: float
    needed: int | None
    unscored: int
    left_out: int
    bounds: PairedBounds
    resampled: tuple[float, float] | None = None


def pair(
    candidate: Mapping[Key, Sequence[float]],
    champion: Mapping[Key, Sequence[float]],
    *,
    clusters: Mapping[Key, str | None] | None = None,
    weights: Mapping[Key, float] | None = None,
) -> Pairs:
    """The outcomes by record, put side by side in the order of the keys; a record is a sequence of its epochs.

    A record without a cluster is a cluster of its own. Epochs may differ in number; NaN is one that could not be scored.

    Raises:
        UsageError: the two have no record in common.
    """
    shared = sorted(candidate.keys() & champion.keys())
    alone = len(candidate) - len(shared), len(champion) - len(shared)
    if not shared:
        raise UsageError(
            f"Nothing to compare: the candidate has {alone[0]} records and the champion {alone[1]}, none in common; "
            "expected some",
            next_step="run both on the same records.",
        )
    return Pairs(
        candidate=_columns([candidate[record] for record in shared]),
        champion=_columns([champion[record] for record in shared]),
        sampling=Sampling(
            clusters=[clusters.get(record) for record in shared] if clusters else None,
            weights=[weights[record] for record in shared] if weights else None,
        ),
        only_candidate=alone[0],
        only_champion=alone[1],
    )


def compare(pairs: Pairs, *, wanted: float | None = None, resamples: int = 0, seed: int = 0) -> PairedComparison:
    """The difference with the method that fits the data: one yes/no outcome, fractions or epochs, or clusters.

    Up to 1 % of the records may have an unscored outcome, which is left out. With more, the bounds are those of the worst
    and of the best case.

    Raises:
        UsageError: an outcome is not from 0 to 1, the shapes do not fit, or no record is scored for both.
        ValueError: a cluster or weight is missing or no weight is a positive number.
    """
    for name, outcomes in (("candidate", pairs.candidate), ("champion", pairs.champion)):
        _validate(name, outcomes, records=len(pairs.candidate))
    groups = Groups.of(len(pairs.candidate), pairs.sampling)
    scored = _differences(pairs, groups)
    if not len(scored.values):
        raise UsageError(f"None of the {groups.n} records in common is scored for both variants; nothing to compare.")
    question = _Question(
        wanted=wanted, resamples=resamples, seed=seed, left_out=pairs.only_candidate + pairs.only_champion
    )
    unscored = int((_unscored(pairs.candidate) | _unscored(pairs.champion)).sum())
    found = replace(_compared(scored, question), unscored=unscored)
    if unscored <= MAX_UNSCORED_SHARE * groups.n:
        return found
    worst, best = (_bounds(_differences(pairs, groups, candidate=case, champion=1 - case))[0] for case in (0.0, 1.0))
    return _worst_case(found, WorstCaseBounds(worst=worst, best=best), groups.n)


def _worst_case(found: PairedComparison, bounds: WorstCaseBounds, records: int) -> PairedComparison:
    """The comparison of the scored records, with the bounds that unscored ones leave."""
    low, high = bounds.interval()
    return replace(
        found,
        low=low,
        high=high,
        lower=bounds.lower(ERROR),
        upper=bounds.upper(ERROR),
        bounds=bounds,
        method=f"{found.method}+worst_case",
        status=found.status if found.status is Status.INCONCLUSIVE else Status.UNSCORED,
        reason=_joined(f"{found.unscored} of {records} records unscored: bounds of the worst case", found.reason),
    )


@dataclass(frozen=True, slots=True)
class WorstCaseBounds:
    """Bounds where many outcomes are unscored: below if all of them spoke against the candidate, above if for it."""

    worst: OneCase
    best: OneCase

    @property
    def standard_error(self) -> float:
        """The larger of the two cases'."""
        return max(self.worst.standard_error, self.best.standard_error)

    @property
    def df(self) -> float:
        """The fewer of the two cases'."""
        return min(self.worst.df, self.best.df)

    def interval(self) -> tuple[float, float]:
        """The two-sided 95 % interval."""
        return self.worst.interval()[0], self.best.interval()[1]

    def lower(self, error: float) -> float:
        """The bound below, wrong with that probability."""
        return self.worst.lower(error)

    def upper(self, error: float) -> float:
        """The bound above, wrong with that probability."""
        return self.best.upper(error)

    def p_above(self, bar: float) -> float:
        """The p-value of "the difference is at most `bar`"."""
        return self.worst.p_above(bar)

    def p_below(self, bar: float) -> float:
        """The p-value of "the difference is at least `bar`"."""
        return self.best.p_below(bar)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Question:
    wanted: float | None
    resamples: int
    seed: int
    left_out: int


@dataclass(frozen=True, kw_only=True)
class _Differences:
    """One difference per record that both variants have a score for."""

    values: Floats
    groups: Groups
    yes_no: bool

    @cached_property
    def gains(self) -> int:
        return int((self.values > 0).sum())

    @cached_property
    def losses(self) -> int:
        return int((self.values < 0).sum())

    @property
    def discordant(self) -> int:
        return self.gains + self.losses

    @property
    def clustered(self) -> bool:
        return self.groups.are_clusters

    @property
    def counts_suffice(self) -> bool:
        """True for one yes/no outcome per record, no clusters and no weights: the counts say all there is."""
        return self.yes_no and not self.clustered and not self.groups.weighted

    @cached_property
    def deciding(self) -> int:
        """Groups whose records do not cancel out."""
        return int((self.groups.total(self.groups.weights * self.values) != 0).sum())


def _compared(data: _Differences, question: _Question) -> PairedComparison:
    bounds, method = _bounds(data)
    status, reason = _status(data, bounds)
    low, high = bounds.interval()
    n, smallest = len(data.values), mde_of_plan(bounds.standard_error, df=bounds.df)
    return PairedComparison(
        difference=data.groups.mean(data.values),
        low=low,
        high=high,
        lower=bounds.lower(ERROR),
        upper=bounds.upper(ERROR),
        p_value=_p_value(data, bounds),
        n=n,
        clusters=data.groups.count if data.clustered else None,
        gains=data.gains,
        losses=data.losses,
        method=method,
        status=status,
        reason=reason,
        detectable=smallest,
        needed=records_for(question.wanted, n=n, smallest=smallest) if question.wanted else None,
        unscored=0,
        left_out=question.left_out,
        bounds=bounds,
        resampled=_resampled(data, question),
    )


def _bounds(data: _Differences) -> tuple[OneCase, str]:
    """The bounds that hold for this kind of data, and their name."""
    if data.counts_suffice:
        if data.discordant >= FEWEST_DISCORDANT:
            return ScoreBounds(gains=data.gains, losses=data.losses, n=len(data.values)), "tango"
        return ExactBounds(gains=data.gains, losses=data.losses, n=len(data.values)), "exact_unconditional"
    mean = data.groups.mean(data.values)
    spread = spread_of(data.groups, data.values - mean)
    if _too_sparse(data) or not 0 < spread.variance < math.inf:
        return _sign_bounds(data), "sign_bounds"
    student = StudentBounds(
        mean=mean,
        standard_error=math.sqrt(spread.variance),
        df=spread.df,
        skewness=spread.skewness / math.sqrt(spread.groups),
    )
    return student, "cr2_t" if data.clustered or data.groups.weighted else "paired_t"


def _sign_bounds(data: _Differences) -> SignBounds:
    """As if all records of a group said the same, the worst that clusters can do: as many outcomes as equal groups."""
    n = max(1, int(data.groups.equal_groups))
    gains, losses = (data.groups.mean((way * data.values > 0).astype(float)) for way in (1, -1))
    return SignBounds(gains=n * gains, losses=n * losses, n=n)


def _too_sparse(data: _Differences) -> bool:
    """True where too few records, or too few groups, differ for a variance to mean anything."""
    return data.discordant < FEWEST_DISCORDANT or data.deciding < min(FEWEST_DISCORDANT, data.groups.count / 2)


def _status(data: _Differences, bounds: OneCase) -> tuple[Status, str | None]:
    """How far the comparison carries, and why not further."""
    groups = data.groups.count
    if data.clustered and groups < FEWEST_CLUSTERS:
        return Status.INCONCLUSIVE, f"{groups} clusters, fewer than {FEWEST_CLUSTERS}"
    if data.discordant < FEWEST_DISCORDANT:
        return Status.TOO_FEW, f"{data.discordant} records differ, fewer than {FEWEST_DISCORDANT}: conservative bounds"
    if isinstance(bounds, SignBounds):
        return Status.TOO_FEW, f"records of {data.deciding} of {groups} clusters differ: conservative bounds"
    if data.clustered and groups < FEW_CLUSTERS:
        return Status.WARNING, f"{groups} clusters, fewer than {FEW_CLUSTERS}"
    return Status.OK, None


def _p_value(data: _Differences, bounds: OneCase) -> float:
    """Two-sided, of "no difference"."""
    if data.counts_suffice:
        return mcnemar_p(data.gains, data.losses, exact=data.discordant < FEWEST_DISCORDANT)
    if isinstance(bounds, StudentBounds):
        return bounds.p_value
    return min(1.0, 2 * min(bounds.p_above(0.0), bounds.p_below(0.0)))


def _resampled(data: _Differences, question: _Question) -> tuple[float, float] | None:
    if not question.resamples or not data.deciding or data.groups.count < 2:
        return None
    return bca_interval(data.values, data.groups, resamples=question.resamples, seed=question.seed)


def _columns(outcomes: Sequence[Sequence[float]]) -> Floats:
    """One row per record, one column per epoch, infinite where a record has fewer."""
    import numpy as np

    columns = np.full((len(outcomes), max(1, *(len(epochs) for epochs in outcomes), 1)), np.inf)
    for row, epochs in zip(columns, outcomes, strict=True):
        row[: len(epochs)] = epochs
    return columns


def _differences(
    pairs: Pairs, groups: Groups, *, candidate: float = math.nan, champion: float = math.nan
) -> _Differences:
    """Record means subtracted, unscored outcomes taken as given; a record without any outcome of a variant is left out."""
    import numpy as np

    means = _record_means(pairs.candidate, unscored=candidate), _record_means(pairs.champion, unscored=champion)
    scored = ~np.isnan(means[0]) & ~np.isnan(means[1])
    first, second = means[0][scored], means[1][scored]
    return _Differences(
        values=first - second,
        groups=groups.only(scored),
        yes_no=bool(np.isin(first, (0, 1)).all() and np.isin(second, (0, 1)).all()),
    )


def _record_means(outcomes: Floats, *, unscored: float) -> Floats:
    """The mean of each record's epochs, NaN where none is known."""
    import numpy as np

    columns = np.asarray(outcomes, dtype=np.float64).reshape(len(outcomes), -1)
    columns = np.where(np.isnan(columns), unscored, columns)
    known = np.isfinite(columns)
    counts, sums = known.sum(axis=1), np.where(known, columns, 0.0).sum(axis=1)
    return np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)


def _unscored(outcomes: Floats) -> NDArray[np.bool_]:
    """Whether a record has an unscored outcome."""
    import numpy as np

    return np.asarray(np.isnan(outcomes.reshape(len(outcomes), -1)).any(axis=1))


def _validate(whose: str, outcomes: Floats, *, records: int) -> None:
    import numpy as np

    if len(outcomes) != records:
        raise UsageError(f"Expected as many records of both variants, found {records} and {len(outcomes)}.")
    outside = outcomes[((outcomes < 0) | (outcomes > 1)) & ~np.isposinf(outcomes)]
    if len(outside):
        raise UsageError(
            f"Outcomes of the {whose}: expected 0 to 1, found {outside[0]:g}", next_step="scale them first."
        )


def _joined(first: str, second: str | None) -> str:
    return f"{first}; {second}" if second else first
