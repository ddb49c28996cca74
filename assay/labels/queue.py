"""The in-memory labeling queue: balanced assignments, adjudication of conflicts, and the next items for each person."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import orjson

from assay.errors import UsageError
from assay.inference.keys import content_hash
from assay.labels.questions import WITHDRAWN
from assay.records.evaluation import Assignment
from assay.records.statuses import AnnotatorKind, AssignmentEvent, AssignmentRole, SamplePurpose

LABEL, ADJUDICATE = AssignmentRole.LABEL, AssignmentRole.ADJUDICATE
OPEN, ASSIGNED = AssignmentEvent.OPEN, AssignmentEvent.ASSIGNED
NAME = re.compile(r"[^\W_][\w.@+ -]{0,63}")


class ItemKey(NamedTuple):
    """Identifies an item to label: a prediction and a version of a question."""

    prediction_id: str
    scorer: str
    scorer_version: str


def annotator_name(text: str) -> str:
    """Returns the normalized name, which is the same for spellings that differ only in case or spaces.

    Raises:
        UsageError: the name is invalid.
    """
    name = " ".join(unicodedata.normalize("NFC", text).split()).casefold()
    if not NAME.fullmatch(name):
        raise UsageError(
            f"Invalid annotator name {text!r}: expected 1 to 64 letters, digits, spaces or . @ + - _, starting with a "
            "letter or digit"
        )
    return name


def assign(units: Sequence[str], annotators: Sequence[str], *, per_item: int, seed: int) -> dict[str, tuple[str, ...]]:
    """Returns `per_item` distinct annotators for each unit, in varying combinations.

    The numbers of items per annotator differ by at most one.

    Raises:
        UsageError: there are fewer annotators than `per_item`.
    """
    if per_item > len(annotators):
        raise UsageError(
            f"--per-item {per_item} requires at least {per_item} annotators, found {len(annotators)}",
            next_step="name more with --annotators, or omit it so that anyone can label the next item.",
        )
    load = dict.fromkeys(annotators, 0)
    chosen: dict[str, tuple[str, ...]] = {}
    for unit in units:
        ranked = sorted(annotators, key=lambda name: (load[name], _draw(seed, unit, name)))
        chosen[unit] = tuple(ranked[:per_item])
        for name in chosen[unit]:
            load[name] += 1
    return chosen


@dataclass(frozen=True, slots=True)
class SubmittedLabel:
    """A person's current label of an item: a level, `cannot_tell` or `withdrawn`; `at` is its Unix time in seconds."""

    label: str
    note: str | None
    at: float
    kind: AnnotatorKind = AnnotatorKind.EXPERT

    @property
    def counts(self) -> bool:
        """True unless the label was withdrawn."""
        return self.label != WITHDRAWN


@dataclass(frozen=True, slots=True)
class LabelingProgress:
    """Numbers of items of one person: labeled, assigned and not labeled, and open to anyone."""

    annotator: str
    done: int
    left: int
    open: int


@dataclass
class LabelQueue:
    """The assignments and labels of one task.

    `versions` maps each scorer to the current version of its question; `outdated` counts the assignments of other
    versions, which are ignored.
    """

    versions: Mapping[str, str]
    assignments: dict[str, Assignment] = field(default_factory=dict)
    labels: dict[ItemKey, dict[str, SubmittedLabel]] = field(default_factory=lambda: defaultdict(dict))
    outdated: int = 0
    _of_item: dict[ItemKey, list[str]] = field(default_factory=lambda: defaultdict(list))

    def put(self, assignment: Assignment) -> None:
        """Adds the assignment or replaces its previous state; only counts it if its question was reworded."""
        if self.versions.get(assignment.scorer) != assignment.scorer_version:
            self.outdated += 1
            return
        if assignment.assignment_id not in self.assignments:
            self._of_item[key_of(assignment)].append(assignment.assignment_id)
        self.assignments[assignment.assignment_id] = assignment

    def of_item(self, key: ItemKey) -> list[Assignment]:
        """Returns all assignments of an item."""
        return [self.assignments[assignment_id] for assignment_id in self._of_item[key]]

    def given(self, key: ItemKey, person: str) -> SubmittedLabel | None:
        """Returns the person's label of the item, or None if there is none or it was withdrawn."""
        label = self.labels[key].get(person) if key in self.labels else None
        return label if label is not None and label.counts else None

    def counted(self, key: ItemKey) -> dict[str, SubmittedLabel]:
        """Returns the labels of the item by person, except withdrawn ones."""
        return {person: given for person, given in self.labels.get(key, {}).items() if given.counts}

    def listed(self) -> list[str]:
        """Returns the people to whom samples were assigned when the queue was filled; none if anyone may label."""
        parameters = {assignment.sampling_parameters for assignment in self.assignments.values()}
        return sorted({name for given in parameters for name in orjson.loads(given).get("annotators", ())})

    def waiting_for(self, person: str, *, held: Iterable[ItemKey] = ()) -> Iterator[Assignment]:
        """Yields one assignment for each item that the person can label: first their own, then open ones.

        `held` contains an item once for each other person who has it on screen; one open assignment is reserved for each
        of them.
        """
        own: list[Assignment] = []
        others: list[Assignment] = []
        left = Counter(held)
        for assignment in self._in_order():
            if not self._waits(assignment, person):
                continue
            if assignment.annotator == person:
                own.append(assignment)
            elif left[key_of(assignment)] > 0:
                left[key_of(assignment)] -= 1
            else:
                others.append(assignment)
        seen: set[ItemKey] = set()
        for assignment in (*own, *others):
            if key_of(assignment) not in seen:
                seen.add(key_of(assignment))
                yield assignment

    def may_label(self, assignment: Assignment, person: str) -> bool:
        """True if the assignment belongs to the person or is open to them."""
        if assignment.annotator is not None:
            return assignment.annotator == person
        key = key_of(assignment)
        if any(other.annotator == person for other in self.of_item(key)):
            return False
        return assignment.role == LABEL or (self.in_conflict(key) and self.given(key, person) is None)

    def in_conflict(self, key: ItemKey) -> bool:
        """True if all assigned experts have labeled the item and their labels differ."""
        people = {a.annotator for a in self.of_item(key) if a.role == LABEL and self._is_expert(key, a.annotator)}
        given = [self.given(key, person) if person is not None else None for person in people]
        if None in given or len(given) < 2:
            return False
        return len({label.label for label in given if label is not None}) > 1

    def extra(self, assignment: Assignment) -> Assignment:
        """Returns an additional open assignment of the item, for a label that arrives after it was assigned to others."""
        taken = [other.slot for other in self.of_item(key_of(assignment)) if other.role == assignment.role]
        slot = max(taken, default=-1) + 1
        made = assignment_id(assignment.sample_id, assignment.prediction_id, role=assignment.role, slot=slot)
        return replace(assignment, assignment_id=made, event=OPEN, annotator=None, slot=slot)

    def adjudication(self, key: ItemKey) -> Assignment | None:
        """Returns a new adjudication assignment for the item; None if it has no conflict or is being adjudicated."""
        assignments = self.of_item(key)
        if not self.in_conflict(key) or any(assignment.role == ADJUDICATE for assignment in assignments):
            return None
        first = min((a for a in assignments if a.role == LABEL), key=lambda a: (a.sample_id, a.slot))
        made = assignment_id(first.sample_id, first.prediction_id, role=ADJUDICATE, slot=0)
        return replace(first, assignment_id=made, event=OPEN, annotator=None, role=ADJUDICATE, slot=0)

    def progress(self, people: Iterable[str] = ()) -> list[LabelingProgress]:
        """Returns the progress of everyone who has assignments or labels or is listed in `people`."""
        assigned = {a.annotator for a in self.assignments.values() if a.annotator is not None}
        labeled = {person for key in self._of_item for person in self.counted(key)}
        return [self.progress_of(person) for person in sorted(assigned | labeled | set(people))]

    def progress_of(self, person: str) -> LabelingProgress:
        """Returns the progress of the person."""
        own = {key_of(a) for a in self.assignments.values() if a.annotator == person}
        done = sum(1 for key in self._of_item if self.given(key, person) is not None)
        waiting = list(self.waiting_for(person))
        left = sum(1 for a in waiting if key_of(a) in own and a.annotator == person)
        return LabelingProgress(person, done=done, left=left, open=len(waiting) - left)

    def trail(self, person: str) -> list[Assignment]:
        """Returns the items that the person has labeled, oldest first."""
        given = ((self.given(key, person), key) for key in self._of_item)
        labeled = sorted((label.at, key) for label, key in given if label is not None)
        return [self.shown_to(person, key) for _, key in labeled]

    def shown_to(self, person: str, key: ItemKey) -> Assignment:
        """Returns the assignment through which the person sees the item: their own or, without one, the first."""
        assignments = self.of_item(key)
        return next((assignment for assignment in assignments if assignment.annotator == person), assignments[0])

    def _is_expert(self, key: ItemKey, person: str | None) -> bool:
        """False if the person labeled the item, or withdrew their label, as a user or model."""
        label = self.labels[key].get(person) if person is not None and key in self.labels else None
        return label is None or label.kind == AnnotatorKind.EXPERT

    def _waits(self, assignment: Assignment, person: str) -> bool:
        key = key_of(assignment)
        if self.given(key, person) is not None or not self.may_label(assignment, person):
            return False
        return assignment.role == LABEL or self.in_conflict(key)

    def _in_order(self) -> list[Assignment]:
        return sorted(
            self.assignments.values(),
            key=lambda a: (
                a.role != LABEL,
                a.purpose != SamplePurpose.CALIBRATION,
                a.position,
                a.prediction_id,
                a.scorer,
                a.slot,
            ),
        )


def assignment_id(sample_id: str, prediction_id: str, *, role: AssignmentRole, slot: int) -> str:
    """Returns the id of an assignment, which is the same if the queue is filled again with the same sample."""
    return content_hash(sample_id, prediction_id, role, slot)


def key_of(assignment: Assignment) -> ItemKey:
    """Returns the key of the item that is assigned."""
    return ItemKey(assignment.prediction_id, assignment.scorer, assignment.scorer_version)


def _draw(seed: int, unit: str, name: str) -> bytes:
    return hashlib.sha256(f"{seed}\x1f{unit}\x1f{name}".encode()).digest()
