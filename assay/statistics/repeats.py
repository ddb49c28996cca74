"""Metrics of repeated predictions: pass@k, pass^k and variance components."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from assay.statistics.conventions import LEVEL
from assay.statistics.measured import Measured, unmeasured
from assay.statistics.rates import grouped_rate
from assay.statistics.sampling import Groups

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]


class RepeatMetric(StrEnum):
    """A metric of repeated predictions of one record."""

    PASS_AT = "pass_at"
    PASS_HAT = "pass_hat"
    FLAKY = "flaky"


@dataclass(frozen=True)
class Repeats:
    """Number of scored epochs and of passes of each record, and the groups of the records."""

    scored: Floats
    passed: Floats
    groups: Groups

    @classmethod
    def numbered(
        cls, values: Floats, *, records: NDArray[np.integer[Any]], groups: NDArray[np.integer[Any]]
    ) -> Repeats:
        """The repeats of predictions, each given by its value (1, 0 or NaN), and its record and group as integers."""
        import numpy as np

        first, codes = np.unique(records, return_index=True, return_inverse=True)[1:]
        scored = np.bincount(codes, weights=~np.isnan(values), minlength=len(first)).astype(np.float64)
        passed = np.bincount(codes, weights=np.nan_to_num(values), minlength=len(first)).astype(np.float64)
        return cls(scored, passed, Groups.numbered(groups[first], records=records[first]))

    def pass_at(self, k: int, *, level: float = LEVEL) -> Measured:
        """pass@k: probability that at least one of k predictions of a record passes, averaged over records.

        The unbiased estimator 1 - C(n-c, k) / C(n, k) for c passes in n epochs: Chen et al., arXiv 2107.03374 (2021).
        Records with fewer than k scored epochs count as unscored.
        """
        return self._over_records(
            1 - _probability_of_all(self.scored - self.passed, self.scored, k=k), k=k, level=level
        )

    def pass_hat(self, k: int, *, level: float = LEVEL) -> Measured:
        """pass^k: probability that all of k predictions of a record pass, averaged over records.

        The unbiased estimator C(c, k) / C(n, k): Yao et al., τ-bench, arXiv 2406.12045 (2024). Otherwise like
        `pass_at`.
        """
        return self._over_records(_probability_of_all(self.passed, self.scored, k=k), k=k, level=level)

    def _over_records(self, probabilities: Floats, *, k: int, level: float) -> Measured:
        import numpy as np

        missing = int(np.isnan(probabilities).sum())
        if missing == len(probabilities):
            return unmeasured(f"no record has {k} scored epochs", level=level)
        found = grouped_rate(probabilities, self.groups, level=level)
        if not missing:
            return found
        return replace(found, reason=f"{missing} of {len(probabilities)} records have fewer than {k} scored epochs")


@dataclass(frozen=True, slots=True, kw_only=True)
class VarianceSplit:
    """Variance components of one score; None for a component that the rows cannot separate from the one before it.

    Without repeated judgments, `epoch` includes the judge's noise. Without repeated epochs, `record` includes both.
    """

    record: float
    epoch: float | None
    judge: float | None
    records: int
    answers: int
    scores: int

    @property
    def total(self) -> float:
        """Variance of a single score."""
        return self.record + (self.epoch or 0.0) + (self.judge or 0.0)


def nested_variance(
    values: Floats, *, records: NDArray[np.integer[Any]], answers: NDArray[np.integer[Any]] | None = None
) -> VarianceSplit | None:
    """Variance between records, between predictions of one record, and between judgments of one prediction.

    One entry per judgment: its score (NaN is unscored), and its record and prediction as integers; `answers` is None if
    every prediction has one judgment. Unbalanced nested analysis of variance, with negative components set to 0:
    Searle, Casella & McCulloch, Variance Components (Wiley 1992). None for fewer than two records.
    """
    import numpy as np

    kept = ~np.isnan(values)
    y, record = values[kept], np.unique(records[kept], return_inverse=True)[1]
    answer = np.arange(len(y)) if answers is None else np.unique(answers[kept], return_inverse=True)[1]
    per_record, per_answer = np.bincount(record).astype(float), np.bincount(answer).astype(float)
    n, n_records, n_answers = len(y), len(per_record), len(per_answer)
    if n_records < 2:
        return None
    record_mean = np.bincount(record, weights=y) / per_record
    answer_mean = np.bincount(answer, weights=y) / per_answer
    owner = np.zeros(n_answers, dtype=np.intp)
    owner[answer] = record
    within = float((per_answer**2 / per_record[owner]).sum())
    judge = float(((y - answer_mean[answer]) ** 2).sum()) / (n - n_answers) if n > n_answers else None
    epoch = None
    if n_answers > n_records:
        square = float((per_answer * (answer_mean - record_mean[owner]) ** 2).sum()) / (n_answers - n_records)
        epoch = max(0.0, (square - (judge or 0.0)) * (n_answers - n_records) / (n - within))
    square = float((per_record * (record_mean - y.mean()) ** 2).sum()) / (n_records - 1)
    shared = (within - float((per_answer**2).sum()) / n) / (n_records - 1)
    size = (n - float((per_record**2).sum()) / n) / (n_records - 1)
    left = square - (judge or 0.0) - shared * (epoch or 0.0)
    return VarianceSplit(
        record=max(0.0, left / size), epoch=epoch, judge=judge, records=n_records, answers=n_answers, scores=n
    )


def repeated_bounds(epochs: Sequence[Sequence[float]], *, metric: RepeatMetric, k: int = 2) -> tuple[Floats, Floats]:
    """The lowest and the highest value of each record, given its outcomes by epoch: 1, 0, or NaN if unscored.

    `k` is that of pass@k and pass^k, for which records need k epochs; for the flaky share, they need two. A record is
    flaky (1) if some of its epochs passed and others did not. Records with fewer epochs are omitted.
    """
    import numpy as np

    rows = [outcomes for outcomes in epochs if len(outcomes) >= k]
    scored = np.array([len(outcomes) for outcomes in rows], dtype=np.float64)
    passed = np.array([sum(value == 1 for value in outcomes) for outcomes in rows], dtype=np.float64)
    failed = np.array([sum(value == 0 for value in outcomes) for outcomes in rows], dtype=np.float64)
    if metric is RepeatMetric.FLAKY:
        differ = (passed > 0) & (failed > 0)
        return differ.astype(np.float64), (differ | (passed + failed < scored)).astype(np.float64)
    if metric is RepeatMetric.PASS_HAT:
        return _probability_of_all(passed, scored, k=k), _probability_of_all(scored - failed, scored, k=k)
    return 1 - _probability_of_all(scored - passed, scored, k=k), 1 - _probability_of_all(failed, scored, k=k)


def _probability_of_all(passed: Floats, scored: Floats, *, k: int) -> Floats:
    """C(passed, k) / C(scored, k); NaN if fewer than k are scored."""
    import numpy as np

    probability = np.ones(len(scored))
    for i in range(k):
        probability *= np.maximum(passed - i, 0) / np.where(scored >= k, scored - i, np.nan)
    return probability
