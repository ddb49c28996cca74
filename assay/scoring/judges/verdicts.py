"""Votes of a judge's models, and the single verdict that is computed from them.

Marts, `correct` and estimates read the verdict that lands from here; votes are combined nowhere else.
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
from assay.inference.keys import score_id, vote_id
from assay.records import Prediction
from assay.records.evaluation import Score
from assay.records.statuses import ANSWERED, PredictionStatus, ResultKind, ScorerKind, ScoreStatus
from assay.scoring.score_rows import ScoredPrediction
from assay.tasks.judge_spec import JudgeSpec
from assay.tasks.rubric import FAIL, PASS

EXPLANATION_CHARACTERS = 2000
SCORED, UNSCORED = ScoreStatus.SCORED, ScoreStatus.UNSCORED


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgment:
    """One vote, or the verdict of several votes; `value` is 1 or 0 for a binary rubric, else the level."""

    status: ScoreStatus
    value: float | None = None
    label: str | None = None
    passed: bool | None = None
    explanation: str | None = None


@dataclass(frozen=True, slots=True)
class JudgeRows:
    """Builds the `scores` rows of one judge; `scrub` masks explanations."""

    scorer: str
    version: str
    scrub: Callable[[str], str]
    gives: ResultKind | None = None

    def vote(
        self,
        prediction: ScoredPrediction,
        judgment: Judgment,
        *,
        juror: str,
        judge_epoch: int,
        call_id: str | None = None,
    ) -> Score:
        """The row of a juror's vote in one judge epoch."""
        key = vote_id(prediction.prediction_id, self.scorer, self.version, juror=juror, judge_epoch=judge_epoch)
        return self._row(prediction, judgment, score_id=key, annotator=juror, judge_epoch=judge_epoch, call_id=call_id)

    def verdict(self, prediction: ScoredPrediction, judgment: Judgment) -> Score:
        """The row of the verdict of several votes."""
        key = score_id(prediction.prediction_id, self.scorer, self.version)
        return self._row(prediction, judgment, score_id=key)

    def _row(self, prediction: ScoredPrediction, judgment: Judgment, *, score_id: str, **columns: Any) -> Score:
        explanation = judgment.explanation
        return prediction.row(
            score_id=score_id,
            occurred_at=datetime.now(UTC),
            scorer=self.scorer,
            scorer_kind=ScorerKind.JUDGE,
            scorer_version=self.version,
            value=judgment.value,
            label=judgment.label,
            passed=judgment.passed,
            gives=self.gives,
            status=judgment.status,
            explanation=self.scrub(explanation) if explanation is not None else None,
            **columns,
        )


def vote_of(reply: Prediction, judge: JudgeSpec) -> Judgment:
    """Returns the vote in a juror's reply; if the reply has no verdict, the vote has a reason and no score."""
    if reply.status not in ANSWERED or reply.output is None:
        status, reason = status_without_verdict(reply)
        return Judgment(status=status, explanation=reason)
    content = orjson.loads(reply.output)
    explanation = str(content["explanation"])[:EXPLANATION_CHARACTERS]
    if "level" in content:
        return _scored(float(content["level"]), judge, label=str(content["level"]), explanation=explanation)
    verdict = content["verdict"]
    passed = verdict == PASS
    return Judgment(status=SCORED, value=float(passed), label=verdict, passed=passed, explanation=explanation)


def verdict_of(votes: Sequence[Judgment], judge: JudgeSpec) -> Judgment:
    """Returns the verdict: the majority of all votes, or their mean; unscored, with the reason, if there is neither.

    A vote that is missing, refused or unreadable counts in the denominator and agrees with no other vote.
    """
    if judge.votes == 1 and len(votes) == 1:
        return votes[0]
    scored = [vote for vote in votes if vote.status == SCORED]
    if not scored:
        return _none_scored(votes, judge)
    return _mean(scored, judge) if judge.jury == "mean" else _majority(scored, judge)


def status_without_verdict(reply: Prediction) -> tuple[ScoreStatus, str]:
    """Returns the score status of a reply without a verdict, and the reason.

    The status is `refused`; `unscored` if the response cannot be read; or `failed` if there was no response, in which
    case a resume sends the request again.
    """
    kind = reply.error_type or reply.status
    reason = f"{kind}: {reply.error_message}" if reply.error_message else kind
    if reply.status == PredictionStatus.REFUSED:
        return ScoreStatus.REFUSED, reason
    is_unreadable = reply.status == PredictionStatus.INVALID_OUTPUT
    is_unreadable = is_unreadable or reply.error_type == FailureKind.TRUNCATED.value
    return UNSCORED if is_unreadable else ScoreStatus.FAILED, reason


def _majority(scored: Sequence[Judgment], judge: JudgeSpec) -> Judgment:
    """Returns the majority of pass and fail if every vote is one of these, else the majority of the levels."""
    counts, values = _vote_counts(scored, judge), [vote.value for vote in scored if vote.value is not None]
    if all(vote.passed is not None for vote in scored):
        passes = sum(vote.passed is True for vote in scored)
        if 2 * max(passes, len(scored) - passes) <= judge.votes:
            return Judgment(status=UNSCORED, explanation=f"no majority: {counts}")
        passed = 2 * passes > judge.votes
        value = float(passed) if _is_binary(scored) else float(median(values))
        label = (PASS if passed else FAIL) if _is_binary(scored) else None
        return Judgment(status=SCORED, value=value, label=label, passed=passed, explanation=counts)
    level, count = Counter(values).most_common(1)[0]
    if 2 * count <= judge.votes:
        return Judgment(status=UNSCORED, explanation=f"no majority: {counts}")
    return Judgment(status=SCORED, value=level, explanation=counts)


def _mean(scored: Sequence[Judgment], judge: JudgeSpec) -> Judgment:
    counts, mean = _vote_counts(scored, judge), fmean(vote.value for vote in scored if vote.value is not None)
    if len(scored) < judge.votes:
        return Judgment(status=UNSCORED, explanation=f"no mean of all votes: {counts}")
    if not _is_binary(scored):
        return _scored(mean, judge, label=None, explanation=counts)
    if mean == 0.5:
        return Judgment(status=UNSCORED, explanation=f"an even split: {counts}")
    return Judgment(status=SCORED, value=mean, passed=mean > 0.5, explanation=counts)


def _none_scored(votes: Sequence[Judgment], judge: JudgeSpec) -> Judgment:
    statuses = {vote.status for vote in votes}
    reasons = "; ".join(sorted({vote.explanation for vote in votes if vote.explanation}))
    explanation = f"none of {judge.votes} votes has a verdict" + (f": {reasons}" if reasons else "")
    return Judgment(
        status=statuses.pop() if len(statuses) == 1 else UNSCORED, explanation=explanation[:EXPLANATION_CHARACTERS]
    )


def _scored(level: float, judge: JudgeSpec, *, label: str | None, explanation: str) -> Judgment:
    passed = None if judge.passes is None else level >= judge.passes
    return Judgment(status=SCORED, value=level, label=label, passed=passed, explanation=explanation)


def _is_binary(scored: Sequence[Judgment]) -> bool:
    return all(vote.label in (PASS, FAIL) for vote in scored)


def _vote_counts(scored: Sequence[Judgment], judge: JudgeSpec) -> str:
    """Returns as text the number of votes for each label, and of votes without a verdict."""
    labels = Counter(vote.label for vote in scored)
    counts = ", ".join(f"{count} × {label}" for label, count in sorted(labels.items(), key=str))
    missing = judge.votes - len(scored)
    return f"{counts}, {missing} without a verdict" if missing else counts
