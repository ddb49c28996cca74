"""A person's answer to a question, as a row of `scores`.

Pure. A later label of the same person on the same item has the same id, and so replaces the earlier one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from assay.evals.questions import CANNOT_TELL, WITHDRAWN, Question
from assay.inference.keys import content_hash
from assay.records import Score

HUMAN = "human"
LONGEST_NOTE = 4000


@dataclass(frozen=True, slots=True, kw_only=True)
class Labelled:
    """The prediction that a label is about, as far as its row needs it."""

    prediction_id: str
    run_id: str
    data_date: date
    record_id: str
    epoch: int
    tenant_id: str
    subject_key: str | None
    masking_version: str

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> Labelled:
        """From a row that has these columns, and maybe others."""
        return cls(**{name: row[name] for name in cls.__slots__})


@dataclass(frozen=True, slots=True, kw_only=True)
class Label:
    """What a person said: a level of the question, `cannot_tell`, or `withdrawn`; the note is not scrubbed yet."""

    annotator: str
    choice: str
    note: str | None = None


def label_id(prediction_id: str, scorer: str, scorer_version: str, annotator: str) -> str:
    """The id of a person's label: saying it again replaces it."""
    return content_hash(prediction_id, scorer, scorer_version, HUMAN, annotator)


def label_row(
    labelled: Labelled,
    label: Label,
    *,
    task: str,
    question: Question,
    at: datetime,
    scrub: Callable[[str], str],
) -> Score:
    """The label as a row of `scores`; what is no level is `unscored`, never a value.

    Raises:
        ValueError: the question has no such level.
    """
    level = question.level(label.choice)
    if level is None and label.choice not in (CANNOT_TELL, WITHDRAWN):
        known = ", ".join([*(level.label for level in question.levels), CANNOT_TELL])
        raise ValueError(f"{question.scorer}: expected one of {known}, found {label.choice!r}")
    note = (label.note or "").strip()[:LONGEST_NOTE]
    return Score(
        score_id=label_id(labelled.prediction_id, question.scorer, question.version, label.annotator),
        prediction_id=labelled.prediction_id,
        run_id=labelled.run_id,
        task=task,
        data_date=labelled.data_date,
        occurred_at=at,
        tenant_id=labelled.tenant_id,
        record_id=labelled.record_id,
        epoch=labelled.epoch,
        scorer=question.scorer,
        scorer_kind=HUMAN,
        scorer_version=question.version,
        annotator=label.annotator,
        value=level.value if level else None,
        label=label.choice,
        passed=level.passed if level else None,
        status="scored" if level else "unscored",
        explanation=scrub(note) if note else None,
        subject_key=labelled.subject_key,
        masking_version=labelled.masking_version,
    )
