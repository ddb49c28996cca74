"""A population that a judge scored whole and people labelled in part: what an estimate may take from the labels.

Which estimates there are is `corrected.py`'s matter; here is how the rows were drawn, and when there must be none.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace
from datetime import date
from enum import StrEnum
from functools import cached_property
from typing import TYPE_CHECKING

from assay.statistics.conventions import (
    FEW_CLUSTERS,
    FEWEST_CLUSTERS,
    FEWEST_LABELLED,
    LEVEL,
    MAX_UNSCORED_SHARE,
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
    """How the labelled rows were chosen; `annotations_queue.sampling_design`, and `design` of a calibration."""

    RANDOM = "random"
    STRATIFIED = "stratified"
    TRIAGE = "triage"
    """What is worth reading: no probability sample."""
    IMPORT = "import"
    """Labels of rows that no sample drew."""
    NONE = "none"
    """No labels."""


PROBABILITY_DESIGNS = frozenset({SamplingDesign.RANDOM, SamplingDesign.STRATIFIED})


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """How the labelled rows were chosen: `design` is random or stratified for a probability sample, else e.g. triage.

    `mismatch` says why the labels do not fit the judged rows (another scorer, task or inference version), None if they do.
    """

    design: SamplingDesign
    frame: str
    drawn_on: date | None = None
    mismatch: str | None = None


@dataclass(frozen=True, kw_only=True)
class JudgedSample:
    """All rows that the judge scored, one entry a row: its score and a person's, 0 to 1, NaN where there is none.

    `inclusion` is each row's probability of being labelled (above 0 for labelled rows), None where all had the same.
    """

    judge: Floats
    labels: Floats
    calibration: Calibration
    inclusion: Floats | None = None
    clusters: Sequence[Hashable] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CorrectedRate:
    """An estimate, with the labels it rests on; `tuning` is how much the judge counts, 0 (not at all) to 1."""

    measured: Measured
    labels: int
    passes: float
    failures: float
    calibration: Calibration
    tuning: float | None = None
    sensitivity: float | None = None
    specificity: float | None = None


@dataclass(frozen=True, kw_only=True)
class LabelledSample:
    """The judged rows that have a score, and which of them are labelled; `refusal` is why there can be no estimate."""

    judged: JudgedSample
    judge: Floats
    labelled: Mask
    y: Floats
    f: Floats
    weights: Floats
    clusters: list[Hashable] | None
    refusal: Measured | None

    @classmethod
    def of(cls, judged: JudgedSample) -> LabelledSample:
        """The sample.

        Raises:
            ValueError: the fields differ in length, or a score is outside 0 to 1.
        """
        import numpy as np

        _validate(judged)
        scored = ~np.isnan(judged.judge)
        judge, labels = judged.judge[scored], judged.labels[scored]
        labelled = ~np.isnan(labels)
        inclusion = np.ones(len(judge)) if judged.inclusion is None else judged.inclusion[scored]
        drawn = inclusion[labelled]
        usable = bool(len(drawn)) and bool((drawn > 0).all())
        clusters = None
        if judged.clusters is not None:
            clusters = [cluster for cluster, kept in zip(judged.clusters, scored, strict=True) if kept]
        return cls(
            judged=judged,
            judge=judge,
            labelled=labelled,
            y=labels[labelled],
            f=judge[labelled],
            weights=drawn.mean() / drawn if usable else np.ones(len(drawn)),
            clusters=clusters,
            refusal=_refusal(judged, labels, drawn, unscored=int((~scored).sum())) or _alone(clusters, labelled),
        )

    @cached_property
    def yes_no(self) -> bool:
        """True where neither judge nor people say anything in between."""
        import numpy as np

        return bool(np.isin(self.judge, (0, 1)).all() and np.isin(self.y, (0, 1)).all())

    @cached_property
    def unequal(self) -> bool:
        """True where labelled rows had different probabilities of being drawn."""
        return bool(self.weights.max() > self.weights.min() * (1 + 1e-9))

    @cached_property
    def labelled_clusters(self) -> list[Hashable] | None:
        """The cluster of each labelled row."""
        if self.clusters is None:
            return None
        return [cluster for cluster, kept in zip(self.clusters, self.labelled, strict=True) if kept]

    @cached_property
    def groups(self) -> Groups:
        """Of all judged rows."""
        return Groups.of(len(self.judge), Sampling(clusters=self.clusters))

    @cached_property
    def labelled_groups(self) -> Groups:
        """Of the labelled rows, weighted."""
        return Groups.of(len(self.y), Sampling(clusters=self.labelled_clusters, weights=self.weights.tolist()))

    @property
    def few(self) -> str | None:
        """Why there are too few labels for an interval that keeps its level, None if there are enough."""
        passes = float(self.y.sum())
        for name, count in (("failures", len(self.y) - passes), ("passes", passes)):
            if count < FEWEST_LABELLED:
                return f"{count:g} human-labelled {name}, fewer than {FEWEST_LABELLED}: conservative bounds"
        return None

    def half(self, influence: Floats, *, df: float = math.inf, error: float = TAIL_ERROR) -> float:
        """Half an interval of a mean over judged rows whose influence values these are, with at most `df` degrees of freedom."""
        spread = spread_of(self.groups, influence - influence.mean())
        return replace(spread, df=min(spread.df, df)).half(error)

    def scale(self, influence: Floats, *, independent: float) -> float:
        """By how much counts are to be divided: the variance found over that which the counts alone would have.

        Where the counts have none, all rows of a cluster are taken to say the same.
        """
        from scipy.special import ndtri

        clustered = self.groups.are_clusters
        if independent <= 0:
            return max(1.0, len(self.y) / self.labelled_groups.equal_groups) if clustered else 1.0
        if clustered:
            return (self.half(influence) / float(ndtri(1 - TAIL_ERROR))) ** 2 / independent
        return spread_of(self.groups, influence - influence.mean()).variance / independent

    def standing(self, few: str | None) -> tuple[Status, str | None]:
        """What an estimate may be used for, by its labels and their clusters."""
        groups = self.labelled_groups
        clustered = groups.are_clusters or self.groups.are_clusters
        if clustered and groups.count < FEWEST_CLUSTERS:
            return Status.INCONCLUSIVE, f"labels in {groups.count} clusters, fewer than {FEWEST_CLUSTERS}"
        if few:
            return Status.TOO_FEW, few
        if clustered and groups.count < FEW_CLUSTERS:
            return Status.WARNING, f"labels in {groups.count} clusters, fewer than {FEW_CLUSTERS}"
        return Status.OK, None

    def measured(self, value: float, bounds: tuple[float, float], *, method: str, few: str | None) -> Measured:
        """The estimate within 0 and 1, its bounds around it."""
        value = min(1.0, max(0.0, value))
        status, reason = self.standing(few)
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

    def nothing(self, reason: str) -> CorrectedRate:
        """No value, with the reason."""
        return self.result(unmeasured(reason, level=LEVEL, n=len(self.judge)))

    def result(self, measured: Measured, **facts: float) -> CorrectedRate:
        """The estimate with what is known of the labels."""
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
            raise ValueError(f"{name}: one entry a judged row was expected, {n} rows; found {len(entries)}")
    for name, scores in (("judge", judged.judge), ("labels", judged.labels)):
        outside = scores[(scores < 0) | (scores > 1)]
        if len(outside):
            raise ValueError(f"{name}: scores from 0 to 1 were expected, found {outside[0]:g}")


def _refusal(judged: JudgedSample, labels: Floats, drawn: Floats, *, unscored: int) -> Measured | None:
    calibration, rows = judged.calibration, len(judged.judge)
    if calibration.mismatch:
        return unmeasured(f"the labels do not fit: {calibration.mismatch}", level=LEVEL, n=len(labels))
    if calibration.design not in PROBABILITY_DESIGNS:
        return unmeasured(f"labels by {calibration.design} are not a probability sample", level=LEVEL, n=len(labels))
    if unscored > MAX_UNSCORED_SHARE * rows:
        reason = f"{unscored} of {rows} rows have no score of the judge"
        return unmeasured(reason, level=LEVEL, n=len(labels), status=Status.UNSCORED)
    if not len(drawn):
        return unmeasured("no human labels", level=LEVEL, n=len(labels))
    if not (drawn > 0).all() or (drawn > 1).any():
        return unmeasured("a labelled row has no probability of being drawn", level=LEVEL, n=len(labels))
    return None


def _alone(clusters: list[Hashable] | None, labelled: Mask) -> Measured | None:
    if clusters is None or int(labelled.sum()) < 2:
        return None
    drawn = [cluster for cluster, kept in zip(clusters, labelled, strict=True) if kept]
    if drawn[0] is None or len(set(drawn)) > 1:
        return None
    return unmeasured("all labels lie in one cluster, which says nothing of the others", level=LEVEL, n=len(labelled))
