"""Asks the judges of a run what they have not said yet: a streaming pass over its answers that lands while it goes.

Part of the third stage, before verdicts are counted. The calls go through the same engine as the answers did: limits,
budget, exact cache, retries, journal; they land with the purpose `judge`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from functools import partial

from assay.errors import AssayError
from assay.inference.endpoint.client import ModelClient
from assay.inference.engine import RunAborted
from assay.inference.request import RequestResult
from assay.performance.process import fast_loop
from assay.ports import RowSink
from assay.project import Project
from assay.runs.landed_predictions import LandedPrediction
from assay.runs.masked_records import RecordMasker
from assay.runs.observation import UNOBSERVED, RunObserver
from assay.runs.requests.answer_buffer import AnswerBuffer
from assay.runs.requests.engine_factory import call_rows
from assay.runs.requests.journal.journal import Journal
from assay.runs.requests.journal.recovery import flushed, open_journaled_buffer
from assay.runs.requests.request_stage import GRACE_SECONDS
from assay.runs.requests.worker_pool import PrefetchQueue, run_workers
from assay.runs.run import Run
from assay.scoring.judges.engine_factory import EngineKey, Engines, JudgeComponents, in_flight_of, open_judge_components
from assay.scoring.judges.judges import JudgeRequest, OpinionsOfRun, RunJudge
from assay.scoring.judges.verdicts import opinion_of
from assay.warehouse.landing import LandingWriter

JOURNAL = "judges"
Answers = Callable[[], Iterator[LandedPrediction]]
"""The answers of the run in the order of its input, from the start each time."""


def judge_predictions(
    project: Project,
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
    judging = JudgeStage(project, run, tuple(judges), answers, report=report, observed=observed)
    with asyncio.Runner(loop_factory=fast_loop()) as runner:
        runner.run(judging.judge_all())


@dataclass
class JudgeStage:
    """One pass over the answers of a run."""

    project: Project
    run: Run
    judges: tuple[RunJudge, ...]
    answers: Answers
    report: Callable[[int], None] = lambda _: None
    observed: RunObserver = UNOBSERVED
    clients: Mapping[str, ModelClient] | None = None
    sink: RowSink | None = None
    grace_s: float = GRACE_SECONDS
    _opinions: int = 0
    _failure: AssayError | None = None
    _halt: asyncio.Event = field(default_factory=asyncio.Event)

    async def judge_all(self) -> None:
        """See `judge_predictions`."""
        guard = RecordMasker(self.run, self.project)
        sink = self.sink or LandingWriter(self.project.warehouse)
        journal = Journal(self.project.journal_dir(self.run.run_id) / JOURNAL)
        rows = call_rows(self.project, self.run, guard)
        async with (
            open_journaled_buffer(journal, rows, sink, events=self.observed.events) as buffer,
            AsyncExitStack() as closing,
        ):
            opened = JudgeComponents(
                project=self.project,
                run=self.run,
                rows=rows,
                journal=journal,
                observed=self.observed,
                clients=self.clients,
            )
            parts = await open_judge_components(closing, buffer, [judge.spec for judge in self.judges], opened)
            await self._pass(parts.engines(self.judges), buffer)
        if self._failure is not None:
            raise self._failure

    async def _pass(self, engines: Engines, buffer: AnswerBuffer) -> None:
        async with flushed(buffer, self._halt):
            await run_workers(
                PrefetchQueue(self._questions()),
                partial(self._settle, engines, buffer),
                count=in_flight_of(self.project, (judge.spec for judge in self.judges)),
                halt=self._halt,
                grace_s=self.grace_s,
            )

    def _questions(self) -> Iterator[JudgeRequest]:
        opinions = OpinionsOfRun(self.project, self.run, self.judges)
        for answer in self.answers():
            said = opinions.at(answer.place)
            for judge in self.judges:
                yield from judge.questions(answer, said[judge.spec.name])

    async def _settle(self, engines: Engines, buffer: AnswerBuffer, question: JudgeRequest) -> None:
        engine = engines[EngineKey(question.judge.spec.name, question.juror.name, question.judge_epoch)]
        try:
            await buffer.add(_with_score(question, await engine.answer(question.request)))
            self._opinions += 1
            self.report(self._opinions)
        except RunAborted as stopped:
            self._fail(stopped.error)
            await buffer.add(RequestResult(None, tuple(stopped.work.responses), tuple(stopped.work.contents)))
        except AssayError as error:
            self._fail(error)

    def _fail(self, error: AssayError) -> None:
        self._failure = self._failure or error
        self._halt.set()


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
