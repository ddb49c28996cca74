"""Scores the landed predictions of a run, and writes its outputs with personal values restored.

The third stage: missing judge votes are requested, then a streaming pass runs the checks and counts the verdicts.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, cast

import orjson

from assay.errors import UsageError
from assay.guards.masking import restore
from assay.project import StageContext
from assay.records.evaluation import ClassCount, Estimate, Score
from assay.records.keys import ClusterKey
from assay.runs.chunks import chunks, sized_chunks
from assay.runs.landed_predictions import LandedPrediction, landed_predictions
from assay.runs.masked_records import MaskedRecord, RecordMasker
from assay.runs.observation import UNOBSERVED, RunObserver
from assay.runs.run import Run
from assay.scoring.check_scores import Scoreboard, ToScore
from assay.scoring.classes.counts import ClassTally
from assay.scoring.classes.rows import answer_counts, class_estimates
from assay.scoring.estimates import estimates, is_correct, is_counted, run_facts, tally_of
from assay.scoring.judges.judges import RunJudge, VotesOfRun, judges_of
from assay.scoring.queries import RUN_ESTIMATES
from assay.scoring.tally import ScoreVerdict, Tallied, Tally
from assay.warehouse.client import Warehouse
from assay.warehouse.landing import LandingWriter

CHUNK_PREDICTIONS, CHUNK_ESTIMATES = 2000, 2000
OWNER_ONLY = 0o600


@dataclass(frozen=True, slots=True)
class Restored:
    """A landed prediction in whose output personal values are restored."""

    landed: LandedPrediction
    output: dict[str, Any] | None

    @property
    def record(self) -> MaskedRecord:
        """The record of the prediction."""
        return self.landed.record

    @property
    def prediction(self) -> Mapping[str, Any]:
        """The landed row of the prediction."""
        return self.landed.prediction


def score_run(
    context: StageContext, run: Run, *, report: Callable[[int], None], observed: RunObserver = UNOBSERVED
) -> int:
    """Lands one score per prediction and scorer, and the run's estimates; returns the number of scored predictions.

    Raises:
        AssayError: a judge cannot be called; the votes so far are landed, and a resume requests the others.
    """
    guard, sink, done = RecordMasker(run, context), LandingWriter(context.warehouse), 0
    adoption = run.options.adoption
    judges = judges_of(context.settings, run, guard) if adoption is None or adoption.judges else ()
    if judges:
        from assay.scoring.judges.judge_stage import (
            judge_predictions,  # Most tasks have no judge and need no engine here.
        )

        read_predictions = partial(landed_predictions, context.warehouse, run, guard)
        judge_predictions(context, run, judges, read_predictions, report=report, observed=observed)
    board = Scoreboard(run.task, scrub=guard.masker.scrub)
    scoring = _Scoring(
        run,
        board=board,
        judges=judges,
        votes=VotesOfRun(context, run, judges),
        tally=tally_of(run.task),
        classes=ClassTally(board.classes.fields),
    )
    for chunk in sized_chunks(restored(context.warehouse, run, guard), _characters, most_items=CHUNK_PREDICTIONS):
        sink.append([score for item in chunk for score in scoring.scores(item)])
        done += len(chunk)
        report(done)
    for rows in chunks(scoring.estimates(), CHUNK_ESTIMATES):
        sink.append(rows)
    for counts in chunks(scoring.answer_counts(), CHUNK_ESTIMATES):
        sink.append(counts)
    return done


def _characters(item: Restored) -> int:
    return sum(map(len, item.record.fields.values())) + len(str(item.output or ""))


def write_predictions(context: StageContext, run: Run, path: Path) -> int:
    """Writes the outputs with personal values restored to a JSONL file with mode 600; returns the number of lines.

    Raises:
        UsageError: the file cannot be written.
    """
    try:
        return _write_predictions(context, run, path)
    except OSError as error:
        raise UsageError(
            f"Predictions cannot be written to {path}: {error.strerror}",
            next_step=(
                "choose another file with "
                f"`assay run {run.task.name} --resume {run.run_id} --output FILE`; no request is sent again."
            ),
        ) from error


def _write_predictions(context: StageContext, run: Run, path: Path) -> int:
    guard, lines = RecordMasker(run, context), 0
    partial = path.with_name(f"{path.name}.partial")
    partial.unlink(missing_ok=True)  # A leftover file may be readable by others.
    with os.fdopen(os.open(partial, os.O_CREAT | os.O_EXCL | os.O_WRONLY, OWNER_ONLY), "wb") as file:
        for item in restored(context.warehouse, run, guard):
            line = {
                "record_id": item.record.record_id,
                "epoch": item.prediction["epoch"],
                "status": item.prediction["status"],
                "output": item.output,
            }
            file.write(orjson.dumps(line) + b"\n")
            lines += 1
    partial.replace(path)
    return lines


def restored(warehouse: Warehouse, run: Run, guard: RecordMasker) -> Iterator[Restored]:
    """Yields the predictions of the run in the order of the input, with personal values restored."""
    for landed in landed_predictions(warehouse, run, guard):
        yield Restored(landed, _restore(landed.output, landed.record) if landed.output is not None else None)


def read_estimates(warehouse: Warehouse, run: Run) -> list[dict[str, Any]]:
    """Returns the landed reliability of the run: overall first, then by slice."""
    return list(warehouse.stream(RUN_ESTIMATES.sql, run.window))


@dataclass(frozen=True, slots=True)
class _Scoring:
    """Scores the predictions of a run one by one, and tallies them."""

    run: Run
    board: Scoreboard
    judges: tuple[RunJudge, ...]
    votes: VotesOfRun
    tally: Tally
    classes: ClassTally

    def estimates(self) -> Iterator[Estimate]:
        """Yields the estimates of the tallied predictions."""
        task, facts = self.run.task, self.run.facts
        yield from estimates(self.tally, task, facts, epochs=self.run.options.epochs)
        yield from class_estimates(self.classes, self.tally, run_facts(task, facts), task.versions.scorers)

    def answer_counts(self) -> Iterator[ClassCount]:
        """Yields the counts of the classes of the tallied predictions."""
        facts = run_facts(self.run.task, self.run.facts)
        return answer_counts(self.classes, self.tally, facts, self.run.task.versions.scorers)

    def scores(self, item: Restored) -> list[Score]:
        """Returns the score rows of one prediction and adds it to the tally."""
        to_score = _to_score(self.run, item)
        pairs = self.board.class_pairs(to_score)
        rows = self.board.scores(to_score, pairs)
        verdicts: dict[str, ScoreVerdict] = {row.scorer: row for row in rows}
        landed_votes, votes = self.votes.at(item.landed.place), {}
        for judge in self.judges:
            if judge.judges(item.record):
                verdict, row = judge.verdict(item.landed, landed_votes[judge.spec.name])
                verdicts[judge.spec.name], votes[judge.spec.name] = verdict, landed_votes[judge.spec.name].values()
                rows += [row] if row is not None else []
        tallied = _tallied(self.run, item, verdicts, votes=votes)
        self.tally.add(tallied)
        self.classes.add(pairs, tallied.status)
        return rows


def _restore(content: dict[str, Any], record: MaskedRecord) -> dict[str, Any]:
    return cast(dict[str, Any], restore(content, record.placeholders)) if record.placeholders else content


def _tallied(
    run: Run, item: Restored, verdicts: Mapping[str, ScoreVerdict], *, votes: Mapping[str, Collection[ScoreVerdict]]
) -> Tallied:
    """Returns the tally's entry; `is_counted` is False outside the sample of a judge in `correct`.

    The status that counts is that of the request's first outcome: the scores of a later output do not make it pass.
    """
    record, status = item.record, item.prediction["first_status"] or item.prediction["status"]
    return Tallied(
        position=record.position,
        population=record.population,
        slices=record.slices,
        cluster=ClusterKey.of(record.tenant_id, record.cluster_id),
        status=status,
        correct=is_correct(run.task, status, verdicts),
        is_counted=is_counted(run.task, verdicts),
        verdicts=verdicts,
        votes=votes,
    )


def _to_score(run: Run, item: Restored) -> ToScore:
    prediction, record = item.prediction, item.record
    return ToScore(
        prediction_id=prediction["prediction_id"],
        run_id=run.run_id,
        task=run.task.name,
        data_date=run.facts.data_date,
        tenant_id=prediction["tenant_id"],
        record_id=record.record_id,
        epoch=prediction["epoch"],
        status=prediction["status"],
        output=item.output,
        expected=record.raw_expected,
        input=_restore(record.fields, record),
        subject_key=record.subject_key,
        masking_version=run.facts.masking_version,
    )
