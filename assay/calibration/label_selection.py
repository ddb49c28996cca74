"""Selects the human labels with which a judge is calibrated in a run, and their sampling design."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from assay.calibration.label_set import HumanLabel, LabelSource
from assay.labels.questions import WITHDRAWN
from assay.records.statuses import SamplePurpose
from assay.statistics.labels.labeled_sample import SamplingDesign


@dataclass(frozen=True, slots=True, kw_only=True)
class CalibratedRun:
    """The run in which a judge is calibrated, with its versions."""

    run_id: str
    data_date: date
    inference_version: str
    golden_set_version: str
    policy_version: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DrawnSample:
    """A sample in the queue for one version of a question; `labeled` is the number of its labeled predictions."""

    sample_id: str
    run_id: str
    inference_version: str
    question_version: str
    purpose: SamplePurpose
    design: SamplingDesign
    frame: str
    frame_size: int
    drawn_on: date
    labeled: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelPopulation:
    """The predictions of a run that a question concerns, with their description in `frame`."""

    predictions: frozenset[str]
    description: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SampledLabel:
    """A label, or a drawn prediction without one; `sample_id` is None if no calibration sample drew the prediction."""

    prediction_id: str
    sample_id: str | None = None
    stratum: str | None = None
    stratum_size: int | None = None
    inclusion_probability: float | None = None
    is_triaged: bool = False
    label: HumanLabel | None = None
    labeled_on: date | None = None

    @property
    def is_answered(self) -> bool:
        """True if an expert has chosen a level or `cannot_tell`."""
        return self.label is not None and self.label.is_expert and self.label.label != WITHDRAWN


@dataclass(frozen=True, slots=True)
class SelectedLabels:
    """The labels and their sampling design."""

    source: LabelSource
    labels: tuple[HumanLabel, ...]


def choose_labels(
    run: CalibratedRun,
    question_version: str,
    *,
    samples: Sequence[DrawnSample],
    rows: Sequence[SampledLabel],
    population: LabelPopulation,
) -> SelectedLabels:
    """The labels of the latest labeled calibration sample of the run; without such a sample, imported or triage labels.

    If experts have answered for every prediction of the population, the labels are a census, however they were
    selected. `samples` are the samples of the question in any run and version, latest first; `rows` are the labels of
    this run and version.
    """
    if (census := _census(run, rows, population)) is not None:
        return census
    own = [one for one in samples if one.run_id == run.run_id and one.question_version == question_version]
    drawn = [one for one in own if one.purpose == SamplePurpose.CALIBRATION]
    if drawn:
        return _of_sample(run, next((one for one in drawn if one.labeled), drawn[0]), samples=drawn, rows=rows)
    labeled = [row for row in rows if row.is_answered]
    imported = [row for row in labeled if not row.is_triaged]
    if imported:
        first = min((row.labeled_on for row in imported if row.labeled_on is not None), default=None)
        source = LabelSource(
            design=SamplingDesign.IMPORT, frame=f"predictions of run {run.run_id} without a sample", drawn_on=first
        )
        return SelectedLabels(source, _labels([row for row in rows if not row.is_triaged]))
    if labeled:
        triage = next((one for one in own if one.purpose == SamplePurpose.TRIAGE), None)
        frame, drawn_on = (triage.frame, triage.drawn_on) if triage else ("", None)
        return SelectedLabels(LabelSource(design=SamplingDesign.TRIAGE, frame=frame, drawn_on=drawn_on), _labels(rows))
    return SelectedLabels(
        LabelSource(design=SamplingDesign.NONE, frame="", mismatch=_labels_elsewhere(run, question_version, samples)),
        _labels(rows),
    )


def _census(run: CalibratedRun, rows: Sequence[SampledLabel], population: LabelPopulation) -> SelectedLabels | None:
    """The labels of a population of which every prediction was answered; None if one was not, or a sample drew all."""
    answered = [row for row in rows if row.is_answered]
    wanted = population.predictions
    drawn: dict[str, set[str]] = defaultdict(set)
    for row in rows:
        if row.sample_id is not None:
            drawn[row.sample_id].add(row.prediction_id)
    if not wanted or not wanted <= {row.prediction_id for row in answered}:
        return None
    if any(wanted <= items for items in drawn.values()):
        return None
    source = LabelSource(
        design=SamplingDesign.CENSUS,
        frame=f"all {len(wanted)} {population.description} of run {run.run_id}",
        frame_size=len(wanted),
        drawn_on=min((row.labeled_on for row in answered if row.labeled_on is not None), default=None),
        inclusion=dict.fromkeys(sorted(wanted), 1.0),
    )
    return SelectedLabels(source, _labels(rows))


def _of_sample(
    run: CalibratedRun, sample: DrawnSample, *, samples: Sequence[DrawnSample], rows: Sequence[SampledLabel]
) -> SelectedLabels:
    own = [row for row in rows if row.sample_id == sample.sample_id]
    items = {row.prediction_id: row.inclusion_probability for row in own}
    in_strata = [(row.prediction_id, row.stratum, row.stratum_size) for row in own]
    versions = {one.inference_version for one in samples if one.sample_id == sample.sample_id}
    source = LabelSource(
        design=sample.design,
        frame=sample.frame,
        sample_id=sample.sample_id,
        frame_size=sample.frame_size,
        drawn_on=sample.drawn_on,
        inclusion={prediction: chance for prediction, chance in items.items() if chance},
        strata={unit: stratum for unit, stratum, size in in_strata if stratum is not None and size is not None},
        stratum_sizes={stratum: size for _, stratum, size in in_strata if stratum is not None and size is not None},
        mismatch=_sample_mismatch(run, versions, has_unknown=not all(items.values())),
    )
    return SelectedLabels(source, _labels([row for row in rows if row.label is not None]))


def _sample_mismatch(run: CalibratedRun, versions: set[str], *, has_unknown: bool) -> str | None:
    if versions != {run.inference_version}:
        found = " and ".join(sorted(versions))
        return f"the sample was drawn from inference version {found}, but the run has version {run.inference_version}"
    return "a prediction of the sample has no inclusion probability" if has_unknown else None


def _labels_elsewhere(run: CalibratedRun, question_version: str, samples: Sequence[DrawnSample]) -> str | None:
    """A note on labels of other runs or question versions; None if there are no such labels."""
    labeled = [one for one in samples if one.labeled and one.purpose == SamplePurpose.CALIBRATION]
    for one in labeled:
        if one.run_id == run.run_id:
            return f"the labels are for version {one.question_version} of the question; the current one is {question_version}"
    if not labeled:
        return None
    newest = labeled[0]
    if newest.inference_version != run.inference_version:
        return (
            f"the labels are for run {newest.run_id} of inference version {newest.inference_version}, "
            f"but this run has version {run.inference_version}"
        )
    return f"the labels are for run {newest.run_id}; no sample of this run has labels"


def _labels(rows: Sequence[SampledLabel]) -> tuple[HumanLabel, ...]:
    """The labels, without duplicates if several samples contain the same prediction."""
    known = {(row.prediction_id, row.label.annotator): row.label for row in rows if row.label is not None}
    return tuple(label for _, label in sorted(known.items()))
