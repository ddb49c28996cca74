"""Asks the judges of a run what they have not said yet: a streaming pass over its answers that lands while it goes.

Part of the third stage, before verdicts are counted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from assay.inference.request import RequestResult
from assay.project import StageContext
from assay.runs.landed_predictions import LandedPrediction
from assay.runs.observation import UNOBSERVED, RunObserver
from assay.runs.requests.answer_buffer import AnswerBuffer
from assay.runs.run import Run
from assay.scoring.judges.engine_factory import (
    EngineKey,
    Engines,
    JudgeEngineFactory,
)
from assay.scoring.judges.judge_pass import JudgePass
from assay.scoring.judges.judges import JudgeRequest, OpinionsOfRun, RunJudge
from assay.scoring.judges.verdicts import opinion_of

Answers = Callable[[], Iterator[LandedPrediction]]
"""The answers of the run in the order of its input, from the start each time."""


def judge_predictions(
    context: StageContext,
    run: Run,
    judges: Sequence[RunJudge],
    answers: Answers,
    *,
    report: Callable[[int], None] = lambda _: None,
    observed: RunObserver = UNOBSERVED,
) -> None:
    """Every judge has said what it has to say of every answer; `report` is told the opinions so far.

    Raises:
        AssayError: the run cannot go on; what was said is landed, and a resume asks the rest.
    """
    JudgeStage(context, run, judges, answers, report=report, observed=observed).run_all()


class JudgeStage(JudgePass[JudgeRequest]):
    """One pass over the answers of a run."""

    journal = "judges"

    def __init__(
        self,
        context: StageContext,
        run: Run,
        judges: Sequence[RunJudge],
        answers: Answers,
        *,
        report: Callable[[int], None],
        observed: RunObserver,
    ) -> None:
        super().__init__(context, run, [judge.spec for judge in judges], report=report, observed=observed)
        self.judges, self.answers = tuple(judges), answers
        self._engines: Engines = {}
        self._opinions = 0

    def open(self, parts: JudgeEngineFactory) -> None:
        """An engine for each opinion."""
        self._engines = parts.engines(self.judges)

    def questions(self) -> Iterator[JudgeRequest]:
        """Opinions that have not landed yet."""
        opinions = OpinionsOfRun(self.context, self.run, self.judges)
        for answer in self.answers():
            said = opinions.at(answer.place)
            for judge in self.judges:
                yield from judge.questions(answer, said[judge.spec.name])

    async def ask(self, question: JudgeRequest, buffer: AnswerBuffer) -> None:
        """One opinion, with its score."""
        engine = self._engines[EngineKey(question.judge.spec.name, question.juror.name, question.judge_epoch)]
        await buffer.add(_with_score(question, await engine.answer(question.request)))
        self._opinions += 1
        self.report(self._opinions)


def _with_score(question: JudgeRequest, answered: RequestResult) -> RequestResult:
    """The calls with what they came to; the engine's own row of the answer is no prediction of the task."""
    if answered.prediction is None:
        return answered
    judge, last = question.judge, answered.responses[-1].call_id if answered.responses else None
    score = judge.rows.opinion(
        question.answer,
        opinion_of(answered.prediction, judge.spec),
        juror=question.juror.name,
        judge_epoch=question.judge_epoch,
        call_id=answered.prediction.call_id or last,
    )
    return RequestResult(None, answered.responses, answered.contents, (score,))
