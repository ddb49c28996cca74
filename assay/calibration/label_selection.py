"""Which of people's labels a judge's calibration in a run may rest on, and how they were chosen.

Pure: samples and labels of one question come in. A figure that may rest on none gets the reason from here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from assay.calibration.label_set import HumanLabel, LabelSource
from assay.records.statuses import SamplePurpose
from assay.statistics.labeled_sample import SamplingDesign


@dataclass(frozen=True, slots=True, kw_only=True)
class CalibratedRun:
    """The run whose answers a judge has scored, with the versions that labels must fit."""

    run_id: str
    data_date: date
    inference_version: str
    golden_set_version: str
    policy_version: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DrawnSample:
    """A sample of the queue, in one version of what was asked; `labelled` are its answers that have a label."""

    sample_id: str
    run_id: str
    inference_version: str
    question_version: str
    purpose: SamplePurpose
    design: SamplingDesign
    frame: str
    frame_size: int
    drawn_on: date
    labelled: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SampledLabel:
    """A label, or a drawn answer that has none yet; `sample_id` is None where no calibration sample drew the answer."""

    prediction_id: str
    sample_id: str | None = None
    inclusion_probability: float | None = None
    is_triaged: bool = False
    label: HumanLabel | None = None
    labelled_on: date | None = None


@dataclass(frozen=True, slots=True)
class SelectedLabels:
    """The labels, and how their answers were chosen."""

    source: LabelSource
    labels: tuple[HumanLabel, ...]


def choose_labels(
    run: CalibratedRun, question_version: str, *, samples: Sequence[DrawnSample], rows: Sequence[SampledLabel]
) -> SelectedLabels:
    """The newest calibration sample of the run that has labels; without any sample what people labelled unasked.

    `samples` are those of the question in any run and wording, newest first; `rows` are of this run and wording.
    """
    own = [one for one in samples if one.run_id == run.run_id and one.question_version == question_version]
    drawn = [one for one in own if one.purpose == SamplePurpose.CALIBRATION]
    if drawn:
        return _of_sample(run, next((one for one in drawn if one.labelled), drawn[0]), samples=drawn, rows=rows)
    labelled = [row for row in rows if row.label is not None]
    brought = [row for row in labelled if not row.is_triaged]
    if brought:
        first = min((row.labelled_on for row in brought if row.labelled_on is not None), default=None)
        source = LabelSource(
            design=SamplingDesign.IMPORT, frame=f"answers of run {run.run_id} that no sample drew", drawn_on=first
        )
        return SelectedLabels(source, _labels(brought))
    if labelled:
        triage = next((one for one in own if one.purpose == SamplePurpose.TRIAGE), None)
        frame, drawn_on = (triage.frame, triage.drawn_on) if triage else ("", None)
        return SelectedLabels(
            LabelSource(design=SamplingDesign.TRIAGE, frame=frame, drawn_on=drawn_on), _labels(labelled)
        )
    return SelectedLabels(
        LabelSource(design=SamplingDesign.NONE, frame="", mismatch=_elsewhere(run, question_version, samples)), ()
    )


def _of_sample(
    run: CalibratedRun, sample: DrawnSample, *, samples: Sequence[DrawnSample], rows: Sequence[SampledLabel]
) -> SelectedLabels:
    items = {row.prediction_id: row.inclusion_probability for row in rows if row.sample_id == sample.sample_id}
    versions = {one.inference_version for one in samples if one.sample_id == sample.sample_id}
    source = LabelSource(
        design=sample.design,
        frame=sample.frame,
        sample_id=sample.sample_id,
        frame_size=sample.frame_size,
        drawn_on=sample.drawn_on,
        inclusion={prediction: chance for prediction, chance in items.items() if chance},
        mismatch=_unfit(run, versions, has_unknown=not all(items.values())),
    )
    return SelectedLabels(source, _labels([row for row in rows if row.label is not None]))


def _unfit(run: CalibratedRun, versions: set[str], *, has_unknown: bool) -> str | None:
    if versions != {run.inference_version}:
        found = " and ".join(sorted(versions))
        return f"the sample was drawn from inference version {found}, the run asked {run.inference_version}"
    return "an answer of the sample has no probability of being drawn" if has_unknown else None


def _elsewhere(run: CalibratedRun, question_version: str, samples: Sequence[DrawnSample]) -> str | None:
    """Where there are labels instead, None where nobody has labelled anything."""
    labelled = [one for one in samples if one.labelled and one.purpose == SamplePurpose.CALIBRATION]
    for one in labelled:
        if one.run_id == run.run_id:
            return f"people answered version {one.question_version} of the question, which is now {question_version}"
    if not labelled:
        return None
    newest = labelled[0]
    if newest.inference_version != run.inference_version:
        return (
            f"people labelled run {newest.run_id} of inference version {newest.inference_version}, "
            f"and this run asked {run.inference_version}"
        )
    return f"people labelled run {newest.run_id}, and no sample of this one"


def _labels(rows: Sequence[SampledLabel]) -> tuple[HumanLabel, ...]:
    """Each label once, though several samples may hold its answer."""
    known = {(row.prediction_id, row.label.annotator): row.label for row in rows if row.label is not None}
    return tuple(label for _, label in sorted(known.items()))
