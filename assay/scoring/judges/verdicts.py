"""What a judge's answers come to: an opinion each, and one verdict of all its opinions.

The one place that says how opinions are combined: marts, `correct` and estimates read the verdict that lands from here.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from statistics import fmean, median
from typing import Any

import orjson

from assay.inference.endpoint.failures import FailureKind
from assay.inference.keys import opinion_id, score_id
from assay.records import Prediction
from assay.records.evaluation import Score
from assay.records.statuses import ANSWERED, PredictionStatus, ScorerKind, ScoreStatus
from assay.scoring.score_rows import ScoredPrediction
from assay.tasks.judge_spec import JudgeSpec
from assay.tasks.rubric import FAIL, PASS

EXPLANATION_CHARACTERS = 2000
SCORED, UNSCORED = ScoreStatus.SCORED, ScoreStatus.UNSCORED


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """One opinion, or the verdict of several; `value` is 1 or 0 by a binary rubric, else the level."""

    status: ScoreStatus
    value: float | None = None
    label: str | None = None
    passed: bool | None = None
    explanation: str | None = None


def opinion_of(answered: Prediction, judge: JudgeSpec) -> Judgement:
    """What the answer of a juror says; no verdict is made of what cannot be read."""
    if answered.status not in ANSWERED or answered.output is None:
        status, reason = not_answered(answered)
        return Judgement(status=status, explanation=reason)
    said = orjson.loads(answered.output)
    explanation = str(said["explanation"])[:EXPLANATION_CHARACTERS]
    if "level" in said:
        return _scored(float(said["level"]), judge, label=str(said["level"]), explanation=explanation)
    passed = said["verdict"] == PASS
    return Judgement(status=SCORED, value=float(passed), label=said["verdict"], passed=passed, explanation=explanation)


def verdict_of(opinions: Sequence[Judgement], judge: JudgeSpec) -> Judgement:
    """The judge's word: what more than half of all opinions say, or the mean of all; unscored, with the reason, if neither is.

    An opinion that is missing, refused or unreadable counts as one that agrees with no other.
    """
    if judge.opinions == 1 and len(opinions) == 1:
        return opinions[0]
    scored = [opinion for opinion in opinions if opinion.status == SCORED]
    if not scored:
        return _none_scored(opinions, judge)
    return _mean(scored, judge) if judge.jury == "mean" else _majority(scored, judge)


def not_answered(answered: Prediction) -> tuple[ScoreStatus, str]:
    """What a reply without a verdict is, and why.

    Refused; unscored where an answer came that holds no verdict; failed where none came, which is worth asking again.
    """
    kind = answered.error_type or answered.status
    reason = f"{kind}: {answered.error_message}" if answered.error_message else kind
    if answered.status == PredictionStatus.REFUSED:
        return ScoreStatus.REFUSED, reason
    is_unreadable = answered.status == PredictionStatus.INVALID_OUTPUT
    is_unreadable = is_unreadable or answered.error_type == FailureKind.TRUNCATED.value
    return UNSCORED if is_unreadable else ScoreStatus.FAILED, reason


def _majority(scored: Sequence[Judgement], judge: JudgeSpec) -> Judgement:
    """By pass or fail, where that is decided; else by level."""
    told, values = _told(scored, judge), [one.value for one in scored if one.value is not None]
    if all(one.passed is not None for one in scored):
        passes = sum(one.passed is True for one in scored)
        if 2 * max(passes, len(scored) - passes) <= judge.opinions:
            return Judgement(status=UNSCORED, explanation=f"no majority: {told}")
        passed = 2 * passes > judge.opinions
        value = float(passed) if _is_binary(scored) else float(median(values))
        label = (PASS if passed else FAIL) if _is_binary(scored) else None
        return Judgement(status=SCORED, value=value, label=label, passed=passed, explanation=told)
    level, count = Counter(values).most_common(1)[0]
    if 2 * count <= judge.opinions:
        return Judgement(status=UNSCORED, explanation=f"no majority: {told}")
    return Judgement(status=SCORED, value=level, explanation=told)


def _mean(scored: Sequence[Judgement], judge: JudgeSpec) -> Judgement:
    told, mean = _told(scored, judge), fmean(one.value for one in scored if one.value is not None)
    if len(scored) < judge.opinions:
        return Judgement(status=UNSCORED, explanation=f"no mean of all opinions: {told}")
    if not _is_binary(scored):
        return _scored(mean, judge, label=None, explanation=told)
    if mean == 0.5:
        return Judgement(status=UNSCORED, explanation=f"an even split: {told}")
    return Judgement(status=SCORED, value=mean, passed=mean > 0.5, explanation=told)


def _none_scored(opinions: Sequence[Judgement], judge: JudgeSpec) -> Judgement:
    kinds = {opinion.status for opinion in opinions}
    reasons = "; ".join(sorted({opinion.explanation for opinion in opinions if opinion.explanation}))
    told = f"no opinion of {judge.opinions} could be used" + (f": {reasons}" if reasons else "")
    return Judgement(status=kinds.pop() if len(kinds) == 1 else UNSCORED, explanation=told[:EXPLANATION_CHARACTERS])


def _scored(level: float, judge: JudgeSpec, *, label: str | None, explanation: str) -> Judgement:
    passed = None if judge.passes is None else level >= judge.passes
    return Judgement(status=SCORED, value=level, label=label, passed=passed, explanation=explanation)


def _is_binary(scored: Sequence[Judgement]) -> bool:
    return all(one.label in (PASS, FAIL) for one in scored)


def _told(scored: Sequence[Judgement], judge: JudgeSpec) -> str:
    counts = Counter(opinion.label for opinion in scored)
    said = ", ".join(f"{count} × {label}" for label, count in sorted(counts.items(), key=str))
    missing = judge.opinions - len(scored)
    return f"{said}, {missing} without a verdict" if missing else said


@dataclass(frozen=True, slots=True)
class JudgeRows:
    """Makes the rows of one judge; `scrub` masks what it said."""

    scorer: str
    version: str
    scrub: Callable[[str], str]

    def opinion(
        self,
        answer: ScoredPrediction,
        judgement: Judgement,
        *,
        juror: str,
        judge_epoch: int,
        call_id: str | None = None,
    ) -> Score:
        """What a juror said in one of its epochs."""
        key = opinion_id(answer.prediction_id, self.scorer, self.version, juror=juror, judge_epoch=judge_epoch)
        return self._row(answer, judgement, score_id=key, annotator=juror, judge_epoch=judge_epoch, call_id=call_id)

    def verdict(self, answer: ScoredPrediction, judgement: Judgement) -> Score:
        """What several opinions come to."""
        return self._row(answer, judgement, score_id=score_id(answer.prediction_id, self.scorer, self.version))

    def _row(self, answer: ScoredPrediction, judgement: Judgement, *, score_id: str, **columns: Any) -> Score:
        explanation = judgement.explanation
        return answer.row(
            score_id=score_id,
            occurred_at=datetime.now(UTC),
            scorer=self.scorer,
            scorer_kind=ScorerKind.JUDGE,
            scorer_version=self.version,
            value=judgement.value,
            label=judgement.label,
            passed=judgement.passed,
            status=judgement.status,
            explanation=self.scrub(explanation) if explanation is not None else None,
            **columns,
        )
