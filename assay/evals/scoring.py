"""Turns one prediction and its case into the rows of its scores.

Pure: what to judge comes in, rows come out; reading and landing are the pipeline's part.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

from assay.checks import Judged, Scorer, Subject, build_scorer
from assay.inference.keys import score_id
from assay.records import Score
from assay.tasks.task import Task

CHECK = "check"


@dataclass(frozen=True, slots=True, kw_only=True)
class ToScore:
    """One landed prediction with what its scorers need; `output` and `expected` are unmasked."""

    prediction_id: str
    run_id: str
    task: str
    data_date: date
    tenant_id: str
    record_id: str
    epoch: int
    status: str
    output: dict[str, Any] | None
    expected: dict[str, Any] | None
    input: dict[str, Any]
    subject_key: str | None
    masking_version: str


class Scoreboard:
    """The deterministic scorers of one task, built once."""

    def __init__(self, task: Task, *, scrub: Callable[[str], str]) -> None:
        self._versions = task.versions.scorers
        self._scrub = scrub
        self._scorers: Mapping[str, Scorer] = {
            check.name: build_scorer(check.type, check.parameters, task_dir=task.folder) for check in task.spec.checks
        }

    def scores(self, item: ToScore) -> list[Score]:
        """One row for each scorer."""
        subject = Subject(output=item.output, expected=item.expected, input=item.input, status=item.status)
        return [self._row(item, name, scorer(subject)) for name, scorer in self._scorers.items()]

    def _row(self, item: ToScore, scorer: str, judged: Judged) -> Score:
        version = self._versions[scorer]
        return Score(
            score_id=score_id(item.prediction_id, scorer, version),
            prediction_id=item.prediction_id,
            run_id=item.run_id,
            task=item.task,
            data_date=item.data_date,
            occurred_at=datetime.now(UTC),
            tenant_id=item.tenant_id,
            record_id=item.record_id,
            epoch=item.epoch,
            scorer=scorer,
            scorer_kind=CHECK,
            scorer_version=version,
            value=judged.value,
            label=self._scrub(judged.label) if judged.label is not None else None,
            passed=judged.passed,
            status=judged.status,
            explanation=self._scrub(judged.explanation) if judged.explanation is not None else None,
            subject_key=item.subject_key,
            masking_version=item.masking_version,
        )
