"""The judges of a run: what each sees of an answer, whom it asks, and what it has said so far.

Only which questions there are belongs here; asking them is `judging.py`'s part, counting verdicts `scoring.py`'s.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import orjson

from assay.inference.keys import judge_key
from assay.inference.request import Request
from assay.project import StageContext
from assay.records.evaluation import Score
from assay.records.keys import RequestPlace
from assay.records.statuses import ScoreStatus
from assay.runs.landed_predictions import LandedPrediction
from assay.runs.masked_records import MaskedRecord, RecordMasker
from assay.runs.run import Run
from assay.scoring.judges.prompts import JudgedMaterial, NothingToJudge, material
from assay.scoring.judges.queries import OPINIONS_OF_RUN
from assay.scoring.judges.sampling import RecordSample
from assay.scoring.judges.verdicts import Judgement, JudgeRows, verdict_of
from assay.scoring.score_rows import ScoredPrediction
from assay.settings import Settings
from assay.tasks.judge_spec import JudgeSpec, JurorSpec
from assay.tasks.rubric import Rubric

ASKED_AGAIN = frozenset({ScoreStatus.FAILED})
"""What nobody answered is worth another call; what was refused or could not be read is not."""


class OpinionKey(NamedTuple):
    """One opinion of a judge on one answer."""

    juror: str
    judge_epoch: int


Opinions = Mapping[OpinionKey, Judgement]
"""What a judge has said of one answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgeRequest:
    """One opinion that is wanted, of one answer."""

    judge: RunJudge
    juror: JurorSpec
    judge_epoch: int
    answer: ScoredPrediction
    request: Request


@dataclass(frozen=True, slots=True, kw_only=True)
class RunJudge:
    """One judge of a task at work in a run."""

    run: Run
    spec: JudgeSpec
    rubric: Rubric
    version: str
    rows: JudgeRows
    sample: RecordSample

    def judges(self, record: MaskedRecord) -> bool:
        """True for a record whose answers are judged: golden ones always, others if they are in the sample."""
        return self.run.is_golden or self.sample.holds(record.record_id)

    def questions(self, answer: LandedPrediction, said: Opinions) -> Iterator[JudgeRequest]:
        """What is still to be asked about the answer."""
        if not self.judges(answer.record):
            return
        try:
            parts = self._material(answer)
        except NothingToJudge:
            return
        for juror in self.spec.routes:
            for judge_epoch in range(self.spec.epochs):
                known = said.get(OpinionKey(juror.name, judge_epoch))
                if known is None or known.status in ASKED_AGAIN:
                    yield self._question(answer, parts, juror, judge_epoch)

    def verdict(self, answer: LandedPrediction, said: Opinions) -> tuple[Judgement, Score | None]:
        """What the opinions come to, and the row that says so; None where the only opinion has landed already."""
        try:
            self._material(answer)
        except NothingToJudge as nothing:
            judgement = Judgement(status=ScoreStatus.UNSCORED, explanation=str(nothing))
        else:
            judgement = verdict_of(list(said.values()), self.spec)
            if self.spec.opinions == 1 and said:
                return judgement, None
        named = _named(self.run, answer)
        if self.spec.opinions > 1:
            return judgement, self.rows.verdict(named, judgement)
        return judgement, self.rows.opinion(named, judgement, juror=self.spec.routes[0].name, judge_epoch=0)

    def _material(self, answer: LandedPrediction) -> dict[str, str]:
        record = answer.record
        exhibit = JudgedMaterial(
            status=answer.prediction["status"], fields=record.fields, output=answer.output, expected=record.expected
        )
        return material(self.spec.sees, exhibit)

    def _question(
        self, answer: LandedPrediction, parts: Mapping[str, str], juror: JurorSpec, judge_epoch: int
    ) -> JudgeRequest:
        record, prediction = answer.record, answer.prediction
        request = Request(
            record_id=record.record_id,
            position=record.position,
            epoch=prediction["epoch"],
            key=judge_key(
                scorer_version=self.version,
                juror=juror.lane,
                judge_epoch=judge_epoch,
                answer_key=prediction["request_key"],
                output=orjson.dumps(parts).decode(),
            ),
            fields=parts,
            input_hash=record.input_hash,
            tenant_id=record.tenant_id,
            subject_key=record.subject_key,
        )
        return JudgeRequest(
            judge=self, juror=juror, judge_epoch=judge_epoch, answer=_named(self.run, answer), request=request
        )


def judges_of(settings: Settings, run: Run, guard: RecordMasker) -> tuple[RunJudge, ...]:
    """The judges of the run's task, in the order of `task.yml`."""
    task = run.task
    return tuple(
        RunJudge(
            run=run,
            spec=judge,
            rubric=task.rubrics[judge.name],
            version=task.versions.scorers[judge.name],
            rows=JudgeRows(judge.name, task.versions.scorers[judge.name], guard.masker.scrub),
            sample=_sample(settings, run, judge),
        )
        for judge in task.spec.judges
    )


class OpinionsOfRun:
    """What the judges, as they are now, have said of a run's answers; looked up in the order of the input."""

    def __init__(self, context: StageContext, run: Run, judges: tuple[RunJudge, ...]) -> None:
        self._versions = {judge.spec.name: judge.version for judge in judges}
        self._rows = iter(context.warehouse.stream(OPINIONS_OF_RUN.sql, run.window) if judges else ())
        self._next = next(self._rows, None)

    def at(self, place: RequestPlace) -> dict[str, dict[OpinionKey, Judgement]]:
        """Opinions on the answer at `place` by judge; places must be asked for in ascending order."""
        said: dict[str, dict[OpinionKey, Judgement]] = {name: {} for name in self._versions}
        while (row := self._next) is not None and (row["position"], row["epoch"]) <= place:
            if (row["position"], row["epoch"]) == place and self._versions.get(row["scorer"]) == row["scorer_version"]:
                said[row["scorer"]][OpinionKey(row["juror"], row["judge_epoch"])] = _judgement(row)
            self._next = next(self._rows, None)
        return said


def _named(run: Run, answer: LandedPrediction) -> ScoredPrediction:
    return ScoredPrediction(
        prediction_id=answer.prediction["prediction_id"],
        run_id=run.run_id,
        task=run.task.name,
        data_date=run.facts.data_date,
        tenant_id=answer.prediction["tenant_id"],
        record_id=answer.record.record_id,
        epoch=answer.prediction["epoch"],
        subject_key=answer.record.subject_key,
        masking_version=run.facts.masking_version,
    )


def _sample(settings: Settings, run: Run, judge: JudgeSpec) -> RecordSample:
    everything = RecordSample(settings.hash_key, run.task.name)
    if judge.sample is None or run.is_golden:
        return everything
    if isinstance(judge.sample, float):
        return everything.of_share(judge.sample)
    return everything.of_count(judge.sample, (row.record_id for row in run.snapshot.records()))


def _judgement(row: Mapping[str, Any]) -> Judgement:
    return Judgement(
        status=row["status"],
        value=row["value"],
        label=row["label"],
        passed=row["passed"],
        explanation=row["explanation"],
    )
