"""Scores of checks: maps one prediction and its record to `scores` rows, without I/O."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from assay.checks import CheckResult, ScoredItem, Scorer, build_scorer
from assay.inference.keys import score_id
from assay.records.evaluation import Score
from assay.records.statuses import PredictionStatus, ScorerKind
from assay.scoring.score_rows import ScoredPrediction
from assay.tasks.task import Task

CHECK = ScorerKind.CHECK


@dataclass(frozen=True, slots=True, kw_only=True)
class ToScore(ScoredPrediction):
    """One landed prediction with the inputs of its checks; `output` and `expected` are unmasked."""

    status: PredictionStatus
    output: dict[str, Any] | None
    expected: dict[str, Any] | None
    input: dict[str, Any]


class Scoreboard:
    """The checks of one task, built once."""

    def __init__(self, task: Task, *, scrub: Callable[[str], str]) -> None:
        self._versions = task.versions.scorers
        self._scrub = scrub
        self._scorers: Mapping[str, Scorer] = {
            check.name: build_scorer(check.type, check.parameters, task_dir=task.folder) for check in task.spec.checks
        }

    def scores(self, item: ToScore) -> list[Score]:
        """Returns one row per check."""
        scored = ScoredItem(output=item.output, expected=item.expected, input=item.input, status=item.status)
        return [self._row(item, name, scorer(scored)) for name, scorer in self._scorers.items()]

    def _row(self, item: ToScore, scorer: str, judged: CheckResult) -> Score:
        version = self._versions[scorer]
        return item.row(
            score_id=score_id(item.prediction_id, scorer, version),
            occurred_at=datetime.now(UTC),
            scorer=scorer,
            scorer_kind=CHECK,
            scorer_version=version,
            value=judged.value,
            label=self._scrub(judged.label) if judged.label is not None else None,
            passed=judged.passed,
            status=judged.status,
            explanation=self._scrub(judged.explanation) if judged.explanation is not None else None,
        )
