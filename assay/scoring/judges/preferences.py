"""Preferences of a judge between the predictions of two runs, record by record and in both orders.

The calls land with the candidate's run; preferences are compared like any other outcome.
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
    """The judge's preference for each record and epoch of both runs; `a` is the candidate's prediction."""

    judge: str
    found: Mapping[PredictionKey, Preference]

    @property
    def inconsistent_share(self) -> float | None:
        """The share of preferences that changed with the order; None if no pair was judged."""
        return inconsistent_share(self.found.values())


def judge_named(task: Task, name: str) -> JudgeSpec:
    """Returns the judge of the task with this name.

    Raises:
        UsageError: the task has no such judge.
    """
    judges = {judge.name: judge for judge in task.spec.judges}
    if name not in judges:
        raise UsageError(
            f"--prefer {name}: task '{task.name}' has no such judge; its judges: {', '.join(judges) or 'none'}",
            next_step="pass the name of a judge, or declare it under `judges` in task.yml.",
        )
    return judges[name]


def prefer(
    context: StageContext, candidate: Run, champion: Run, *, judge: JudgeSpec, report: Callable[[int], None]
) -> Preferences:
    """Returns the judge's preference between the two predictions of each record that both runs have.

    No call is made for equal outputs, which are a tie, or if only one prediction has an output, which is then
    preferred.

    Raises:
        AssayError: the judge cannot be called; the results so far are landed.
    """
    stage = PairStage(context, candidate, champion, judge, report=report)
    stage.run_all()
    return Preferences(judge.name, stage.found)


@dataclass(frozen=True, slots=True)
class _PairRequest:
    """A record whose two outputs differ."""

    key: PredictionKey
    landed: LandedPrediction
    pair: PredictionPair


class PairStage(JudgePass[_PairRequest]):
    """One pass over the candidate's predictions for which the champion's run has a counterpart."""

    journal = "preferences"

    def __init__(
        self, context: StageContext, candidate: Run, champion: Run, judge: JudgeSpec, *, report: Callable[[int], None]
    ) -> None:
        super().__init__(context, candidate, [judge], report=report)
        self.champion, self.judge = champion, judge
        self.found: dict[PredictionKey, Preference] = {}
        self._jurors: list[PairJudge] = []

    def open(self, factory: JudgeEngineFactory) -> None:
        """Builds a pair judge for each juror."""
        rubric = self.run.task.rubrics[self.judge.name]
        self._jurors = [PairJudge.of(factory, self.judge, rubric, juror=juror) for juror in self.judge.routes]

    def requests(self) -> Iterator[_PairRequest]:
        """Yields the pairs that a judge must compare, and stores the preferences of the others."""
        champion_outputs = {_key(landed): landed.first_output for landed in self._champion_predictions()}
        for landed in landed_predictions(self.context.warehouse, self.run, self.guard):
            key = _key(landed)
            if key not in champion_outputs:
                continue
            known = _preference_without_judge(landed.first_output, champion_outputs[key])
            if known is not None:
                self.found[key] = known
                continue
            judged = JudgedMaterial(
                status=landed.prediction["status"],
                fields=landed.record.fields,
                output=None,
                expected=landed.record.expected,
            )
            pair = PredictionPair(judged=judged, a=landed.first_output or {}, b=champion_outputs[key] or {})
            yield _PairRequest(key, landed, pair)

    def _champion_predictions(self) -> Iterator[LandedPrediction]:
        return landed_predictions(self.context.warehouse, self.champion, RecordMasker(self.champion, self.context))

    async def send(self, request: _PairRequest, buffer: AnswerBuffer) -> None:
        """Stores the joint preference of the jurors; a record without the reference that they need is unscored."""
        preferences: list[Preference] = []
        try:
            for juror in self._jurors:
                place = _pair_place(request.landed)
                preferences.append(await juror.prefer(place, request.pair, keep=buffer.add))
        except NothingToJudge as reason:
            preferences = [Preference(status=ScoreStatus.UNSCORED, explanation=str(reason))]
        self.found[request.key] = preferred_of_several(preferences)
        self.report(len(self.found))


def _preference_without_judge(
    candidate: Mapping[str, Any] | None, champion: Mapping[str, Any] | None
) -> Preference | None:
    """Returns the preference if the outputs are equal or one is missing; None if a judge must compare them."""
    if candidate == champion:
        return Preference(status=ScoreStatus.SCORED, better="tie", explanation="the same answer")
    if candidate is None or champion is None:
        side: Any = "a" if champion is None else "b"
        return Preference(status=ScoreStatus.SCORED, better=side, explanation="the other has no answer")
    return None


def _key(landed: LandedPrediction) -> PredictionKey:
    return PredictionKey(landed.prediction["tenant_id"], landed.record.record_id, landed.prediction["epoch"])


def _pair_place(landed: LandedPrediction) -> PairPlace:
    prediction, record = landed.prediction, landed.record
    return PairPlace(
        record_id=record.record_id,
        position=record.position,
        epoch=prediction["epoch"],
        request_key=prediction["request_key"],
        input_hash=record.input_hash,
        tenant_id=prediction["tenant_id"],
        subject_key=prediction["subject_key"],
    )
