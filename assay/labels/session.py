"""The labeling session of one task: serves the next item for each person, and lands labels before confirming them."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import orjson

from assay.errors import AssayError
from assay.labels.label_rows import Label, label_row
from assay.labels.queries import HUMAN_LABELS, LABEL_QUEUE, QUEUED_CONTENTS
from assay.labels.questions import CANNOT_TELL, WITHDRAWN, LabelingQuestion, questions_of
from assay.labels.queue import ASSIGNED, LABEL, ItemKey, LabelingProgress, LabelQueue, SubmittedLabel, key_of
from assay.project import StageContext, masker
from assay.records.evaluation import Assignment
from assay.records.row import Row
from assay.records.statuses import AnnotatorKind
from assay.scoring.score_rows import ScoredPrediction
from assay.tasks.task import Task
from assay.warehouse.landing import LandingWriter

HELD_S = 600.0
"""Seconds for which an open item that is on one person's screen is not offered to others."""


class NotInQueue(AssayError):
    """The item is not, or no longer, in the queue."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelingItem:
    """One question about one prediction as shown to a person: masked, and without the labels of others."""

    assignment_id: str
    record_id: str
    question: LabelingQuestion
    input: Mapping[str, Any]
    output: Any
    expected: Any
    given: SubmittedLabel | None
    is_adjudication: bool
    number: int
    progress: LabelingProgress

    @property
    def input_without_sources(self) -> Mapping[str, Any]:
        """The input fields that are not in `question.sources`."""
        return {name: value for name, value in self.input.items() if name not in self.question.sources}

    @property
    def sources(self) -> Mapping[str, Any]:
        """The input fields that must support the output."""
        return {name: value for name, value in self.input.items() if name in self.question.sources}

    @property
    def total(self) -> int:
        """Number of items that the person has labeled or can label."""
        return self.progress.done + self.progress.left + self.progress.open


class LabelingSession:
    """The queue and labels of a task; thread-safe.

    `kind` is the kind of everyone who labels in this session. Every change is landed before it is applied in memory, so that everything the page confirms is in the warehouse.
    """

    def __init__(
        self,
        context: StageContext,
        task: Task,
        *,
        kind: AnnotatorKind = AnnotatorKind.EXPERT,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.task = task
        self.kind = kind
        self._context = context
        self._writer = LandingWriter(context.warehouse)
        self._scrub = masker(task).scrub
        self._questions = {question.scorer: question for question in questions_of(task)}
        self._now, self._clock = now, clock
        self._lock = threading.Lock()
        self._held: dict[str, tuple[ItemKey, float]] = {}
        self._queue = LabelQueue({})
        self._contents: dict[str, Mapping[str, Any]] = {}
        self._read_at = -math.inf
        self.refresh()

    @property
    def outdated(self) -> int:
        """Number of assignments for a previous wording of a question; filling the queue again replaces them."""
        return self._queue.outdated

    @property
    def size(self) -> int:
        """Number of assignments for the current wording of the questions."""
        return len(self._queue.assignments)

    @property
    def listed(self) -> list[str]:
        """The people to whom samples in the queue were assigned; none if anyone may label."""
        return self._queue.listed()

    def warm(self) -> None:
        """Loads the libraries for landing rows and masking notes, so that saving the first label is fast."""
        _ = self._context.warehouse.write_client
        self._scrub("")

    def refresh(self, *, after_s: float = 0.0) -> None:
        """Reads the queue and labels from the warehouse, unless they were read less than `after_s` seconds ago."""
        with self._lock:
            if self._clock() - self._read_at >= after_s:
                self._queue, self._contents = self._read()
                self._read_at = self._clock()

    def progress(self, *people: str) -> list[LabelingProgress]:
        """Returns the progress of everyone who has assignments or labels or is listed in `people`."""
        with self._lock:
            return self._queue.progress(people)

    def next_item(self, person: str) -> LabelingItem | None:
        """Returns the next item for the person, or None if there are no more."""
        with self._lock:
            assignment = next(self._queue.waiting_for(person, held=self._held_by_others(person)), None)
            if assignment is None:
                self._held.pop(person, None)
                return None
            return self._shown(assignment, person)

    def adjacent_item(self, person: str, assignment_id: str, *, step: int) -> LabelingItem | None:
        """Returns the item before (-1) or after (+1) this one in the person's history.

        After the last item of the history comes the next unlabeled item.
        """
        with self._lock:
            trail = self._queue.trail(person)
            current = self._queue.assignments.get(assignment_id)
            keys = [key_of(assignment) for assignment in trail]
            index = keys.index(key_of(current)) if current is not None and key_of(current) in keys else len(trail)
            wanted = index + step
            if 0 <= wanted < len(trail):
                return self._shown(trail[wanted], person)
            if wanted < 0:
                return self._shown(current, person) if current is not None else None
        return self.next_item(person)

    def item(self, person: str, assignment_id: str) -> LabelingItem:
        """Returns the item of an assignment.

        Raises:
            NotInQueue: the item is not in the queue.
        """
        with self._lock:
            return self._shown(self._assignment_for(person, assignment_id), person)

    def save(self, person: str, assignment_id: str, choice: str, note: str | None) -> None:
        """Lands the label, which replaces the person's previous label of the item.

        Raises:
            NotInQueue: the item is not in the queue.
            ValueError: the question has no such level.
            ServiceUnreachable: the label could not be landed; the label is unchanged in memory, and can be saved again.
        """
        with self._lock:
            assignment = self._assignment_for(person, assignment_id)
            key = key_of(assignment)
            label = Label(annotator=person, kind=self.kind, choice=choice, note=note)
            if choice == WITHDRAWN and self._queue.given(key, person) is None:
                return
            score = label_row(
                ScoredPrediction.of(self._contents[assignment.prediction_id], task=self.task.name),
                label,
                question=self._questions[assignment.scorer],
                at=self._now(),
                scrub=self._scrub,
            )
            if assignment.annotator is None:
                assignment = self._take(assignment, person)
            given = SubmittedLabel(choice, score.explanation, score.occurred_at.timestamp(), self.kind)
            before = self._queue.labels[key].get(person)
            if before is None or replace(before, at=given.at) != given:
                self._writer.append([score])
                self._queue.labels[key][person] = given
            self._request_adjudication(key)

    def undo(self, person: str) -> LabelingItem | None:
        """Withdraws the person's last label and returns its item, or None if there is no label.

        Raises:
            ServiceUnreachable: the withdrawal could not be landed; the label is unchanged.
        """
        with self._lock:
            trail = self._queue.trail(person)
        if not trail:
            return None
        last = trail[-1]
        self.save(person, last.assignment_id, WITHDRAWN, None)
        return self.item(person, last.assignment_id)

    def _take(self, assignment: Assignment, person: str) -> Assignment:
        """Assigns an open assignment; an expert's stays open if someone of a different kind labels the item."""
        if self.kind != AnnotatorKind.EXPERT:
            assignment = self._queue.extra(assignment)  # noqa: S610 - a method of the queue
        taken = replace(assignment, event=ASSIGNED, annotator=person, occurred_at=self._now())
        self._land(taken)
        return taken

    def _request_adjudication(self, key: ItemKey) -> None:
        """Lands an adjudication assignment if the labels of the item conflict."""
        adjudication = self._queue.adjudication(key)
        if adjudication is not None:
            self._land(replace(adjudication, occurred_at=self._now()))

    def _land(self, assignment: Assignment) -> None:
        rows: list[Row] = [assignment]
        self._writer.append(rows)
        self._queue.put(assignment)

    def _assignment_for(self, person: str, assignment_id: str) -> Assignment:
        """Returns the person's own assignment of the item, an open one, or a new one, so that no label is lost."""
        assignment = self._queue.assignments.get(assignment_id)
        if assignment is None:
            raise NotInQueue("This item is no longer in the queue", next_step="reload the page to get the next item.")
        own = self._queue.shown_to(person, key_of(assignment))
        if own.annotator == person:
            return own
        return assignment if assignment.annotator is None else self._queue.extra(assignment)  # noqa: S610 - a method of the queue

    def _shown(self, assignment: Assignment, person: str) -> LabelingItem:
        content, question = self._contents[assignment.prediction_id], self._questions[assignment.scorer]
        key, progress = key_of(assignment), self._queue.progress_of(person)
        self._held[person] = (key, self._clock() + HELD_S)
        keys = [key_of(labeled) for labeled in self._queue.trail(person)]
        return LabelingItem(
            assignment_id=assignment.assignment_id,
            record_id=assignment.record_id,
            question=question,
            input=_parsed(content["input"]) or {},
            output=_parsed(content["output"]),
            expected=_parsed(content["expected"]) if question.shows_expected else None,
            given=self._queue.given(key, person),
            is_adjudication=assignment.role != LABEL,
            number=keys.index(key) + 1 if key in keys else progress.done + 1,
            progress=progress,
        )

    def _held_by_others(self, person: str) -> list[ItemKey]:
        now = self._clock()
        return [
            key
            for holder, (key, until) in self._held.items()
            # Someone who has already labeled the item and views it again does not reserve it.
            if holder != person and until > now and self._queue.given(key, holder) is None
        ]

    def _read(self) -> tuple[LabelQueue, dict[str, Mapping[str, Any]]]:
        warehouse, parameters = self._context.warehouse, {"task": self.task.name}
        contents: dict[str, Mapping[str, Any]] = {
            row["prediction_id"]: row for row in warehouse.stream(QUEUED_CONTENTS.sql, parameters)
        }
        queue = LabelQueue({name: question.version for name, question in self._questions.items()})
        for row in warehouse.stream(LABEL_QUEUE.sql, parameters):
            if row["prediction_id"] in contents:
                queue.put(Assignment(**{**row, "sampling_parameters": _text(row["sampling_parameters"])}))
        for row in warehouse.stream(HUMAN_LABELS.sql, {**parameters, "run_id": ""}):
            key = ItemKey(row["prediction_id"], row["scorer"], row["scorer_version"])
            label = row["label"] or CANNOT_TELL
            queue.labels[key][row["annotator"]] = SubmittedLabel(
                label, row["explanation"], row["occurred_at"].timestamp(), AnnotatorKind(row["annotator_kind"])
            )
        return queue, contents


def _parsed(value: Any) -> Any:
    return orjson.loads(value) if isinstance(value, str) else value


def _text(value: Any) -> str:
    return value if isinstance(value, str) else orjson.dumps(value, option=orjson.OPT_SORT_KEYS).decode()
