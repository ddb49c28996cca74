"""The labelling desk of one task: what each person sees next, and each label in the warehouse before it is confirmed.

Rows and locks belong here; the rules of who labels what are `assay.labels.queue`, the page is `assay.labels.page`.
"""

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
from assay.scoring.score_rows import ScoredPrediction
from assay.tasks.task import Task
from assay.warehouse.landing import LandingWriter

HELD_S = 600.0
"""How long an open item that a person has before them is not offered to others."""


class NotInQueue(AssayError):
    """The item is not, or no longer, in the queue."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelingItem:
    """What a person sees: the question about one prediction, masked as it landed; nothing of what others said."""

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
    def asked_of(self) -> Mapping[str, Any]:
        """The input without its sources."""
        return {name: value for name, value in self.input.items() if name not in self.question.sources}

    @property
    def sources(self) -> Mapping[str, Any]:
        """What the output must rest on."""
        return {name: value for name, value in self.input.items() if name in self.question.sources}

    @property
    def total(self) -> int:
        """Items the person has labelled or still has to."""
        return self.progress.done + self.progress.left + self.progress.open


class LabelingSession:
    """The queue of a task with its labels; safe to share between threads.

    Every change lands first and is remembered afterwards, so that what a page was told is in the warehouse.
    """

    def __init__(
        self,
        context: StageContext,
        task: Task,
        *,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.task = task
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
        """Assignments for an earlier wording of a question; filling the queue again replaces them."""
        return self._queue.outdated

    @property
    def size(self) -> int:
        """Assignments that can be worked on."""
        return len(self._queue.assignments)

    def warm(self) -> None:
        """The first label will not wait for libraries: those that land rows and mask notes are loaded."""
        _ = self._context.warehouse.write_client
        self._scrub("")

    def refresh(self, *, after_s: float = 0.0) -> None:
        """What others have put into the warehouse is known here, too, unless it was looked up within `after_s`."""
        with self._lock:
            if self._clock() - self._read_at >= after_s:
                self._queue, self._contents = self._read()
                self._read_at = self._clock()

    def progress(self, *people: str) -> list[LabelingProgress]:
        """How far each person is, and those who are named."""
        with self._lock:
            return self._queue.progress(people)

    def next_item(self, person: str) -> LabelingItem | None:
        """What the person labels next; None when nothing is left."""
        with self._lock:
            assignment = next(self._queue.waiting_for(person, held=self._held_by_others(person)), None)
            if assignment is None:
                self._held.pop(person, None)
                return None
            return self._shown(assignment, person)

    def beside(self, person: str, assignment_id: str, *, step: int) -> LabelingItem | None:
        """The item before (-1) or after (+1) one, in the order in which the person labelled; then what comes next."""
        with self._lock:
            trail = self._queue.trail(person)
            here = self._queue.assignments.get(assignment_id)
            keys = [key_of(assignment) for assignment in trail]
            place = keys.index(key_of(here)) if here is not None and key_of(here) in keys else len(trail)
            wanted = place + step
            if 0 <= wanted < len(trail):
                return self._shown(trail[wanted], person)
            if wanted < 0:
                return self._shown(here, person) if here is not None else None
        return self.next_item(person)

    def item(self, person: str, assignment_id: str) -> LabelingItem:
        """The item of an assignment.

        Raises:
            NotInQueue: there is none.
        """
        with self._lock:
            return self._shown(self._mine(person, assignment_id), person)

    def save(self, person: str, assignment_id: str, choice: str, note: str | None) -> None:
        """The label is in the warehouse, in place of what the person said of the item before.

        Raises:
            NotInQueue: the item is not in the queue.
            ValueError: the question has no such level.
            Unreachable: the warehouse did not take it; nothing is remembered, and saving again is safe.
        """
        with self._lock:
            assignment = self._mine(person, assignment_id)
            key, label = key_of(assignment), Label(annotator=person, choice=choice, note=note)
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
                assignment = self._taken(assignment, person)
            given = SubmittedLabel(choice, score.explanation, score.occurred_at.timestamp())
            before = self._queue.labels[key].get(person)
            if before is None or (before.label, before.note) != (given.label, given.note):
                self._writer.append([score])
                self._queue.labels[key][person] = given
            self._settle(key)

    def undo(self, person: str) -> LabelingItem | None:
        """The person's last label is withdrawn, and its item shown again; None if there is none.

        Raises:
            Unreachable: the warehouse did not take it; the label stands.
        """
        with self._lock:
            trail = self._queue.trail(person)
        if not trail:
            return None
        last = trail[-1]
        self.save(person, last.assignment_id, WITHDRAWN, None)
        return self.item(person, last.assignment_id)

    def _taken(self, assignment: Assignment, person: str) -> Assignment:
        taken = replace(assignment, event=ASSIGNED, annotator=person, occurred_at=self._now())
        self._land(taken)
        return taken

    def _settle(self, key: ItemKey) -> None:
        """Labels that do not agree are given to one more person."""
        wanted = self._queue.adjudication(key)
        if wanted is not None:
            self._land(replace(wanted, occurred_at=self._now()))

    def _land(self, assignment: Assignment) -> None:
        rows: list[Row] = [assignment]
        self._writer.append(rows)
        self._queue.put(assignment)

    def _mine(self, person: str, assignment_id: str) -> Assignment:
        """The assignment under which the person labels an item: the own, the open one, else one more, so no label is lost."""
        assignment = self._queue.assignments.get(assignment_id)
        if assignment is None:
            raise NotInQueue("This item is no longer in the queue", next_step="reload the page for the next one.")
        own = self._queue.shown_to(person, key_of(assignment))
        if own.annotator == person:
            return own
        return assignment if assignment.annotator is None else self._queue.extra(assignment)

    def _shown(self, assignment: Assignment, person: str) -> LabelingItem:
        content, asked = self._contents[assignment.prediction_id], self._questions[assignment.scorer]
        key, progress = key_of(assignment), self._queue.progress_of(person)
        self._held[person] = (key, self._clock() + HELD_S)
        keys = [key_of(labelled) for labelled in self._queue.trail(person)]
        return LabelingItem(
            assignment_id=assignment.assignment_id,
            record_id=assignment.record_id,
            question=asked,
            input=_parsed(content["input"]) or {},
            output=_parsed(content["output"]),
            expected=_parsed(content["expected"]) if asked.shows_expected else None,
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
            # Who has labelled it already, and perhaps looks at it again, keeps it from nobody.
            if holder != person and until > now and self._queue.given(key, holder) is None
        ]

    def _read(self) -> tuple[LabelQueue, dict[str, Mapping[str, Any]]]:
        warehouse, asked = self._context.warehouse, {"task": self.task.name}
        contents: dict[str, Mapping[str, Any]] = {
            row["prediction_id"]: row for row in warehouse.stream(QUEUED_CONTENTS.sql, asked)
        }
        queue = LabelQueue({name: question.version for name, question in self._questions.items()})
        for row in warehouse.stream(LABEL_QUEUE.sql, asked):
            if row["prediction_id"] in contents:
                queue.put(Assignment(**{**row, "sampling_parameters": _text(row["sampling_parameters"])}))
        for row in warehouse.stream(HUMAN_LABELS.sql, {**asked, "run_id": ""}):
            key = ItemKey(row["prediction_id"], row["scorer"], row["scorer_version"])
            label = row["label"] or CANNOT_TELL
            queue.labels[key][row["annotator"]] = SubmittedLabel(
                label, row["explanation"], row["occurred_at"].timestamp()
            )
        return queue, contents


def _parsed(value: Any) -> Any:
    return orjson.loads(value) if isinstance(value, str) else value


def _text(value: Any) -> str:
    return value if isinstance(value, str) else orjson.dumps(value, option=orjson.OPT_SORT_KEYS).decode()
