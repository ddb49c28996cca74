"""The `scores` rows of judges: one for each opinion, and one for the verdict where there are several opinions.

An opinion has the juror's name as its annotator and a judge epoch; the verdict of several has neither.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from assay.evals.judge_verdicts import Judgement
from assay.evals.scored import Scored
from assay.inference.keys import opinion_id, score_id
from assay.records import Score

JUDGE = "judge"


@dataclass(frozen=True, slots=True)
class JudgeRows:
    """Makes the rows of one judge; `scrub` masks what it said."""

    scorer: str
    version: str
    scrub: Callable[[str], str]

    def opinion(
        self, answer: Scored, judgement: Judgement, *, juror: str, judge_epoch: int, call_id: str | None = None
    ) -> Score:
        """What a juror said in one of its epochs."""
        key = opinion_id(answer.prediction_id, self.scorer, self.version, juror=juror, judge_epoch=judge_epoch)
        return self._row(answer, judgement, score_id=key, annotator=juror, judge_epoch=judge_epoch, call_id=call_id)

    def verdict(self, answer: Scored, judgement: Judgement) -> Score:
        """What several opinions come to."""
        return self._row(answer, judgement, score_id=score_id(answer.prediction_id, self.scorer, self.version))

    def _row(self, answer: Scored, judgement: Judgement, *, score_id: str, **columns: Any) -> Score:
        explanation = judgement.explanation
        return answer.row(
            score_id=score_id,
            occurred_at=datetime.now(UTC),
            scorer=self.scorer,
            scorer_kind=JUDGE,
            scorer_version=self.version,
            value=judgement.value,
            label=judgement.label,
            passed=judgement.passed,
            status=judgement.status,
            explanation=self.scrub(explanation) if explanation is not None else None,
            **columns,
        )
