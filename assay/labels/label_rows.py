"""Converts a person's label to a row of `scores`.

If the same person labels an item again, the new row has the same id and replaces the previous label.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from assay.inference.keys import content_hash
from assay.labels.questions import CANNOT_TELL, WITHDRAWN, LabelingQuestion
from assay.records.evaluation import Score
from assay.records.statuses import AnnotatorKind, ScorerKind, ScoreStatus
from assay.scoring.score_rows import ScoredPrediction

HUMAN = ScorerKind.HUMAN
MAX_NOTE_CHARACTERS = 4000


@dataclass(frozen=True, slots=True, kw_only=True)
class Label:
    """A person's choice (a level of the question, `cannot_tell` or `withdrawn`) and their note, not yet masked."""

    annotator: str
    kind: AnnotatorKind = AnnotatorKind.EXPERT
    choice: str
    note: str | None = None


def label_id(prediction_id: str, scorer: str, scorer_version: str, annotator: str) -> str:
    """Returns the id of a person's label, which stays the same if the person labels the item again."""
    return content_hash(prediction_id, scorer, scorer_version, HUMAN, annotator)


def label_row(
    prediction: ScoredPrediction,
    label: Label,
    *,
    question: LabelingQuestion,
    at: datetime,
    scrub: Callable[[str], str],
) -> Score:
    """Returns the `scores` row of a label; without a level, its status is `unscored` and it has no value.

    Raises:
        ValueError: the choice is neither a level of the question, nor `cannot_tell`, nor `withdrawn`, or the note is too long.
    """
    level = question.level(label.choice)
    if level is None and label.choice not in (CANNOT_TELL, WITHDRAWN):
        known = ", ".join([*(level.label for level in question.levels), CANNOT_TELL])
        raise ValueError(f"{question.scorer}: expected one of {known}, found {label.choice!r}")
    note = (label.note or "").strip()
    if len(note) > MAX_NOTE_CHARACTERS:
        raise ValueError(f"The note has {len(note):,} characters: expected at most {MAX_NOTE_CHARACTERS:,}.")
    return prediction.row(
        score_id=label_id(prediction.prediction_id, question.scorer, question.version, label.annotator),
        occurred_at=at,
        scorer=question.scorer,
        scorer_kind=HUMAN,
        scorer_version=question.version,
        annotator=label.annotator,
        annotator_kind=label.kind,
        value=level.value if level else None,
        label=label.choice,
        passed=level.passed if level else None,
        status=ScoreStatus.SCORED if level else ScoreStatus.UNSCORED,
        explanation=scrub(note) if note else None,
    )
