"""Classes of a run's predictions, kept in memory at four bytes per prediction and field."""

from __future__ import annotations

from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from assay.records.statuses import ANSWERED, AnswerStatus, PredictionStatus
from assay.scoring.classes.fields import ClassField, ClassPair

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Codes = NDArray[np.integer[Any]]

MOST_LABELS, MOST_TEXTS = 1_000, 50
"""Largest number of distinct classes of a field with a closed list of values, and of a text field."""
WITHOUT = (
    AnswerStatus.NO_VALUE,
    AnswerStatus.REFUSED,
    AnswerStatus.INVALID_OUTPUT,
    AnswerStatus.FAILED,
    AnswerStatus.FALLBACK,
)
FIRST_WITHOUT = 65_000
"""Codes from here on are no class: the place in `WITHOUT` is added."""


@dataclass(frozen=True, slots=True)
class FieldCell:
    """The classes of a field in one population and slice, as codes; `labels` is the label of each code."""

    expected: Codes
    answered: Codes
    labels: tuple[str, ...]

    def status(self, code: int) -> AnswerStatus:
        """Returns the status of an answered code."""
        return AnswerStatus.ANSWERED if code < FIRST_WITHOUT else WITHOUT[code - FIRST_WITHOUT]

    def label(self, code: int) -> str | None:
        """Returns the label of a code; None if it is no class."""
        return self.labels[code] if code < FIRST_WITHOUT else None


class FieldCodes:
    """The classes of one field: of every prediction in the order of the tally, until there are too many."""

    def __init__(self, field: ClassField) -> None:
        self.field = field
        self.has_too_many = False
        self._places = {label: place for place, label in enumerate(field.labels)}
        self._expected, self._answered = array("H"), array("H")

    @property
    def most(self) -> int:
        """Largest number of distinct classes that are counted."""
        return MOST_TEXTS if self.field.is_text else MOST_LABELS

    def add(self, pair: ClassPair, status: PredictionStatus) -> None:
        """Adds one prediction; `status` is that of the first outcome of its request."""
        if self.has_too_many:
            return
        self._expected.append(FIRST_WITHOUT if pair.expected is None else self._code(pair.expected))
        answered = pair.answered if status in ANSWERED else None
        self._answered.append(_without(status) if answered is None else self._code(answered))
        if len(self._places) > self.most:
            self.has_too_many = True
            self._places, self._expected, self._answered = {}, array("H"), array("H")

    def cell(self, rows: Codes) -> FieldCell:
        """Returns the classes of these predictions."""
        import numpy as np

        expected, answered = (np.frombuffer(codes, dtype=np.uint16)[rows] for codes in (self._expected, self._answered))
        return FieldCell(expected, answered, tuple(self._places))

    def _code(self, label: str) -> int:
        return self._places.setdefault(label, len(self._places))


class ClassTally:
    """The classes of a run's predictions, in the order of its `Tally`, without those that a budget skipped."""

    def __init__(self, fields: Sequence[ClassField]) -> None:
        self.fields = tuple(FieldCodes(field) for field in fields)

    def add(self, pairs: Mapping[str, ClassPair], status: PredictionStatus) -> None:
        """Adds one prediction; `pairs` has the classes of each field."""
        if status == PredictionStatus.SKIPPED_BUDGET:
            return
        for codes in self.fields:
            codes.add(pairs[codes.field.field], status)


def _without(status: PredictionStatus) -> int:
    """Returns the code of a prediction without a class."""
    found = AnswerStatus.NO_VALUE if status in ANSWERED else AnswerStatus(status)
    return FIRST_WITHOUT + WITHOUT.index(found)
