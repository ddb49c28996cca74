"""Fills the labeling queue of a task: draws a sample from the predictions of a run, and assigns its items to people.

Filling the queue again with the same options yields the same assignments, so that no item is queued twice.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import cached_property
from typing import Any

import orjson

from assay.errors import UsageError
from assay.inference.keys import content_hash
from assay.labels.queries import LABEL_FRAME, LABEL_QUEUE, RUN_TO_LABEL
from assay.labels.questions import LabelingQuestion, default_questions, questions_of
from assay.labels.queue import ASSIGNED, LABEL, OPEN, annotator_name, assign, assignment_id
from assay.labels.sample_designs import (
    JudgedItem,
    SampledItem,
    draw_random,
    draw_stratified,
    pick_triage,
)
from assay.project import StageContext
from assay.records.evaluation import Assignment
from assay.records.statuses import SamplePurpose, ScoreStatus
from assay.statistics.labels.labeled_sample import SamplingDesign
from assay.tasks.rubric import FAIL, PASS
from assay.tasks.task import Task
from assay.warehouse.client import Warehouse
from assay.warehouse.landing import LandingWriter

UNSCORED = ScoreStatus.UNSCORED
ANTICIPATED_ERRORS = {PASS: 0.1, FAIL: 0.3, UNSCORED: 0.5}
"""Anticipated error rate by verdict, for Neyman allocation only; a wrong value reduces precision but adds no bias."""
MAX_STRATA_SHOWN = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class FillOptions:
    """The sample to draw and its annotators; without annotators, anyone can label the next item.

    `by` lists the slices that form strata; None means all slices.
    """

    purpose: SamplePurpose
    size: int
    design: SamplingDesign = SamplingDesign.RANDOM
    allocation: str = "proportional"
    by: tuple[str, ...] | None = None
    annotators: tuple[str, ...] = ()
    per_item: int = 1
    seed: int = 0
    run_id: str | None = None
    scorers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class FillSummary:
    """One sample in the queue: its frame and its counts; `new` of its assignments were not in the queue before."""

    scorer: str
    run_id: str
    design: str
    frame: str
    frame_size: int
    items: int
    assignments: int
    new: int
    strata: Mapping[str, int]


@dataclass(frozen=True)
class _Frame:
    """The sampling frame: predictions of a run that have an output and were judged, by id, with their scores.

    `description` is landed with each assignment.
    """

    run_id: str
    data_date: date
    inference_version: str
    description: str
    rows: Mapping[str, Mapping[str, Any]]
    scorers: int

    @cached_property
    def hash(self) -> str:
        return content_hash(*sorted(self.rows))

    def verdict(self, row: Mapping[str, Any]) -> str:
        """Returns the combined verdict: FAIL if any scorer failed the prediction, PASS if all passed, else UNSCORED."""
        if row["is_failed"]:
            return FAIL
        is_complete = self.scorers > 0 and row["n_scorers"] >= self.scorers
        return PASS if is_complete and row["is_passed"] else UNSCORED


@dataclass(frozen=True, kw_only=True)
class _Sample:
    """A drawn sample, with its question and annotators."""

    task: str
    question: LabelingQuestion
    frame: _Frame
    drawn: Sequence[SampledItem]
    options: FillOptions
    people: tuple[str, ...]
    requested_by: str

    @property
    def design(self) -> SamplingDesign:
        is_triage = self.options.purpose == SamplePurpose.TRIAGE
        return SamplingDesign.TRIAGE if is_triage else self.options.design

    @cached_property
    def parameters(self) -> str:
        return _parameters(self.options, self.people)

    @cached_property
    def id(self) -> str:
        question, frame = self.question, self.frame
        drawn_by = (self.options.purpose, self.design, self.parameters, self.options.seed)
        return content_hash(self.task, frame.run_id, question.scorer, question.version, frame.hash, *drawn_by)


def fill_queue(context: StageContext, task: Task, options: FillOptions) -> list[FillSummary]:
    """Draws one sample for each question and adds it to the queue.

    Raises:
        UsageError: the run or scorer does not exist, or the sample cannot be drawn with these options.
    """
    people = tuple(dict.fromkeys(annotator_name(name) for name in options.annotators))
    questions = select_questions(task, options.scorers)
    return [_fill_one(context, task, question, options, people) for question in questions]


def select_questions(task: Task, scorers: Sequence[str]) -> tuple[LabelingQuestion, ...]:
    """Returns the questions of the scorers, or the default questions if `scorers` is empty.

    Raises:
        UsageError: the task has no question for a scorer.
    """
    known = {question.scorer: question for question in questions_of(task)}
    if unknown := [name for name in scorers if name not in known]:
        raise UsageError(
            f"Task '{task.name}' has no labeling question for scorer {unknown[0]!r}: expected one of {', '.join(known)}"
        )
    return tuple(known[name] for name in scorers) or default_questions(task)


def _fill_one(
    context: StageContext, task: Task, question: LabelingQuestion, options: FillOptions, people: tuple[str, ...]
) -> FillSummary:
    frame = _read_frame(
        context.warehouse, task, question, run_id=options.run_id, purpose=SamplePurpose(options.purpose)
    )
    drawn = _draw(frame, options)
    if not drawn:
        raise UsageError(
            f"No items to queue: run {frame.run_id} has no prediction that is disputed, near the threshold or failed "
            f"according to {question.scorer}",
            next_step="choose a different run with --run, or use --fill calibration.",
        )
    sample = _Sample(
        task=task.name,
        question=question,
        frame=frame,
        drawn=drawn,
        options=options,
        people=people,
        requested_by=context.settings.started_by,
    )
    rows = list(_assignments(sample))
    known = {row["assignment_id"] for row in context.warehouse.stream(LABEL_QUEUE.sql, {"task": task.name})}
    new = [row for row in rows if row.assignment_id not in known]
    LandingWriter(context.warehouse).append(new)
    return FillSummary(
        scorer=question.scorer,
        run_id=frame.run_id,
        design=sample.design,
        frame=frame.description,
        frame_size=len(frame.rows),
        items=len(drawn),
        assignments=len(rows),
        new=len(new),
        strata=_counts(drawn),
    )


def _read_frame(
    warehouse: Warehouse, task: Task, question: LabelingQuestion, *, run_id: str | None, purpose: SamplePurpose
) -> _Frame:
    """The predictions to draw from: for calibration those that were judged, since only they can be compared.

    If no prediction has been judged yet, all predictions with an output.
    """
    runs = list(warehouse.stream(RUN_TO_LABEL.sql, {"task": task.name, "run_id": run_id or ""}))
    if not runs:
        what = f"no completed run {run_id}" if run_id else "no completed run"
        raise UsageError(f"Task '{task.name}' has {what}", next_step=f"run `assay run {task.name}` first.")
    run = runs[0]
    parameters = {"run_id": run["run_id"], "data_date": run["data_date"], "scorers": list(question.judged_by)}
    rows = {row["prediction_id"]: row for row in warehouse.stream(LABEL_FRAME.sql, parameters)}
    if not rows:
        raise UsageError(
            f"Run {run['run_id']} has no prediction with an output to label",
            next_step="choose a different run with --run.",
        )
    judged = _judged(rows, len(question.judged_by)) if purpose == SamplePurpose.CALIBRATION else {}
    which = f"predictions judged by {' and '.join(question.judged_by)}" if judged else "predictions with an output"
    if purpose == SamplePurpose.CALIBRATION and question.judged_by and not judged:
        which = f"predictions with an output, not yet judged by {' and '.join(question.judged_by)},"
    description = f"{which} of run {run['run_id']}, variant {run['variant']}, {run['data_date']}"
    return _Frame(
        run["run_id"], run["data_date"], run["inference_version"], description, judged or rows, len(question.judged_by)
    )


def _judged(rows: Mapping[str, Mapping[str, Any]], scorers: int) -> dict[str, Mapping[str, Any]]:
    """The predictions that all scorers of the question have judged; an unscored verdict is a verdict."""
    return {unit: row for unit, row in rows.items() if scorers and row["n_scorers"] >= scorers}


def _draw(frame: _Frame, options: FillOptions) -> list[SampledItem]:
    if options.purpose == SamplePurpose.TRIAGE:
        return pick_triage([_judged_item(frame, row) for row in frame.rows.values()], options.size)
    if options.design == SamplingDesign.RANDOM:
        return draw_random(frame.rows, options.size, seed=options.seed)
    strata = {unit: _stratum(frame, row, options.by) for unit, row in frame.rows.items()}
    spreads = None
    if options.allocation == "neyman":
        spreads = {stratum: _spread(stratum) for stratum in strata.values()}
    try:
        return draw_stratified(strata, options.size, seed=options.seed, spreads=spreads)
    except ValueError as error:
        examples = sorted(set(strata.values()))[:MAX_STRATA_SHOWN]
        raise UsageError(
            f"--size {options.size} is too small for --design stratified: {error} (strata such as {'; '.join(examples)})",
            next_step="choose a larger --size, or stratify by fewer slices with --by NAME.",
        ) from error


def _stratum(frame: _Frame, row: Mapping[str, Any], by: tuple[str, ...] | None) -> str:
    slices = sorted(text for text in row["slices"] if by is None or text.partition("=")[0] in by)
    return ", ".join([*slices, f"verdict={frame.verdict(row)}"])


def _spread(stratum: str) -> float:
    error = ANTICIPATED_ERRORS[stratum.rpartition("verdict=")[2]]
    return math.sqrt(error * (1 - error))


def _judged_item(frame: _Frame, row: Mapping[str, Any]) -> JudgedItem:
    verdict = frame.verdict(row)
    return JudgedItem(
        unit=row["prediction_id"],
        is_disputed=bool(row["is_disputed"]),
        passed=None if verdict == UNSCORED else verdict == PASS,
        value=row["value"],
        recency=row["finished_at"].timestamp(),
    )


def _assignments(sample: _Sample) -> Iterator[Assignment]:
    options, nobody = sample.options, (None,) * sample.options.per_item
    given: Mapping[str, Sequence[str | None]] = {}
    if sample.people:
        units = [item.unit for item in sample.drawn]
        given = assign(units, sample.people, per_item=options.per_item, seed=options.seed)
    now = datetime.now(UTC)
    for item in sample.drawn:
        for slot, person in enumerate(given.get(item.unit, nobody)):
            yield _assignment(sample, item, slot, person, at=now)


def _assignment(sample: _Sample, item: SampledItem, slot: int, person: str | None, *, at: datetime) -> Assignment:
    frame, options, row = sample.frame, sample.options, sample.frame.rows[item.unit]
    return Assignment(
        data_date=frame.data_date,
        occurred_at=at,
        tenant_id=row["tenant_id"],
        assignment_id=assignment_id(sample.id, item.unit, role=LABEL, slot=slot),
        sample_id=sample.id,
        event=ASSIGNED if person else OPEN,
        run_id=frame.run_id,
        task=sample.task,
        inference_version=frame.inference_version,
        prediction_id=item.unit,
        record_id=row["record_id"],
        epoch=row["epoch"],
        scorer=sample.question.scorer,
        scorer_version=sample.question.version,
        annotator=person,
        role=LABEL,
        slot=slot,
        is_blind=True,
        purpose=options.purpose,
        sampling_design=sample.design,
        sampling_parameters=sample.parameters,
        frame=frame.description,
        frame_size=len(frame.rows),
        frame_hash=frame.hash,
        stratum=item.stratum,
        stratum_size=item.stratum_size,
        inclusion_probability=item.inclusion_probability,
        position=item.position,
        seed=options.seed,
        requested_by=sample.requested_by,
    )


def _parameters(options: FillOptions, people: tuple[str, ...]) -> str:
    stated: dict[str, Any] = {"size": options.size, "per_item": options.per_item, "annotators": people}
    if options.purpose == SamplePurpose.CALIBRATION and options.design == SamplingDesign.STRATIFIED:
        stated |= {"allocation": options.allocation, "by": None if options.by is None else sorted(options.by)}
    return orjson.dumps(stated, option=orjson.OPT_SORT_KEYS).decode()


def _counts(drawn: Sequence[SampledItem]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for item in drawn:
        if item.stratum is not None:
            counts[item.stratum] = counts.get(item.stratum, 0) + 1
    return dict(sorted(counts.items()))
