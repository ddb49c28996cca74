"""What repeats of the same record tell: pass@k and pass^k, where the variance comes from, and which records waver."""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from assay.evals.rates import floats, rate
from assay.evals.sampling import Groups, Sampling, numbered
from assay.evals.statistics import LEVEL, Measured, unmeasured

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]


def pass_at_k(passed: Sequence[bool | None], sampling: Sampling, *, k: int, level: float = LEVEL) -> Measured:
    """How likely at least one of k answers to a record passes, as a mean over records.

    The unbiased 1 - C(n-c, k) / C(n, k) of c passes in n epochs: Chen et al., arXiv 2107.03374 (2021). Records with fewer
    than k scored epochs count as unscored.

    Raises:
        ValueError: k below 1, no records named, or a score that is neither passed nor failed.
    """
    asked, hits, records = _epochs(passed, sampling, k=k)
    chances = 1 - _chance_of_all(asked - hits, asked, k=k)
    return _over_records(chances, records, k=k, level=level)


def pass_hat_k(passed: Sequence[bool | None], sampling: Sampling, *, k: int, level: float = LEVEL) -> Measured:
    """pass^k: how likely all of k answers to a record pass, as a mean over records.

    The unbiased C(c, k) / C(n, k): Yao et al., τ-bench, arXiv 2406.12045 (2024). Otherwise as `pass_at_k`.
    """
    asked, hits, records = _epochs(passed, sampling, k=k)
    return _over_records(_chance_of_all(hits, asked, k=k), records, k=k, level=level)


@dataclass(frozen=True, slots=True, kw_only=True)
class VarianceSplit:
    """Variance of one score by where it comes from; None where the rows cannot tell it from the one before it.

    Without repeated judgements `epoch` holds the judge's noise too; without repeated epochs `record` holds both.
    """

    record: float
    epoch: float | None
    judge: float | None
    records: int
    answers: int
    scores: int

    @property
    def total(self) -> float:
        """Variance of one score of one answer to one record."""
        return self.record + (self.epoch or 0.0) + (self.judge or 0.0)

    def standard_error(self, *, records: int, epochs: int = 1, judgements: int = 1) -> float:
        """Of the mean of that many independent records, epochs of each and judgements of each epoch."""
        within = (self.epoch or 0.0) / epochs + (self.judge or 0.0) / (epochs * judgements)
        return math.sqrt((self.record + within) / records)


def variance_split(
    scores: Sequence[float | bool | None], *, records: Sequence[Hashable], answers: Sequence[Hashable] | None = None
) -> VarianceSplit | None:
    """Variance between records, between answers to one record, and between judgements of one answer.

    One entry a judgement: its score, its record and the answer that it judges (None: each has an answer of its own).
    Analysis of variance of the nested design with unequal numbers, below 0 set to 0: Searle, Casella & McCulloch,
    Variance Components (Wiley 1992). None for fewer than two records.
    """
    import numpy as np

    values = floats(scores)
    kept = ~np.isnan(values)
    y, record = values[kept], _codes(records, kept)
    answer = np.arange(len(y)) if answers is None else _codes(list(zip(records, answers, strict=True)), kept)
    per_record, per_answer = np.bincount(record).astype(float), np.bincount(answer).astype(float)
    n, many, several = len(y), len(per_record), len(per_answer)
    if many < 2:
        return None
    record_mean = np.bincount(record, weights=y) / per_record
    answer_mean = np.bincount(answer, weights=y) / per_answer
    owner = np.zeros(several, dtype=np.intp)
    owner[answer] = record
    within = float((per_answer**2 / per_record[owner]).sum())
    judge = float(((y - answer_mean[answer]) ** 2).sum()) / (n - several) if n > several else None
    epoch = None
    if several > many:
        square = float((per_answer * (answer_mean - record_mean[owner]) ** 2).sum()) / (several - many)
        epoch = max(0.0, (square - (judge or 0.0)) * (several - many) / (n - within))
    square = float((per_record * (record_mean - y.mean()) ** 2).sum()) / (many - 1)
    shared = (within - float((per_answer**2).sum()) / n) / (many - 1)
    size = (n - float((per_record**2).sum()) / n) / (many - 1)
    left = square - (judge or 0.0) - shared * (epoch or 0.0)
    return VarianceSplit(
        record=max(0.0, left / size), epoch=epoch, judge=judge, records=many, answers=several, scores=n
    )


@dataclass(frozen=True, slots=True)
class FlakyRecord:
    """A record whose answers neither all passed nor all failed."""

    record: Hashable
    passed: int
    epochs: int


def flaky_records(passed: Sequence[bool | None], records: Sequence[Hashable]) -> list[FlakyRecord]:
    """Records with at least two scored epochs of which some passed and some failed, those nearest to half first."""
    counts: dict[Hashable, tuple[int, int]] = {}
    for outcome, record in zip(passed, records, strict=True):
        if outcome is not None and outcome == outcome:
            hits, epochs = counts.get(record, (0, 0))
            counts[record] = hits + bool(outcome), epochs + 1
    found = [FlakyRecord(record, hits, epochs) for record, (hits, epochs) in counts.items() if 0 < hits < epochs]
    return sorted(found, key=lambda one: abs(one.passed / one.epochs - 0.5))


def _epochs(passed: Sequence[bool | None], sampling: Sampling, *, k: int) -> tuple[Floats, Floats, Sampling]:
    """Scored epochs and passes of each record, and how the records were drawn."""
    import numpy as np

    if k < 1 or sampling.records is None:
        raise ValueError(f"k of at least 1 and the record of each answer were expected, found k={k}")
    values = floats(passed)
    scored = ~np.isnan(values)
    if not np.isin(values[scored], (0.0, 1.0)).all():
        raise ValueError("passed: True, False or None was expected, found a score between them")
    Groups.of(len(values), sampling)
    codes = numbered(sampling.records)
    first = np.unique(codes, return_index=True)[1]
    asked = np.bincount(codes, weights=scored.astype(np.float64), minlength=len(first)).astype(np.float64)
    hits = np.bincount(codes, weights=np.nan_to_num(values), minlength=len(first)).astype(np.float64)
    clusters = None if sampling.clusters is None else [sampling.clusters[i] for i in first]
    weights = None if sampling.weights is None else [sampling.weights[i] for i in first]
    return asked, hits, Sampling(clusters=clusters, weights=weights)


def _chance_of_all(hits: Floats, asked: Floats, *, k: int) -> Floats:
    """C(hits, k) / C(asked, k); NaN where fewer than k were asked."""
    import numpy as np

    chance = np.ones(len(asked))
    for i in range(k):
        chance *= np.maximum(hits - i, 0) / np.where(asked >= k, asked - i, np.nan)
    return chance


def _over_records(chances: Floats, records: Sampling, *, k: int, level: float) -> Measured:
    import numpy as np

    if np.isnan(chances).all():
        return unmeasured(f"no record has {k} scored epochs", level=level)
    return rate(list(chances), records, level=level)


def _codes(labels: Sequence[Hashable], kept: NDArray[np.bool_]) -> NDArray[np.intp]:
    return numbered([label for label, keep in zip(labels, kept, strict=True) if keep])
