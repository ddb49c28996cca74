"""Requests the votes that a run's judges have not yet given, in a streaming pass over its predictions.

Belongs to the third stage; verdicts are counted afterwards.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from assay.inference.request import RequestResult
from assay.project import StageContext
from assay.runs.landed_predictions import LandedPrediction
from assay.runs.observation import UNOBSERVED, RunObserver
from assay.runs.requests.answer_buffer import AnswerBuffer
from assay.runs.run import Run
from assay.scoring.judges.engine_factory import EngineKey, Engines, JudgeEngineFactory
from assay.scoring.judges.judge_pass import JudgePass
from assay.scoring.judges.judges import JudgeRequest, RunJudge, VotesOfRun
from assay.scoring.judges.verdicts import vote_of

ReadPredictions = Callable[[], Iterator[LandedPrediction]]
"""Yields the predictions of the run in the order of its input, from the start at each call."""


def judge_predictions(
    context: StageContext,
    run: Run,
    judges: Sequence[RunJudge],
    read_predictions: ReadPredictions,
    *,
    report: Callable[[int], None] = lambda _: None,
    observed: RunObserver = UNOBSERVED,
) -> None:
    """Lands every vote of the judges on the predictions of the run; `report` receives the number of votes so far.

    Raises:
        AssayError: the run cannot continue; the votes so far are landed, and a resume requests the others.
    """
    JudgeStage(context, run, judges, read_predictions, report=report, observed=observed).run_all()


class JudgeStage(JudgePass[JudgeRequest]):
    """One pass over the predictions of a run."""

    journal = "judges"

    def __init__(
        self,
        context: StageContext,
        run: Run,
        judges: Sequence[RunJudge],
        read_predictions: ReadPredictions,
        *,
        report: Callable[[int], None],
        observed: RunObserver,
    ) -> None:
        super().__init__(context, run, [judge.spec for judge in judges], report=report, observed=observed)
        self.judges, self.read_predictions = tuple(judges), read_predictions
        self._engines: Engines = {}
        self._n_votes = 0

    def open(self, factory: JudgeEngineFactory) -> None:
        """Builds an engine for each vote."""
        self._engines = factory.engines(self.judges)

    def requests(self) -> Iterator[JudgeRequest]:
        """Yields a request for each vote that has not landed yet."""
        votes_of_run = VotesOfRun(self.context, self.run, self.judges)
        for landed in self.read_predictions():
            votes = votes_of_run.at(landed.place)
            for judge in self.judges:
                yield from judge.requests(landed, votes[judge.spec.name])

    async def send(self, request: JudgeRequest, buffer: AnswerBuffer) -> None:
        """Sends one request and buffers its vote as a score."""
        engine = self._engines[EngineKey(request.judge.spec.name, request.juror.name, request.judge_epoch)]
        await buffer.add(_with_score(request, await engine.answer(request.request)))
        self._n_votes += 1
        self.report(self._n_votes)


def _with_score(request: JudgeRequest, result: RequestResult) -> RequestResult:
    """Returns the calls with their score in place of the engine's prediction, which is not a prediction of the task."""
    if result.prediction is None:
        return result
    judge, last = request.judge, result.responses[-1].call_id if result.responses else None
    score = judge.rows.vote(
        request.prediction,
        vote_of(result.prediction, judge.spec),
        juror=request.juror.name,
        judge_epoch=request.judge_epoch,
        call_id=result.prediction.call_id or last,
    )
    return RequestResult(None, result.responses, result.contents, (score,))
