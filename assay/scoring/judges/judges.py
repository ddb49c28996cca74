"""The judges of a run: their open requests, their landed votes and their verdicts."""

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
from assay.scoring.judges.queries import VOTES_OF_RUN
from assay.scoring.judges.sampling import RecordSample
from assay.scoring.judges.verdicts import JudgeRows, Judgment, verdict_of
from assay.scoring.score_rows import ScoredPrediction
from assay.settings import Settings
from assay.tasks.judge_spec import JudgeSpec, JurorSpec
from assay.tasks.rubric import Rubric

RETRIED_STATUSES = frozenset({ScoreStatus.FAILED})
"""Votes without a response are requested again on resume; refused or unreadable votes are not."""


class VoteKey(NamedTuple):
    """Identifies one vote of a judge on one prediction."""

    juror: str
    judge_epoch: int


Votes = Mapping[VoteKey, Judgment]
"""The votes of a judge on one prediction."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgeRequest:
    """The request for one vote on one prediction."""

    judge: RunJudge
    juror: JurorSpec
    judge_epoch: int
    prediction: ScoredPrediction
    request: Request


@dataclass(frozen=True, slots=True, kw_only=True)
class RunJudge:
    """One judge of a task in one run."""

    run: Run
    spec: JudgeSpec
    rubric: Rubric
    version: str
    rows: JudgeRows
    sample: RecordSample

    def judges(self, record: MaskedRecord) -> bool:
        """True if the record's predictions are judged: all golden cases, and the other records in the sample."""
        return self.run.is_golden or self.sample.holds(record.record_id)

    def requests(self, landed: LandedPrediction, votes: Votes) -> Iterator[JudgeRequest]:
        """Yields the requests for votes on the prediction that are missing or failed."""
        if not self.judges(landed.record):
            return
        try:
            parts = self._material(landed)
        except NothingToJudge:
            return
        for juror in self.spec.routes:
            for judge_epoch in range(self.spec.epochs):
                known = votes.get(VoteKey(juror.name, judge_epoch))
                if known is None or known.status in RETRIED_STATUSES:
                    yield self._request(landed, parts, juror, judge_epoch)

    def verdict(self, landed: LandedPrediction, votes: Votes) -> tuple[Judgment, Score | None]:
        """Returns the verdict of the votes and its row; no row if the judge has one vote and it has already landed."""
        try:
            self._material(landed)
        except NothingToJudge as nothing:
            judgment = Judgment(status=ScoreStatus.UNSCORED, explanation=str(nothing))
        else:
            judgment = verdict_of(list(votes.values()), self.spec)
            if self.spec.votes == 1 and votes:
                return judgment, None
        scored = _scored_prediction(self.run, landed)
        if self.spec.votes > 1:
            return judgment, self.rows.verdict(scored, judgment)
        return judgment, self.rows.vote(scored, judgment, juror=self.spec.routes[0].name, judge_epoch=0)

    def _material(self, landed: LandedPrediction) -> dict[str, str]:
        record = landed.record
        judged = JudgedMaterial(
            status=landed.prediction["status"], fields=record.fields, output=landed.output, expected=record.expected
        )
        return material(self.spec.sees, judged)

    def _request(
        self, landed: LandedPrediction, parts: Mapping[str, str], juror: JurorSpec, judge_epoch: int
    ) -> JudgeRequest:
        record, prediction = landed.record, landed.prediction
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
            judge=self,
            juror=juror,
            judge_epoch=judge_epoch,
            prediction=_scored_prediction(self.run, landed),
            request=request,
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
            rows=JudgeRows(
                judge.name,
                task.versions.scorers[judge.name],
                guard.masker.scrub,
                gives=task.result_kinds.get(judge.name),
            ),
            sample=_sample(settings, run, judge),
        )
        for judge in task.spec.judges
    )


class VotesOfRun:
    """The landed votes of the judges' current versions in a run; they must be looked up in the order of the input."""

    def __init__(self, context: StageContext, run: Run, judges: tuple[RunJudge, ...]) -> None:
        self._versions = {judge.spec.name: judge.version for judge in judges}
        self._rows = iter(context.warehouse.stream(VOTES_OF_RUN.sql, run.window) if judges else ())
        self._next = next(self._rows, None)

    def at(self, place: RequestPlace) -> dict[str, dict[VoteKey, Judgment]]:
        """Returns the votes on the prediction at `place`, by judge; each call needs a greater place than the last."""
        votes: dict[str, dict[VoteKey, Judgment]] = {name: {} for name in self._versions}
        while (row := self._next) is not None and (row["position"], row["epoch"]) <= place:
            if (row["position"], row["epoch"]) == place and self._versions.get(row["scorer"]) == row["scorer_version"]:
                votes[row["scorer"]][VoteKey(row["juror"], row["judge_epoch"])] = _judgment(row)
            self._next = next(self._rows, None)
        return votes


def _scored_prediction(run: Run, landed: LandedPrediction) -> ScoredPrediction:
    return ScoredPrediction(
        prediction_id=landed.prediction["prediction_id"],
        run_id=run.run_id,
        task=run.task.name,
        data_date=run.facts.data_date,
        tenant_id=landed.prediction["tenant_id"],
        record_id=landed.record.record_id,
        epoch=landed.prediction["epoch"],
        subject_key=landed.record.subject_key,
        masking_version=run.facts.masking_version,
    )


def _sample(settings: Settings, run: Run, judge: JudgeSpec) -> RecordSample:
    all_records = RecordSample(settings.hash_key, run.task.name)
    if judge.sample is None or run.is_golden:
        return all_records
    if isinstance(judge.sample, float):
        return all_records.of_share(judge.sample)
    return all_records.of_count(judge.sample, (row.record_id for row in run.snapshot.records()))


def _judgment(row: Mapping[str, Any]) -> Judgment:
    return Judgment(
        status=row["status"],
        value=row["value"],
        label=row["label"],
        passed=row["passed"],
        explanation=row["explanation"],
    )
