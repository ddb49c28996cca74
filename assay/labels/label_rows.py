"""A person's answer to a question, as a row of `scores`.

Pure. A later label of the same person on the same item has the same id, and so replaces the earlier one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from assay.inference.keys import content_hash
from assay.labels.questions import CANNOT_TELL, WITHDRAWN, LabelingQuestion
from assay.records.evaluation import Score
from assay.records.statuses import ScorerKind, ScoreStatus
from assay.scoring.score_rows import ScoredPrediction

HUMAN = ScorerKind.HUMAN
LONGEST_NOTE = 4000


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
    labelled: ScoredPrediction,
    label: Label,
    *,
    question: LabelingQuestion,
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
    return labelled.row(
        score_id=label_id(labelled.prediction_id, question.scorer, question.version, label.annotator),
        occurred_at=at,
        scorer=question.scorer,
        scorer_kind=HUMAN,
        scorer_version=question.version,
        annotator=label.annotator,
        value=level.value if level else None,
        label=label.choice,
        passed=level.passed if level else None,
        status=ScoreStatus.SCORED if level else ScoreStatus.UNSCORED,
        explanation=scrub(note) if note else None,
    )
