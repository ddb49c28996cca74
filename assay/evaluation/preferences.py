"""Asks a judge which of two variants answers better, record by record, in both orders.

Part of an evaluation: both runs are there. The calls go through the engine of the judges and land under the candidate's
run with the purpose `judge`; what the preferences come to is a comparison like any other.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from assay.errors import AssayError, UsageError
from assay.inference.engine import RunAborted
from assay.inference.request import RequestResult
from assay.performance.process import fast_loop
from assay.project import Project
from assay.records.keys import PredictionKey
from assay.records.statuses import ScoreStatus
from assay.runs.landed_predictions import LandedPrediction, landed_predictions
from assay.runs.masked_records import RecordMasker
from assay.runs.observation import UNOBSERVED
from assay.runs.requests.answer_buffer import AnswerBuffer
from assay.runs.requests.engine_factory import call_rows
from assay.runs.requests.journal.journal import Journal
from assay.runs.requests.journal.recovery import flushed, open_journaled_buffer
from assay.runs.requests.request_stage import GRACE_SECONDS
from assay.runs.requests.worker_pool import PrefetchQueue, run_workers
from assay.runs.run import Run
from assay.scoring.judges.engine_factory import JudgeComponents, in_flight_of, open_judge_components
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
from assay.warehouse.landing import LandingWriter

JOURNAL = "preferences"


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
            f"--prefer {name}: expected a judge of task '{task.name}' ({', '.join(judges) or 'it declares none'}); "
            "name one, or add it to `judges` in task.yml."
        )
    return judges[name]


def prefer(
    project: Project, candidate: Run, champion: Run, *, judge: JudgeSpec, report: Callable[[int], None]
) -> Preferences:
    """The judge has said which of the two answers is better, wherever both runs have the record.

    Equal answers are a tie, and an answer beats none, without being asked.

    Raises:
        AssayError: the judge cannot be asked; what was said is landed.
    """
    asking = _Preferring(project, candidate, champion, judge, report)
    with asyncio.Runner(loop_factory=fast_loop()) as runner:
        runner.run(asking.ask_all())
    return Preferences(judge.name, asking.found)


@dataclass(frozen=True, slots=True)
class _Asked:
    """A record with two answers that differ."""

    key: PredictionKey
    answer: LandedPrediction
    pair: PredictionPair


@dataclass
class _Preferring:
    project: Project
    candidate: Run
    champion: Run
    judge: JudgeSpec
    report: Callable[[int], None]
    found: dict[PredictionKey, Preference] = field(default_factory=dict)
    _failure: AssayError | None = None
    _halt: asyncio.Event = field(default_factory=asyncio.Event)

    async def ask_all(self) -> None:
        guard = RecordMasker(self.candidate, self.project)
        journal = Journal(self.project.journal_dir(self.candidate.run_id) / JOURNAL)
        rows, sink = call_rows(self.project, self.candidate, guard), LandingWriter(self.project.warehouse)
        async with (
            open_journaled_buffer(journal, rows, sink, events=UNOBSERVED.events) as buffer,
            AsyncExitStack() as closing,
        ):
            opened = JudgeComponents(
                project=self.project, run=self.candidate, rows=rows, journal=journal, observed=UNOBSERVED
            )
            parts = await open_judge_components(closing, buffer, [self.judge], opened)
            rubric = self.candidate.task.rubrics[self.judge.name]
            jurors = [PairJudge.of(parts, self.judge, rubric, juror=juror) for juror in self.judge.routes]
            async with flushed(buffer, self._halt):
                await run_workers(
                    PrefetchQueue(self._pairs(guard)),
                    partial(self._settle, jurors, buffer),
                    count=in_flight_of(self.project, [self.judge]),
                    halt=self._halt,
                    grace_s=GRACE_SECONDS,
                )
        if self._failure is not None:
            raise self._failure

    def _pairs(self, guard: RecordMasker) -> Iterator[_Asked]:
        """What must be asked; what need not be is settled on the way."""
        others = {_key(one): one.output for one in self._champion_answers()}
        for answer in landed_predictions(self.project, self.candidate, guard):
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
            yield _Asked(key, answer, PredictionPair(exhibit=exhibit, a=answer.output or {}, b=others[key] or {}))

    def _champion_answers(self) -> Iterator[LandedPrediction]:
        return landed_predictions(self.project, self.champion, RecordMasker(self.champion, self.project))

    async def _settle(self, jurors: list[PairJudge], buffer: AnswerBuffer, asked: _Asked) -> None:
        said: list[Preference] = []
        try:
            for juror in jurors:
                one = await juror.prefer(_pair_place(asked.answer), asked.pair)
                await buffer.add(one.calls)
                said.append(one.preference)
        except NothingToJudge as reason:
            said = [Preference(status=ScoreStatus.UNSCORED, explanation=str(reason))]
        except RunAborted as stopped:
            self._fail(stopped.error)
            await buffer.add(RequestResult(None, tuple(stopped.work.responses), tuple(stopped.work.contents)))
            return
        except AssayError as error:
            self._fail(error)
            return
        self.found[asked.key] = preferred_of_several(said)
        self.report(len(self.found))

    def _fail(self, error: AssayError) -> None:
        self._failure = self._failure or error
        self._halt.set()


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
