"""Asks a judge which of two runs answers better, record by record, in both orders.

The calls land under the candidate's run; preferences are compared like any other outcome.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from assay.errors import UsageError
from assay.project import StageContext
from assay.records.keys import PredictionKey
from assay.records.statuses import ScoreStatus
from assay.runs.landed_predictions import LandedPrediction, landed_predictions
from assay.runs.masked_records import RecordMasker
from assay.runs.requests.answer_buffer import AnswerBuffer
from assay.runs.run import Run
from assay.scoring.judges.engine_factory import JudgeEngineFactory
from assay.scoring.judges.judge_pass import JudgePass
from assay.scoring.judges.pairwise import (
    PairJudge,
    PairPlace,
    PredictionPair,
    Preference,
    inconsistent_share,
    preferred_of_several,
)
from assay.scoring.judges.prompts import JudgedMaterial, NothingToJudge
from assay.tasks.judge_spec import JudgeSpec
from assay.tasks.task import Task


@dataclass(frozen=True, slots=True)
class Preferences:
    """Which answer the judge prefers, `a` being the candidate's, of each record and epoch that both were asked."""

    judge: str
    found: Mapping[PredictionKey, Preference]

    @property
    def inconsistent_share(self) -> float | None:
        """How often the preference turned round with the order; None where nothing was asked."""
        return inconsistent_share(self.found.values())


def judge_named(task: Task, name: str) -> JudgeSpec:
    """The judge of the task.

    Raises:
        UsageError: the task has none of that name.
    """
    judges = {judge.name: judge for judge in task.spec.judges}
    if name not in judges:
        raise UsageError(
            f"--prefer {name}: expected a judge of task '{task.name}' ({', '.join(judges) or 'it declares none'})",
            next_step="name one, or add it to `judges` in task.yml.",
        )
    return judges[name]


def prefer(
    context: StageContext, candidate: Run, champion: Run, *, judge: JudgeSpec, report: Callable[[int], None]
) -> Preferences:
    """The judge has said which of the two answers is better, wherever both runs have the record.

    Equal answers are a tie, and an answer beats none, without being asked.

    Raises:
        AssayError: the judge cannot be asked; what was said is landed.
    """
    asking = PairStage(context, candidate, champion, judge, report=report)
    asking.run_all()
    return Preferences(judge.name, asking.found)


@dataclass(frozen=True, slots=True)
class _PairRequest:
    """A record with two answers that differ."""

    key: PredictionKey
    answer: LandedPrediction
    pair: PredictionPair


class PairStage(JudgePass[_PairRequest]):
    """One pass over the answers of the candidate's run that the champion's run has too."""

    journal = "preferences"

    def __init__(
        self, context: StageContext, candidate: Run, champion: Run, judge: JudgeSpec, *, report: Callable[[int], None]
    ) -> None:
        super().__init__(context, candidate, [judge], report=report)
        self.champion, self.judge = champion, judge
        self.found: dict[PredictionKey, Preference] = {}
        self._jurors: list[PairJudge] = []

    def open(self, parts: JudgeEngineFactory) -> None:
        """A judge of pairs for each juror."""
        rubric = self.run.task.rubrics[self.judge.name]
        self._jurors = [PairJudge.of(parts, self.judge, rubric, juror=juror) for juror in self.judge.routes]

    def questions(self) -> Iterator[_PairRequest]:
        """What must be asked; what need not be is settled on the way."""
        others = {_key(one): one.output for one in self._champion_answers()}
        for answer in landed_predictions(self.context.warehouse, self.run, self.guard):
            key = _key(answer)
            if key not in others:
                continue
            known = _without_asking(answer.output, others[key])
            if known is not None:
                self.found[key] = known
                continue
            exhibit = JudgedMaterial(
                status=answer.prediction["status"],
                fields=answer.record.fields,
                output=None,
                expected=answer.record.expected,
            )
            yield _PairRequest(key, answer, PredictionPair(exhibit=exhibit, a=answer.output or {}, b=others[key] or {}))

    def _champion_answers(self) -> Iterator[LandedPrediction]:
        return landed_predictions(self.context.warehouse, self.champion, RecordMasker(self.champion, self.context))

    async def ask(self, question: _PairRequest, buffer: AnswerBuffer) -> None:
        """What the jurors prefer together; a record without the reference that is asked for is unscored."""
        said: list[Preference] = []
        try:
            for juror in self._jurors:
                one = await juror.prefer(_pair_place(question.answer), question.pair)
                await buffer.add(one.calls)
                said.append(one.preference)
        except NothingToJudge as reason:
            said = [Preference(status=ScoreStatus.UNSCORED, explanation=str(reason))]
        self.found[question.key] = preferred_of_several(said)
        self.report(len(self.found))


def _without_asking(candidate: Mapping[str, Any] | None, champion: Mapping[str, Any] | None) -> Preference | None:
    """What needs no judge: equal answers, or one that is none; None where both say something of their own."""
    if candidate == champion:
        return Preference(status=ScoreStatus.SCORED, better="tie", explanation="the same answer")
    if candidate is None or champion is None:
        side: Any = "a" if champion is None else "b"
        return Preference(status=ScoreStatus.SCORED, better=side, explanation="the other has no answer")
    return None


def _key(answer: LandedPrediction) -> PredictionKey:
    return PredictionKey(answer.prediction["tenant_id"], answer.record.record_id, answer.prediction["epoch"])


def _pair_place(answer: LandedPrediction) -> PairPlace:
    prediction, record = answer.prediction, answer.record
    return PairPlace(
        record_id=record.record_id,
        position=record.position,
        epoch=prediction["epoch"],
        request_key=prediction["request_key"],
        input_hash=record.input_hash,
        tenant_id=prediction["tenant_id"],
        subject_key=prediction["subject_key"],
    )
