"""What repeats of the same record tell: pass@k and pass^k, and where the variance comes from."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from assay.statistics.measured import LEVEL, Measured, Status, unmeasured
from assay.statistics.rates import grouped_rate
from assay.statistics.sampling import Groups

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Repeated:
    """Scored epochs and passes of each record, and the groups that the records lie in."""

    asked: Floats
    hits: Floats
    groups: Groups

    @classmethod
    def numbered(
        cls, values: Floats, *, records: NDArray[np.integer[Any]], groups: NDArray[np.integer[Any]]
    ) -> Repeated:
        """Of answers in the order of their records' numbers: each 1, 0 or NaN, with its record and that record's group."""
        import numpy as np

        first, codes = np.unique(records, return_index=True, return_inverse=True)[1:]
        asked = np.bincount(codes, weights=~np.isnan(values), minlength=len(first)).astype(np.float64)
        hits = np.bincount(codes, weights=np.nan_to_num(values), minlength=len(first)).astype(np.float64)
        return cls(asked, hits, Groups.numbered(groups[first], records=records[first]))

    def pass_at(self, k: int, *, level: float = LEVEL) -> Measured:
        """pass@k: how likely at least one of k answers to a record passes, as a mean over records.

        The unbiased 1 - C(n-c, k) / C(n, k) of c passes in n epochs: Chen et al., arXiv 2107.03374 (2021). Records with
        fewer than k scored epochs count as unscored.
        """
        return self._over_records(1 - _chance_of_all(self.asked - self.hits, self.asked, k=k), k=k, level=level)

    def pass_hat(self, k: int, *, level: float = LEVEL) -> Measured:
        """pass^k: how likely all of k answers to a record pass, as a mean over records.

        The unbiased C(c, k) / C(n, k): Yao et al., τ-bench, arXiv 2406.12045 (2024). Otherwise as `pass_at`.
        """
        return self._over_records(_chance_of_all(self.hits, self.asked, k=k), k=k, level=level)

    def _over_records(self, chances: Floats, *, k: int, level: float) -> Measured:
        import numpy as np

        missing = int(np.isnan(chances).sum())
        if missing == len(chances):
            return unmeasured(f"no record has {k} scored epochs", level=level)
        found = grouped_rate(chances, self.groups, level=level)
        if found.status is not Status.UNSCORED:
            return found
        return replace(found, reason=f"{missing} of {len(chances)} records have fewer than {k} scored epochs")


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


def nested_variance(
    values: Floats, *, records: NDArray[np.integer[Any]], answers: NDArray[np.integer[Any]] | None = None
) -> VarianceSplit | None:
    """Variance between records, between answers to one record, and between judgements of one answer.

    One entry a judgement: its score (NaN is unscored), its record's number and that of the answer that it judges (None:
    each has an answer of its own). Analysis of variance of the nested design with unequal numbers, below 0 set to 0:
    Searle, Casella & McCulloch, Variance Components (Wiley 1992). None for fewer than two records.
    """
    import numpy as np

    kept = ~np.isnan(values)
    y, record = values[kept], np.unique(records[kept], return_inverse=True)[1]
    answer = np.arange(len(y)) if answers is None else np.unique(answers[kept], return_inverse=True)[1]
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


def _chance_of_all(hits: Floats, asked: Floats, *, k: int) -> Floats:
    """C(hits, k) / C(asked, k); NaN where fewer than k were asked."""
    import numpy as np

    chance = np.ones(len(asked))
    for i in range(k):
        chance *= np.maximum(hits - i, 0) / np.where(asked >= k, asked - i, np.nan)
    return chance
