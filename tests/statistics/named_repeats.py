"""pass@k, pass^k and the variance split of answers whose records are named, not numbered in their order as in a run."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import numpy as np

from assay.statistics.measured import Measured
from assay.statistics.rates import floats
from assay.statistics.repeats import Repeats, VarianceSplit, nested_variance
from assay.statistics.sampling import Groups, Sampling, numbered


def pass_at_k(passed: Sequence[bool | None], sampling: Sampling, *, k: int) -> Measured:
    """How likely at least one of k answers to a record passes."""
    return _repeated(passed, sampling).pass_at(k)


def pass_hat_k(passed: Sequence[bool | None], sampling: Sampling, *, k: int) -> Measured:
    """How likely all of k answers to a record pass."""
    return _repeated(passed, sampling).pass_hat(k)


def variance_split(
    scores: Sequence[float | bool | None], *, records: Sequence[Hashable], answers: Sequence[Hashable] | None = None
) -> VarianceSplit | None:
    """One entry a judgement: its score, its record and the answer that it judges (None: each has an answer of its own)."""
    named = None if answers is None else numbered(list(zip(records, answers, strict=True)))
    return nested_variance(floats(scores), records=numbered(records), answers=named)


def _repeated(passed: Sequence[bool | None], sampling: Sampling) -> Repeats:
    assert sampling.records is not None
    values, codes = floats(passed), numbered(sampling.records)
    first = np.unique(codes, return_index=True)[1]
    asked = np.bincount(codes, weights=~np.isnan(values)).astype(np.float64)
    hits = np.bincount(codes, weights=np.nan_to_num(values)).astype(np.float64)
    clusters = None if sampling.clusters is None else [sampling.clusters[i] for i in first]
    return Repeats(asked, hits, Groups.of(len(first), Sampling(clusters=clusters)))
