"""What a judge and people said of the same answers, brought together: which labels count, and how they were chosen.

Shapes, and what several people come to, belong here; what is computed from them is in `calibration.py` and `annotators.py`.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from functools import cached_property
from typing import Any, TypeVar

from assay.labels.questions import CANNOT_TELL, LabelingQuestion
from assay.records.statuses import ScoreStatus
from assay.statistics.labeled_sample import PROBABILITY_DESIGNS, SamplingDesign
from assay.statistics.measured import Measured, Status
from assay.statistics.sampling import Sampling
from assay.tasks.gate_spec import OVERALL
from assay.tasks.rubric import FAIL, PASS

Word = TypeVar("Word", bound=Hashable)


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgedAnswer:
    """An answer of a run with the judge's verdict: `status` is None where it was not asked, the rest unless scored."""

    prediction_id: str
    record_id: str
    population: str
    slices: tuple[str, ...] = ()
    cluster_id: str | None = None
    output_length: int | None = None
    """Characters of the answer as JSON."""
    status: ScoreStatus | None = None
    value: float | None = None
    passed: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class HumanLabel:
    """What one person said of one answer; `value` is None where it is no level, as cannot_tell."""

    prediction_id: str
    annotator: str
    label: str
    value: float | None = None
    passed: bool | None = None
    is_adjudication: bool = False
    """Given where annotators did not agree: it is what counts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelSource:
    """How the labelled answers were chosen; `inclusion` is each drawn answer's probability.

    `mismatch` says why no figure may rest on the labels (another wording, run or version), None where they may.
    """

    design: SamplingDesign
    frame: str
    sample_id: str | None = None
    frame_size: int | None = None
    drawn_on: date | None = None
    inclusion: Mapping[str, float] = field(default_factory=dict)
    mismatch: str | None = None


@dataclass(frozen=True, slots=True)
class Vote:
    """A level, and whether it passes; None where that is not decided."""

    level: float | None
    passed: bool | None


UNDECIDED = Vote(None, None)


@dataclass(frozen=True, slots=True, kw_only=True)
class CalibrationFacts:
    """The labels that a figure rests on, as the column `calibration` holds them."""

    sample_id: str | None
    design: SamplingDesign
    frame: str
    frame_size: int | None
    drawn_on: str | None
    question_version: str
    n_drawn: int
    n_labels: int
    """Answers that have a label."""
    annotators: tuple[str, ...]
    n_cannot_tell: int
    """Answers of which nobody could tell."""
    n_undecided: int
    """Answers whose labels contradict each other, without a majority or an adjudicator."""


@dataclass(frozen=True, kw_only=True)
class CalibrationSet:
    """The answers of a run, a judge's verdicts, and people's labels of some of them.

    `judge_mismatch` says why the verdicts are not this judge's, None where they are.
    """

    question: LabelingQuestion
    answers: Sequence[JudgedAnswer]
    labels: Sequence[HumanLabel]
    source: LabelSource
    judge_mismatch: str | None = None

    @cached_property
    def by_answer(self) -> dict[str, list[HumanLabel]]:
        """The labels that count, by answer: levels of the rubric, of answers that the run holds and a sample, if any, drew."""
        found: dict[str, list[HumanLabel]] = defaultdict(list)
        for label in self.labels:
            if label.value in self.levels and label.prediction_id in self._labellable:
                found[label.prediction_id].append(label)
        return dict(found)

    @cached_property
    def _labellable(self) -> frozenset[str]:
        known = frozenset(answer.prediction_id for answer in self.answers)
        return known & self.source.inclusion.keys() if self.is_probability_sample else known

    @cached_property
    def truth(self) -> dict[str, Vote]:
        """What people say of each labelled answer."""
        return {prediction: agreed(labels) for prediction, labels in self.by_answer.items()}

    @cached_property
    def cannot_tell(self) -> frozenset[str]:
        """Answers that somebody looked at, and nobody could label."""
        unsure = {label.prediction_id for label in self.labels if label.label == CANNOT_TELL}
        return frozenset(unsure - self.by_answer.keys())

    @cached_property
    def strays(self) -> int:
        """Labels that do not count, for their answers are not in the run, or not in the sample."""
        return sum(label.value is not None and label.prediction_id not in self._labellable for label in self.labels)

    @property
    def is_binary(self) -> bool:
        """Whether the rubric knows pass and fail only."""
        return {level.label for level in self.question.levels} == {PASS, FAIL}

    @property
    def decides(self) -> bool:
        """Whether the rubric says which levels pass."""
        return any(level.passed is not None for level in self.question.levels)

    @property
    def levels(self) -> tuple[float, ...]:
        """The levels of the rubric, ascending."""
        return tuple(sorted(level.value for level in self.question.levels))

    def label_of(self, level: float) -> str:
        """What a level is called."""
        return next(known.label for known in self.question.levels if known.value == level)

    def judged(self, answer: JudgedAnswer) -> Vote:
        """The judge's verdict as a level of the rubric: the nearest, the lower of two as near, where it is a mean."""
        if answer.value is None:
            return UNDECIDED
        if self.is_binary:
            return Vote(None if answer.passed is None else float(answer.passed), answer.passed)
        value = answer.value
        return Vote(min(self.levels, key=lambda level: (abs(level - value), level)), answer.passed)

    @property
    def label_refusal(self) -> str | None:
        """Why nothing may be said from these labels, None where it may."""
        if self.source.mismatch:
            return f"the labels do not fit: {self.source.mismatch}"
        if self.source.design == SamplingDesign.TRIAGE:
            return "labels by triage are not a probability sample: they are for reading, and in no estimate"
        if not self.by_answer:
            outside = f" but {self.strays} of answers that are not in the run or its sample" if self.strays else ""
            nothing = (
                "no calibration sample and no human labels"
                if self.source.design == SamplingDesign.NONE
                else "no human labels"
            )
            return f"{nothing}{outside}"
        return None

    @property
    def is_probability_sample(self) -> bool:
        """Whether the labels speak of more than themselves."""
        return self.source.design in PROBABILITY_DESIGNS


def agreed(labels: Sequence[HumanLabel]) -> Vote:
    """What the labels of one answer come to: the adjudicator's word, else that of more than half of the people."""
    heard = [label for label in labels if label.is_adjudication] or list(labels)
    return Vote(_majority([label.value for label in heard]), _majority([label.passed for label in heard]))


def _majority(words: Sequence[Word]) -> Word | None:
    word, count = Counter(words).most_common(1)[0]
    return word if 2 * count > len(words) else None


@dataclass(frozen=True, kw_only=True)
class Domain:
    """The answers of one population, or of a slice of it."""

    of: CalibrationSet
    population: str
    slice: str
    answers: Sequence[JudgedAnswer]

    @cached_property
    def labelled(self) -> list[JudgedAnswer]:
        """Answers that people labelled."""
        return [answer for answer in self.answers if answer.prediction_id in self.of.by_answer]

    def truth(self, answer: JudgedAnswer) -> Vote:
        """What people say of the answer."""
        return self.of.truth.get(answer.prediction_id, UNDECIDED)

    def sampling(self, answers: Sequence[JudgedAnswer], *, weighted: bool) -> Sampling:
        """How these answers hang together, and with `weighted` how many others each labelled one stands for."""
        inclusion = self.of.source.inclusion
        weigh = weighted and self.of.is_probability_sample
        return Sampling(
            records=[answer.record_id for answer in answers],
            clusters=[answer.cluster_id for answer in answers],
            weights=[1 / inclusion[answer.prediction_id] for answer in answers] if weigh else None,
        )

    @cached_property
    def facts(self) -> CalibrationFacts:
        """The labels of this domain."""
        source, drawn = self.of.source, {answer.prediction_id for answer in self.answers}
        labels = [label for answer in self.labelled for label in self.of.by_answer[answer.prediction_id]]
        return CalibrationFacts(
            sample_id=source.sample_id,
            design=source.design,
            frame=source.frame,
            frame_size=source.frame_size,
            drawn_on=source.drawn_on.isoformat() if source.drawn_on else None,
            question_version=self.of.question.version,
            n_drawn=len(drawn & source.inclusion.keys()),
            n_labels=len(self.labelled),
            annotators=tuple(sorted({label.annotator for label in labels})),
            n_cannot_tell=len(self.of.cannot_tell & drawn),
            n_undecided=sum(self.truth(answer).level is None for answer in self.labelled),
        )

    @property
    def label_counts(self) -> dict[str, int]:
        """Labelled answers by what people say of them: pass and fail, or the levels where none passes."""
        said = [self.truth(answer) for answer in self.labelled]
        if self.of.decides:
            return {PASS: sum(one.passed is True for one in said), FAIL: sum(one.passed is False for one in said)}
        counts: Counter[Any] = Counter(self.of.label_of(one.level) for one in said if one.level is not None)
        return {level.label: counts[level.label] for level in self.of.question.levels}


def domains(found: CalibrationSet, *, pooled: bool = False) -> list[Domain]:
    """The populations of the run and their slices, overall first; with `pooled` all populations are taken for one."""
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """A named figure; `facts` and `label_counts` are None where people play no part in it."""

    metric: str
    population: str
    slice: str
    measured: Measured
    facts: CalibrationFacts | None = None
    label_counts: Mapping[str, int] | None = None
    details: Mapping[str, Any] | None = None

    @classmethod
    def of(
        cls,
        domain: Domain,
        metric: str,
        measured: Measured,
        *,
        counts: Mapping[str, int] | None = None,
        details: Mapping[str, Any] | None = None,
    ) -> Finding:
        """A figure that rests on the domain's labels."""
        return cls(
            metric=metric,
            population=domain.population,
            slice=domain.slice,
            measured=measured,
            facts=domain.facts,
            label_counts=domain.label_counts if counts is None else counts,
            details=details,
        )


def noted(measured: Measured, domain: Domain, *, more: str | None = None, counts_undecided: bool = True) -> Measured:
    """The figure with what limits its labels said; labels that were not drawn speak of nothing but themselves."""
    facts, notes = domain.facts, [measured.reason] if measured.reason else []
    if measured.value is None:
        return measured
    left_out = {"cannot tell": facts.n_cannot_tell, "undecided": facts.n_undecided if counts_undecided else 0}
    if any(left_out.values()):
        notes.append("answers left out: " + ", ".join(f"{count} {why}" for why, count in left_out.items() if count))
    notes += [more] if more else []
    if domain.of.is_probability_sample:
        return replace(measured, reason="; ".join(notes) or None)
    notes.append(f"labels by {facts.design} are no probability sample: they speak of these answers only")
    return replace(measured, status=Status.INCONCLUSIVE, reason="; ".join(notes))
