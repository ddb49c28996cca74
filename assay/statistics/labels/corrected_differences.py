"""The difference of two rates on the same records, each judged by one judge that human labels correct."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from assay.statistics.conventions import FEWEST_LABELED, LEVEL
from assay.statistics.labels.corrected_rates import ppi_rate
from assay.statistics.labels.labeled_sample import JudgedSample
from assay.statistics.measured import Measured, Status, joined, unmeasured

if TYPE_CHECKING:
    from assay.statistics.sampling import Floats


SEVERITY = (Status.OK, Status.WARNING, Status.TOO_FEW, Status.INCONCLUSIVE)
"""The statuses of an estimate with a value, the least reliable one last."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CorrectedDifference:
    """Candidate minus champion, as a difference of rates; `labels` counts the records with labels of both."""

    measured: Measured
    labels: int


def corrected_difference(candidate: JudgedSample, champion: JudgedSample) -> CorrectedDifference:
    """The difference of the corrected rates of two samples whose rows are the same records, in the same order.

    Where labels of both predictions of a record contradict the difference of the verdicts often enough, PPI++ of the
    paired differences (Angelopoulos, Duchi & Zrnic, arXiv 2311.01453, 2023). Otherwise MOVER of the two corrected rates
    (Zou & Donner, Statistics in Medicine 27 (2008) 1693), which ignores that the rates are positively correlated and
    is therefore wider, but keeps its level if few labels contradict the judge. Two-sided, at `LEVEL`.

    Raises:
        ValueError: the samples differ in length.
    """
    import numpy as np

    if len(candidate.judge) != len(champion.judge):
        raise ValueError(f"expected the same records, found {len(candidate.judge)} and {len(champion.judge)}")
    paired = _paired(candidate, champion)
    labeled = ~np.isnan(paired.labels)
    contradicted = int((np.abs(paired.labels[labeled] - _known(paired.judge)[labeled]) > 0).sum())
    if contradicted >= FEWEST_LABELED:
        found = ppi_rate(paired).measured
        if found.value is not None and found.status in {Status.OK, Status.WARNING}:
            return CorrectedDifference(measured=_as_difference(found), labels=int(labeled.sum()))
    return CorrectedDifference(measured=_of_rates(candidate, champion), labels=int(labeled.sum()))


def _paired(candidate: JudgedSample, champion: JudgedSample) -> JudgedSample:
    """Differences from -1 to 1, moved to 0 to 1; a record is labeled if both of its predictions are."""
    return JudgedSample(
        judge=(candidate.judge - champion.judge + 1) / 2,
        labels=(candidate.labels - champion.labels + 1) / 2,
        inclusion=_inclusion(candidate) * _inclusion(champion),
        clusters=candidate.clusters,
        calibration=candidate.calibration if candidate.calibration.mismatch else champion.calibration,
    )


def _inclusion(sample: JudgedSample) -> Floats:
    import numpy as np

    return np.ones(len(sample.judge)) if sample.inclusion is None else sample.inclusion


def _known(judge: Floats) -> Floats:
    """The judge's differences; a missing one is taken as no difference."""
    import numpy as np

    return np.nan_to_num(judge, nan=0.5)


def _as_difference(found: Measured) -> Measured:
    assert found.value is not None and found.low is not None and found.high is not None
    return replace(
        found,
        value=2 * found.value - 1,
        low=2 * found.low - 1,
        high=2 * found.high - 1,
        method=f"paired_{found.method}",
    )


def _of_rates(candidate: JudgedSample, champion: JudgedSample) -> Measured:
    one, other = (ppi_rate(sample).measured for sample in (candidate, champion))
    for name, found in (("candidate", one), ("champion", other)):
        if found.value is None or found.low is None or found.high is None:
            return unmeasured(f"{name}: {found.reason}", level=LEVEL, n=found.n)
    assert one.value is not None and one.low is not None and one.high is not None
    assert other.value is not None and other.low is not None and other.high is not None
    difference = one.value - other.value
    reasons = (f"{name}: {found.reason}" for name, found in (("candidate", one), ("champion", other)) if found.reason)
    return replace(
        one,
        value=difference,
        low=difference - math.hypot(one.value - one.low, other.high - other.value),
        high=difference + math.hypot(one.high - one.value, other.value - other.low),
        method="mover_of_corrected_rates",
        status=max(one.status, other.status, key=SEVERITY.index),
        reason=joined(*reasons),
    )
