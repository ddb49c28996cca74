"""A judge's verdicts and human labels of the same predictions, with the sampling design of the labels."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from functools import cached_property
from typing import Any, TypeVar

from assay.labels.questions import CANNOT_TELL, LabelingQuestion
from assay.records.keys import ClusterKey, RecordKey
from assay.records.statuses import AnnotatorKind, ScoreStatus
from assay.statistics.labels.labeled_sample import PROBABILITY_DESIGNS, SamplingDesign, Strata
from assay.statistics.sampling import Sampling
from assay.tasks.gate_spec import OVERALL
from assay.tasks.rubric import FAIL, PASS

Value = TypeVar("Value", bound=Hashable)


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgedAnswer:
    """A prediction with a judge's verdict; `status` is None if not judged, `value` and `passed` if not scored."""

    prediction_id: str
    record: RecordKey
    population: str
    slices: tuple[str, ...] = ()
    cluster: ClusterKey | None = None
    output_length: int | None = None
    """Number of characters of the output as JSON."""
    status: ScoreStatus | None = None
    value: float | None = None
    passed: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class HumanLabel:
    """One annotator's label of one prediction; `value` is None for `cannot_tell`, which is not a level."""

    prediction_id: str
    annotator: str
    label: str
    value: float | None = None
    passed: bool | None = None
    is_adjudication: bool = False
    """True for the label of an adjudicator, which takes precedence."""
    kind: AnnotatorKind = AnnotatorKind.EXPERT

    @property
    def is_expert(self) -> bool:
        """True if the label can calibrate a judge."""
        return self.kind == AnnotatorKind.EXPERT


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelSource:
    """How the labeled predictions were selected; `inclusion` maps drawn predictions to their inclusion probability.

    `strata` maps the drawn predictions of a stratified sample to their stratum, `stratum_sizes` each stratum to its size.
    `mismatch` is the reason why the labels do not apply to the run, such as a different question or version, else None.
    """

    design: SamplingDesign
    frame: str
    sample_id: str | None = None
    frame_size: int | None = None
    drawn_on: date | None = None
    inclusion: Mapping[str, float] = field(default_factory=dict)
    strata: Mapping[str, str] = field(default_factory=dict)
    stratum_sizes: Mapping[str, int] = field(default_factory=dict)
    mismatch: str | None = None


@dataclass(frozen=True, slots=True)
class Vote:
    """A level and whether it passes; None if undecided. A tie of pass and fail has the pass share one half."""

    level: float | None
    passed: bool | None
    is_tied: bool = False

    @property
    def pass_share(self) -> float | None:
        """1 for a pass, 0 for a fail, one half for a tie, else None."""
        if self.is_tied:
            return 0.5
        return None if self.passed is None else float(self.passed)


UNDECIDED = Vote(None, None)


@dataclass(frozen=True, slots=True, kw_only=True)
class CalibrationFacts:
    """Facts about the labels of a metric, as landed in the column `calibration`."""

    sample_id: str | None
    design: SamplingDesign
    frame: str
    frame_size: int | None
    drawn_on: str | None
    question_version: str
    n_drawn: int
    n_labels: int
    """Number of labeled predictions."""
    annotators: tuple[str, ...]
    n_cannot_tell: int
    """Number of predictions whose annotators all chose `cannot_tell`."""
    n_undecided: int
    """Number of predictions with contradicting labels, without a majority or an adjudicator."""
    n_tied: int = 0
    """Number of predictions that half of the annotators pass: half a pass in every rate."""
    n_other_kinds: int = 0
    """Number of labels of users and models, which no metric uses."""


@dataclass(frozen=True, kw_only=True)
class CalibrationSet:
    """The predictions of a run with a judge's verdicts, and human labels for some of them.

    `judge_mismatch` is the reason if the verdicts come from a different version of the judge, else None.
    """

    question: LabelingQuestion
    answers: Sequence[JudgedAnswer]
    labels: Sequence[HumanLabel]
    source: LabelSource
    judge_mismatch: str | None = None

    @cached_property
    def by_answer(self) -> dict[str, list[HumanLabel]]:
        """The valid labels by prediction: levels of the rubric, for predictions in the run and its sample, if any."""
        found: dict[str, list[HumanLabel]] = defaultdict(list)
        for label in self.labels:
            if label.is_expert and label.value in self.levels and label.prediction_id in self._labelable:
                found[label.prediction_id].append(label)
        return dict(found)

    @cached_property
    def _labelable(self) -> frozenset[str]:
        known = frozenset(answer.prediction_id for answer in self.answers)
        return known & self.source.inclusion.keys() if self.is_probability_sample else known

    @cached_property
    def truth(self) -> dict[str, Vote]:
        """The human vote for each labeled prediction."""
        return {prediction: agreed(labels) for prediction, labels in self.by_answer.items()}

    @cached_property
    def undecidable(self) -> frozenset[str]:
        """Predictions whose annotators all chose `cannot_tell`."""
        unsure = {label.prediction_id for label in self.labels if label.is_expert and label.label == CANNOT_TELL}
        return frozenset((unsure & self._labelable) - self.by_answer.keys())

    @cached_property
    def others(self) -> tuple[HumanLabel, ...]:
        """The labels of users and models, which no metric uses."""
        return tuple(label for label in self.labels if not label.is_expert and label.value is not None)

    @property
    def other_labels(self) -> int:
        """Number of labels of users and models."""
        return len(self.others)

    def inclusion(self, *, with_undecidable: bool) -> Mapping[str, float]:
        """The inclusion probability of each drawn prediction; in a stratified sample the labeled share of its stratum.

        This share corrects for predictions of the sample that have no label. The order of the sample is random, so
        these are a random part of their stratum. `with_undecidable` counts `cannot_tell` as a label.
        """
        if not self.source.strata:
            return self.source.inclusion
        kept = self.truth.keys() | (self.undecidable if with_undecidable else frozenset())
        labeled = Counter(stratum for prediction, stratum in self.source.strata.items() if prediction in kept)
        sizes = self.source.stratum_sizes
        return {unit: labeled[stratum] / sizes[stratum] for unit, stratum in self.source.strata.items()}

    @cached_property
    def unrelated_labels(self) -> int:
        """Number of labels whose prediction is not in the run, or not in its sample."""
        return sum(
            label.is_expert and label.value is not None and label.prediction_id not in self._labelable
            for label in self.labels
        )

    @property
    def is_binary(self) -> bool:
        """True if the rubric has only the levels pass and fail."""
        return {level.label for level in self.question.levels} == {PASS, FAIL}

    @property
    def is_nominal(self) -> bool:
        """True if the levels have no distances: pass and fail, or categories without an order."""
        return self.is_binary or not self.question.is_ordered

    @property
    def has_passing_levels(self) -> bool:
        """True if the rubric states which levels pass."""
        return any(level.passed is not None for level in self.question.levels)

    @property
    def levels(self) -> tuple[float, ...]:
        """The levels of the rubric, ascending."""
        return tuple(sorted(level.value for level in self.question.levels))

    def label_of(self, level: float) -> str:
        """The name of a level."""
        return next(known.label for known in self.question.levels if known.value == level)

    def judged(self, answer: JudgedAnswer) -> Vote:
        """The judge's verdict as a level of the rubric; a mean is rounded to the nearest level, down on a tie."""
        if answer.value is None:
            return UNDECIDED
        if self.is_binary:
            return Vote(None if answer.passed is None else float(answer.passed), answer.passed)
        value = answer.value
        return Vote(min(self.levels, key=lambda level: (abs(level - value), level)), answer.passed)

    @property
    def label_refusal(self) -> str | None:
        """The reason if no metric can be computed from the labels, else None."""
        if self.source.mismatch:
            return f"the labels do not apply: {self.source.mismatch}"
        if self.source.design == SamplingDesign.TRIAGE:
            return "labels of design triage are not a probability sample, so no estimate uses them"
        if not self.by_answer:
            count = self.unrelated_labels
            outside = f" but {count} of predictions that are not in the run or its sample" if count else ""
            nothing = (
                "no calibration sample and no human labels"
                if self.source.design == SamplingDesign.NONE
                else "no human labels"
            )
            others = f"; {self.other_labels} of users or models are not used" if self.others else ""
            return f"{nothing}{outside}{others}"
        return None

    @property
    def is_probability_sample(self) -> bool:
        """True if the labels are a probability sample of the run."""
        return self.source.design in PROBABILITY_DESIGNS


def agreed(labels: Sequence[HumanLabel]) -> Vote:
    """The human vote for one prediction: the adjudicator's label, or else the majority."""
    counted = [label for label in labels if label.is_adjudication] or list(labels)
    passed = [label.passed for label in counted]
    is_tied = None not in passed and 2 * sum(map(bool, passed)) == len(passed)
    return Vote(_majority([label.value for label in counted]), _majority(passed), is_tied)


def _majority(values: Sequence[Value]) -> Value | None:
    value, count = Counter(values).most_common(1)[0]
    return value if 2 * count > len(values) else None


@dataclass(frozen=True, kw_only=True)
class Domain:
    """The predictions of one population, or of a slice of it."""

    of: CalibrationSet
    population: str
    slice: str
    answers: Sequence[JudgedAnswer]

    @cached_property
    def labeled(self) -> list[JudgedAnswer]:
        """The labeled predictions."""
        return [answer for answer in self.answers if answer.prediction_id in self.of.by_answer]

    def truth(self, answer: JudgedAnswer) -> Vote:
        """The human vote for the prediction."""
        return self.of.truth.get(answer.prediction_id, UNDECIDED)

    def sampling(self, answers: Sequence[JudgedAnswer], *, weighted: bool) -> Sampling:
        """Records and clusters of the predictions and, if `weighted`, inverse-probability weights."""
        inclusion = self.of.source.inclusion
        weigh = weighted and self.of.is_probability_sample
        return Sampling(
            records=[answer.record for answer in answers],
            clusters=[answer.cluster for answer in answers],
            weights=[1 / inclusion[answer.prediction_id] for answer in answers] if weigh else None,
        )

    @cached_property
    def undecidable(self) -> frozenset[str]:
        """The predictions of this domain whose annotators all chose `cannot_tell`."""
        return self.of.undecidable & {answer.prediction_id for answer in self.answers}

    def strata(self, answers: Sequence[JudgedAnswer]) -> Strata | None:
        """The strata of the predictions; None if the sample has none, or if one of them reaches beyond this domain."""
        source, here = self.of.source, {answer.prediction_id for answer in self.answers}
        inside = {stratum for unit, stratum in source.strata.items() if unit in here}
        if not inside or any(stratum in inside and unit not in here for unit, stratum in source.strata.items()):
            return None
        return Strata(
            of_row=[source.strata.get(answer.prediction_id) for answer in answers],
            sizes={name: source.stratum_sizes[name] for name in sorted(inside)},
        )

    @cached_property
    def facts(self) -> CalibrationFacts:
        """Facts about the labels of this domain."""
        source, drawn = self.of.source, {answer.prediction_id for answer in self.answers}
        labels = [label for answer in self.labeled for label in self.of.by_answer[answer.prediction_id]]
        return CalibrationFacts(
            sample_id=source.sample_id,
            design=source.design,
            frame=source.frame,
            frame_size=source.frame_size,
            drawn_on=source.drawn_on.isoformat() if source.drawn_on else None,
            question_version=self.of.question.version,
            n_drawn=len(drawn & source.inclusion.keys()),
            n_labels=len(self.labeled),
            annotators=tuple(sorted({label.annotator for label in labels})),
            n_cannot_tell=len(self.of.undecidable & drawn),
            n_undecided=sum(self.truth(answer).level is None for answer in self.labeled),
            n_tied=sum(self.truth(answer).is_tied for answer in self.labeled),
            n_other_kinds=sum(label.prediction_id in drawn for label in self.of.others),
        )

    @property
    def label_counts(self) -> dict[str, int]:
        """Number of labeled predictions by human vote: pass and fail, or the levels if the rubric does not decide."""
        votes = [self.truth(answer) for answer in self.labeled]
        if self.of.has_passing_levels:
            return {PASS: sum(vote.passed is True for vote in votes), FAIL: sum(vote.passed is False for vote in votes)}
        counts: Counter[Any] = Counter(self.of.label_of(vote.level) for vote in votes if vote.level is not None)
        return {level.label: counts[level.label] for level in self.of.question.levels}


def domains(found: CalibrationSet, *, pooled: bool = False) -> list[Domain]:
    """The populations of the run and their slices, overall first; `pooled` combines all populations into one."""
    together = " + ".join(sorted({answer.population for answer in found.answers}))
    groups: dict[tuple[str, bool, str], list[JudgedAnswer]] = defaultdict(list)
    for answer in found.answers:
        population = together if pooled else answer.population
        groups[population, False, OVERALL].append(answer)
        for name in answer.slices:
            groups[population, True, name].append(answer)
    return [
        Domain(of=found, population=population, slice=name, answers=answers)
        for (population, _, name), answers in sorted(groups.items(), key=lambda group: group[0])
    ]
