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
from assay.scoring.classes.fields import ClassPair, ClassReader
from assay.scoring.score_rows import ScoredPrediction
from assay.tasks.task import Task

CHECK = ScorerKind.CHECK
NO_CLASS = ClassPair(None, None)


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
        self._versions, self._gives = task.versions.scorers, task.result_kinds
        self._scrub = scrub
        self.classes = ClassReader(task, scrub=scrub)
        self._fields = {field.scorer: field.field for field in self.classes.fields}
        self._scorers: Mapping[str, Scorer] = {
            check.name: build_scorer(check.type, check.parameters, task_dir=task.folder) for check in task.spec.checks
        }

    def class_pairs(self, item: ToScore) -> dict[str, ClassPair]:
        """Returns the expected and the answered class of each field whose values are classes."""
        return self.classes.pairs(item.output, item.expected)

    def scores(self, item: ToScore, pairs: Mapping[str, ClassPair] | None = None) -> list[Score]:
        """Returns one row per check; `pairs` are the `class_pairs` of the item, if they are known."""
        scored = ScoredItem(output=item.output, expected=item.expected, input=item.input, status=item.status)
        found = self.class_pairs(item) if pairs is None else pairs
        return [
            self._row(item, name, scorer(scored), found.get(self._fields.get(name, ""), NO_CLASS))
            for name, scorer in self._scorers.items()
        ]

    def _row(self, item: ToScore, scorer: str, judged: CheckResult, pair: ClassPair) -> Score:
        version, label = self._versions[scorer], pair.answered
        if label is None and judged.label is not None:
            label = self._scrub(judged.label)
        return item.row(
            score_id=score_id(item.prediction_id, scorer, version),
            occurred_at=datetime.now(UTC),
            scorer=scorer,
            scorer_kind=CHECK,
            scorer_version=version,
            value=judged.value,
            label=label,
            expected_label=pair.expected,
            gives=self._gives.get(scorer),
            passed=judged.passed,
            status=judged.status,
            explanation=self._scrub(judged.explanation) if judged.explanation is not None else None,
        )
