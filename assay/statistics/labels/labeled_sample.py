"""Rows that a judge scored, some of which people labeled: sampling design, weights and validity."""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from enum import StrEnum
from functools import cached_property
from typing import TYPE_CHECKING

from assay.statistics.conventions import (
    FEW_CLUSTERS,
    FEWEST_CLUSTERS,
    FEWEST_LABELED,
    LEVEL,
    TAIL_ERROR,
)
from assay.statistics.measured import Measured, Status, unmeasured
from assay.statistics.sampling import Groups, Sampling, spread_of

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Mask = NDArray[np.bool_]


class SamplingDesign(StrEnum):
    """How the labeled rows were selected; in `annotations_queue.sampling_design` and in `design` of a calibration."""

    RANDOM = "random"
    STRATIFIED = "stratified"
    TRIAGE = "triage"
    """Selected for review by priority: not a probability sample."""
    CENSUS = "census"
    """Every prediction of the population has a label; each has the inclusion probability 1."""
    IMPORT = "import"
    """Imported labels that belong to no sample and do not cover the population."""
    NONE = "none"
    """No labels."""


PROBABILITY_DESIGNS = frozenset({SamplingDesign.RANDOM, SamplingDesign.STRATIFIED, SamplingDesign.CENSUS})


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """How the labeled rows were selected; `PROBABILITY_DESIGNS` are probability samples.

    `mismatch` is the reason why the labels do not apply to the judged rows, such as a different inference version; None
    if they apply.
    """

    design: SamplingDesign
    frame: str
    drawn_on: date | None = None
    mismatch: str | None = None


@dataclass(frozen=True, kw_only=True)
class Strata:
    """The stratum of each row that was drawn, None for other rows, and the number of rows in each stratum."""

    of_row: Sequence[str | None]
    sizes: Mapping[str, int]


@dataclass(frozen=True, kw_only=True)
class JudgedSample:
    """All judged rows with the judge's score and the human label of each, from 0 to 1; NaN if there is none.

    A label of one half is a tie of annotators. `inclusion` is the probability that the row was labeled, above 0 for
    labeled rows; None if all rows have the same probability. `strata` is None unless the rows are whole strata.
    """

    judge: Floats
    labels: Floats
    calibration: Calibration
    inclusion: Floats | None = None
    clusters: Sequence[Hashable] | None = None
    strata: Strata | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CorrectedRate:
    """An estimate with the counts of its labels; `tuning` is the weight of the judge, from 0 to 1."""

    measured: Measured
    labels: int
    passes: float
    failures: float
    calibration: Calibration
    tuning: float | None = None
    sensitivity: float | None = None
    specificity: float | None = None


@dataclass(frozen=True, kw_only=True)
class LabeledSample:
    """The judged rows, and a mask of the labeled ones; `refusal` is set if no estimate is possible.

    `judge` is NaN where the judge has no score. These rows stay: people label them like all others.
    """

    judged: JudgedSample
    judge: Floats
    labeled: Mask
    y: Floats
    weights: Floats
    clusters: list[Hashable] | None
    refusal: Measured | None

    @classmethod
    def of(cls, judged: JudgedSample) -> LabeledSample:
        """Builds the sample.

        Raises:
            ValueError: the fields differ in length, or a score is outside 0 to 1.
        """
        import numpy as np

        _validate(judged)
        labels, labeled = judged.labels, ~np.isnan(judged.labels)
        inclusion = np.ones(len(labels)) if judged.inclusion is None else judged.inclusion
        drawn = inclusion[labeled]
        usable = bool(len(drawn)) and bool((drawn > 0).all())
        clusters = None if judged.clusters is None else list(judged.clusters)
        return cls(
            judged=judged,
            judge=judged.judge,
            labeled=labeled,
            y=labels[labeled],
            weights=drawn.mean() / drawn if usable else np.ones(len(drawn)),
            clusters=clusters,
            refusal=_refusal(judged, drawn) or _one_cluster(clusters, labeled),
        )

    @cached_property
    def unscored(self) -> int:
        """Number of judged rows without a score of the judge."""
        import numpy as np

        return int(np.isnan(self.judge).sum())

    def scores(self, *, unscored: float) -> Floats:
        """The judge's scores of all rows, with the score that stands for a missing one."""
        import numpy as np

        return np.nan_to_num(self.judge, nan=unscored)

    @cached_property
    def yes_no(self) -> bool:
        """True if all scores are 0 or 1, and all labels are 0, 1 or a tie of one half."""
        import numpy as np

        scored = self.judge[~np.isnan(self.judge)]
        return bool(np.isin(scored, (0, 1)).all() and np.isin(self.y, (0, 0.5, 1)).all())

    @cached_property
    def unequal(self) -> bool:
        """True if labeled rows had different probabilities of being drawn."""
        return bool(self.weights.max() > self.weights.min() * (1 + 1e-9))

    @cached_property
    def labeled_clusters(self) -> list[Hashable] | None:
        """The cluster of each labeled row."""
        if self.clusters is None:
            return None
        return [cluster for cluster, kept in zip(self.clusters, self.labeled, strict=True) if kept]

    @cached_property
    def groups(self) -> Groups:
        """The groups of all judged rows."""
        return Groups.of(len(self.judge), Sampling(clusters=self.clusters))

    @cached_property
    def labeled_groups(self) -> Groups:
        """The groups of the labeled rows, with weights."""
        return Groups.of(len(self.y), Sampling(clusters=self.labeled_clusters, weights=self.weights.tolist()))

    @property
    def few(self) -> str | None:
        """The reason if there are too few labels for an interval that keeps its level; None if there are enough."""
        passes = float(self.y.sum())
        for name, count in (("failures", len(self.y) - passes), ("passes", passes)):
            if count < FEWEST_LABELED:
                return f"{count:g} human-labeled {name}, fewer than {FEWEST_LABELED}: conservative bounds"
        return None

    @property
    def few_labels(self) -> str | None:
        """The reason if there are too few labels for any estimate to be relied on; None if there are enough."""
        count = len(self.y)
        return f"{count} human labels, fewer than {FEWEST_LABELED}" if count < FEWEST_LABELED else None

    def half(self, influence: Floats, *, df: float = math.inf, error: float = TAIL_ERROR) -> float:
        """Half-width of the interval of a mean over judged rows, given its influence values and a maximum for `df`."""
        spread = spread_of(self.groups, influence - influence.mean())
        return replace(spread, df=min(spread.df, df)).half(error)

    def scale(self, influence: Floats, *, independent: float) -> float:
        """Divisor of the counts: the estimated variance, divided by the variance if outcomes were independent.

        If the latter is 0, all rows of a cluster are assumed to be equal.
        """
        from scipy.special import ndtri

        clustered = self.groups.are_clusters
        if independent <= 0:
            return max(1.0, len(self.y) / self.labeled_groups.equal_groups) if clustered else 1.0
        if clustered:
            return (self.half(influence) / float(ndtri(1 - TAIL_ERROR))) ** 2 / independent
        return spread_of(self.groups, influence - influence.mean()).variance / independent

    def status(self, few: str | None) -> tuple[Status, str | None]:
        """The status of an estimate, from the number of its labels and of their clusters, with the reason."""
        groups = self.labeled_groups
        clustered = groups.are_clusters or self.groups.are_clusters
        if clustered and groups.count < FEWEST_CLUSTERS:
            return Status.INCONCLUSIVE, f"labels in {groups.count} clusters, fewer than {FEWEST_CLUSTERS}"
        if few:
            return Status.TOO_FEW, few
        if clustered and groups.count < FEW_CLUSTERS:
            return Status.WARNING, f"labels in {groups.count} clusters, fewer than {FEW_CLUSTERS}"
        return Status.OK, None

    def unscored_note(self, treatment: str) -> str | None:
        """A note on rows without a score of the judge and their treatment; None if there are none."""
        return f"{self.unscored} of {len(self.judge)} verdicts unscored: {treatment}" if self.unscored else None

    def measured(
        self,
        value: float,
        bounds: tuple[float, float],
        *,
        method: str,
        few: str | None,
        notes: Iterable[str | None] = (),
    ) -> Measured:
        """The estimate, with value and bounds limited to the range 0 to 1."""
        value = min(1.0, max(0.0, value))
        status, reason = self.status(few)
        reason = "; ".join(filter(None, (reason, *notes))) or None
        return Measured(
            value=value,
            low=max(0.0, min(bounds[0], value)),
            high=min(1.0, max(bounds[1], value)),
            level=LEVEL,
            method=method,
            n=len(self.judge),
            clusters=self.groups.count,
            status=status,
            reason=reason,
        )

    def without_value(self, reason: str) -> CorrectedRate:
        """An estimate without a value, with the reason."""
        return self.result(unmeasured(reason, level=LEVEL, n=len(self.judge)))

    def result(self, measured: Measured, **facts: float) -> CorrectedRate:
        """The estimate with the counts of its labels."""
        passes = float(self.y.sum())
        return CorrectedRate(
            measured=measured,
            labels=len(self.y),
            passes=passes,
            failures=len(self.y) - passes,
            calibration=self.judged.calibration,
            **facts,
        )


def _validate(judged: JudgedSample) -> None:
    n = len(judged.judge)
    for name in ("labels", "inclusion", "clusters"):
        entries = getattr(judged, name)
        if entries is not None and len(entries) != n:
            raise ValueError(f"{name}: expected one entry per judged row ({n}), found {len(entries)}")
    for name, scores in (("judge", judged.judge), ("labels", judged.labels)):
        outside = scores[(scores < 0) | (scores > 1)]
        if len(outside):
            raise ValueError(f"{name}: expected scores from 0 to 1, found {outside[0]:g}")


def _refusal(judged: JudgedSample, drawn: Floats) -> Measured | None:
    calibration, rows = judged.calibration, len(judged.judge)
    if calibration.mismatch:
        return unmeasured(f"the labels do not apply: {calibration.mismatch}", level=LEVEL, n=rows)
    if calibration.design not in PROBABILITY_DESIGNS:
        return unmeasured(f"labels of design {calibration.design} are not a probability sample", level=LEVEL, n=rows)
    if not len(drawn):
        return unmeasured("no human labels", level=LEVEL, n=rows)
    if not (drawn > 0).all() or (drawn > 1).any():
        return unmeasured("a labeled row has no inclusion probability", level=LEVEL, n=rows)
    return None


def _one_cluster(clusters: list[Hashable] | None, labeled: Mask) -> Measured | None:
    if clusters is None or int(labeled.sum()) < 2:
        return None
    drawn = [cluster for cluster, kept in zip(clusters, labeled, strict=True) if kept]
    if drawn[0] is None or len(set(drawn)) > 1:
        return None
    reason = "all labels are in one cluster, so the variance between clusters is unknown"
    return unmeasured(reason, level=LEVEL, n=len(labeled))
