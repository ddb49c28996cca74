"""Imports the labels of a CSV file: all rows are validated first, and either all labels are landed or none.

Importing the same file again lands no rows; a changed label replaces the previous label of the same person.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

from assay.errors import UsageError
from assay.labels.csv_rows import (
    FileRow,
    LabelFile,
    LabelRowError,
    read_file,
    row_annotator,
    row_choice,
    row_epoch,
    row_kind,
    row_note,
    row_question,
)
from assay.labels.label_rows import Label, label_row
from assay.labels.queries import HUMAN_LABELS, PREDICTIONS_TO_LABEL, RUN_TO_LABEL
from assay.labels.questions import LabelingQuestion, questions_of
from assay.labels.queue import annotator_name
from assay.project import StageContext, masker
from assay.records.evaluation import Score
from assay.runs.chunks import chunks
from assay.runs.record_mapping import landed_id
from assay.scoring.score_rows import ScoredPrediction
from assay.tasks.task import Task
from assay.warehouse.landing import LandingWriter

CHUNK_ROWS = 2000
MAX_ERRORS_SHOWN = 50


@dataclass(frozen=True, slots=True)
class ImportSummary:
    """Row counts of an imported file, and remarks for the user."""

    rows: int
    new: int
    replaced: int
    unchanged: int
    remarks: tuple[str, ...]


@dataclass
class _Known:
    """The predictions to which the rows of a file can refer."""

    task: str
    run_id: str | None
    landed: Callable[[str], str]
    by_id: dict[str, ScoredPrediction] = field(default_factory=dict)
    by_record: dict[str, list[ScoredPrediction]] = field(default_factory=lambda: defaultdict(list))
    without_output: set[str] = field(default_factory=set)

    def add(self, row: Mapping[str, Any]) -> None:
        prediction = ScoredPrediction.of(row, task=self.task)
        if prediction.prediction_id in self.by_id:
            return
        self.by_id[prediction.prediction_id] = prediction
        if prediction.run_id == self.run_id:
            self.by_record[prediction.record_id].append(prediction)
        if not row["has_output"]:
            self.without_output.add(prediction.prediction_id)

    def prediction_of(self, row: FileRow) -> ScoredPrediction:
        """Returns the prediction of a row.

        Raises:
            LabelRowError: none or several match, the prediction has no output, or two columns contradict each other.
        """
        found = self._by_prediction(row) if row.get("prediction_id") else self._by_record(row)
        if found.prediction_id in self.without_output:
            raise LabelRowError(f"the prediction for record {found.record_id!r} has no output, so it cannot be labeled")
        return found

    def _by_prediction(self, row: FileRow) -> ScoredPrediction:
        found = self.by_id.get(row.get("prediction_id"))
        if found is None:
            raise LabelRowError(f"prediction_id {row.get('prediction_id')!r} is not a prediction of this task")
        if self.landed(row.get("record_id")) not in (self.landed(""), found.record_id):
            raise LabelRowError(
                f"record_id {row.get('record_id')!r} contradicts prediction_id, which belongs to record "
                f"{found.record_id!r}"
            )
        return found

    def _by_record(self, row: FileRow) -> ScoredPrediction:
        record, epoch = row.get("record_id"), row_epoch(row)
        if not record:
            raise LabelRowError("record_id and prediction_id are empty; set one of them")
        if self.run_id is None:
            raise LabelRowError(f"record_id {record!r} cannot be found, because the task has no completed run")
        found = [
            prediction
            for prediction in self.by_record.get(self.landed(record), ())
            if epoch in (None, prediction.epoch)
        ]
        if not found:
            what = f"record_id {record!r}" + (f" epoch {epoch}" if epoch is not None else "")
            raise LabelRowError(f"{what} is not in run {self.run_id}; pass a different run with --run")
        if len(found) > 1:
            raise LabelRowError(
                f"record_id {record!r} has {len(found)} predictions in run {self.run_id}; set epoch or prediction_id"
            )
        return found[0]


def import_labels(
    context: StageContext, task: Task, path: Path, *, run_id: str | None = None, annotator: str | None = None
) -> ImportSummary:
    """Lands the labels of the file and returns the row counts.

    Where the task hashes its record ids, a row may state the id itself or its hash.

    Raises:
        UsageError: the file or a row is invalid; the message lists the errors, and no labels were imported.
    """
    default = annotator_name(annotator) if annotator else None
    file = read_file(path)
    warehouse = context.warehouse
    known = _known(context, task, file, run_id)
    scores, remarks = _scores(task, file, known, default, scrub=masker(task).scrub, path=path)
    landed = {
        row["score_id"]: (row["label"], row["explanation"] or None, row["annotator_kind"])
        for row in warehouse.stream(HUMAN_LABELS.sql, {"task": task.name, "run_id": ""})
    }
    changed = [score for score in scores if landed.get(score.score_id) != _content(score)]
    writer = LandingWriter(warehouse)
    for chunk in chunks(changed, CHUNK_ROWS):
        writer.append(chunk)
    replaced = sum(score.score_id in landed for score in changed)
    if file.unread:
        remarks = [*remarks, f"ignored columns: {', '.join(file.unread)}"]
    return ImportSummary(
        rows=len(file.rows),
        new=len(changed) - replaced,
        replaced=replaced,
        unchanged=len(scores) - len(changed),
        remarks=tuple(remarks),
    )


def _known(context: StageContext, task: Task, file: LabelFile, run_id: str | None) -> _Known:
    warehouse, spec, key = context.warehouse, task.spec.input, context.settings.hash_key
    runs = list(warehouse.stream(RUN_TO_LABEL.sql, {"task": task.name, "run_id": run_id or ""}))
    if run_id and not runs:
        raise UsageError(f"--run {run_id} is not a completed run of task '{task.name}'", next_step="check the run id.")
    known = _Known(
        task.name, runs[0]["run_id"] if runs else None, landed=lambda record: landed_id(spec, record, hash_key=key)
    )
    named = sorted({row.get("prediction_id") for row in file.rows if row.get("prediction_id")})
    by_record = any(not row.get("prediction_id") for row in file.rows)
    for index, ids in enumerate(chunks(named, CHUNK_ROWS) if named else [[]]):
        wanted = known.run_id if by_record and index == 0 else None
        parameters = {"task": task.name, "run_id": wanted or "", "prediction_ids": ids}
        for row in warehouse.stream(PREDICTIONS_TO_LABEL.sql, parameters):
            known.add(row)
    return known


def _scores(
    task: Task,
    file: LabelFile,
    known: _Known,
    default: str | None,
    *,
    scrub: Callable[[str], str],
    path: Path,
) -> tuple[list[Score], list[str]]:
    """Returns the rows as scores without duplicates, and a remark for each duplicate row."""
    questions = {question.scorer: question for question in questions_of(task)}
    scrub, now = lru_cache(maxsize=CHUNK_ROWS)(scrub), datetime.now(UTC)
    first: dict[str, tuple[int, Score]] = {}
    errors: list[str] = []
    remarks: list[str] = []
    for row in file.rows:
        try:
            question = row_question(row, questions)
            label = _label(row, question, default)
            prediction = known.prediction_of(row)
        except LabelRowError as error:
            errors.append(f"row {row.number}: {error}")
            continue
        score = label_row(prediction, label, question=question, at=now, scrub=scrub)
        number, earlier = first.setdefault(score.score_id, (row.number, score))
        if earlier is not score:
            about = f"record {score.record_id!r}, {score.scorer}, {score.annotator}"
            if _content(earlier) == _content(score):
                remarks.append(f"row {row.number}: duplicate of row {number} ({about}); counted once")
            else:
                errors.append(
                    f"row {row.number}: label {score.label} for {about} contradicts label {earlier.label} in row "
                    f"{number}; keep one of them"
                )
    _refuse(path, errors, len(file.rows))
    return [score for _, score in first.values()], remarks


def _label(row: FileRow, question: LabelingQuestion, default: str | None) -> Label:
    return Label(
        annotator=row_annotator(row, default),
        kind=row_kind(row),
        choice=row_choice(row, question),
        note=row_note(row),
    )


def _content(score: Score) -> tuple[str | None, str | None, str | None]:
    """The content of a label, without its time."""
    return score.label, score.explanation, score.annotator_kind


def _refuse(path: Path, errors: Sequence[str], rows: int) -> None:
    if not rows:
        raise UsageError(f"{path} contains no rows below the header", next_step="add the labels.")
    if errors:
        shown = [*errors[:MAX_ERRORS_SHOWN]]
        if len(errors) > len(shown):
            shown.append(f"… invalid rows not shown: {len(errors) - len(shown):,}")
        raise UsageError(
            f"{path}: no labels were imported; invalid rows: {len(errors):,} of {rows:,}\n" + "\n".join(shown)
        )
