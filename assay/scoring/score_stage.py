"""Scores the landed predictions of a run, and gives answers back with their personal details restored.

The third stage: judges are asked what they have not said yet, then a streaming pass runs the checks and counts verdicts.
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
from assay.records.evaluation import Score
from assay.runs.chunks import chunks
from assay.runs.landed_predictions import LandedPrediction, landed_predictions
from assay.runs.masked_records import MaskedRecord, RecordMasker
from assay.runs.observation import UNOBSERVED, RunObserver
from assay.runs.run import Run
from assay.scoring.check_scores import Scoreboard, ToScore
from assay.scoring.estimates import estimates, is_correct, tally_of
from assay.scoring.judges.judges import OpinionsOfRun, RunJudge, judges_of
from assay.scoring.queries import RUN_ESTIMATES
from assay.scoring.tally import ScoreVerdict, Tallied, Tally
from assay.warehouse.client import Warehouse
from assay.warehouse.landing import LandingWriter

CHUNK_PREDICTIONS, CHUNK_ESTIMATES = 500, 2000
OWNER_ONLY = 0o600


@dataclass(frozen=True, slots=True)
class Restored:
    """A landed prediction beside its record, its answer with the original details."""

    answer: LandedPrediction
    output: dict[str, Any] | None

    @property
    def record(self) -> MaskedRecord:
        """The record that it answers."""
        return self.answer.record

    @property
    def prediction(self) -> Mapping[str, Any]:
        """The prediction as it landed."""
        return self.answer.prediction


def score_run(
    context: StageContext, run: Run, *, report: Callable[[int], None], observed: RunObserver = UNOBSERVED
) -> int:
    """Every prediction of the run has a row for each scorer, and the run its estimates; returns the predictions scored.

    Raises:
        AssayError: a judge cannot be asked; what was said so far is landed, and a resume asks the rest.
    """
    guard, sink, done = RecordMasker(run, context), LandingWriter(context.warehouse), 0
    judges = judges_of(context.settings, run, guard)
    if judges:
        from assay.scoring.judges.judge_stage import (
            judge_predictions,  # most tasks have no judge, and need no engine here
        )

        answers = partial(landed_predictions, context.warehouse, run, guard)
        judge_predictions(context, run, judges, answers, report=report, observed=observed)
    scoring = _Scoring(
        run,
        board=Scoreboard(run.task, scrub=guard.masker.scrub),
        judges=judges,
        opinions=OpinionsOfRun(context, run, judges),
        tally=tally_of(run.task),
    )
    for chunk in chunks(restored(context.warehouse, run, guard), CHUNK_PREDICTIONS):
        sink.append([score for item in chunk for score in scoring.scores(item)])
        done += len(chunk)
        report(done)
    for rows in chunks(estimates(scoring.tally, run.task, run.facts, epochs=run.options.epochs), CHUNK_ESTIMATES):
        sink.append(rows)
    return done


def write_answers(context: StageContext, run: Run, path: Path) -> int:
    """The answers are in a JSONL file that only the owner reads, personal details restored; returns the lines.

    Raises:
        UsageError: the file cannot be written.
    """
    try:
        return _write_answers(context, run, path)
    except OSError as error:
        raise UsageError(
            f"The answers cannot be written to {path}: {error.strerror}",
            next_step=(
                "name another file with "
                f"`assay run {run.task.name} --resume {run.run_id} --output FILE`, nothing is asked again."
            ),
        ) from error


def refuse_unwritable(path: Path) -> None:
    """Returns if the answers can be written to `path`, as far as one can tell before there are any.

    Raises:
        UsageError: there is no such folder, or it takes no file.
    """
    folder = path.parent
    if path.is_dir() or not path.name or not folder.is_dir() or not os.access(folder, os.W_OK | os.X_OK):
        raise UsageError(
            f"--output {str(path)!r}: expected a file in a folder that can be written", next_step="correct the path."
        )


def _write_answers(context: StageContext, run: Run, path: Path) -> int:
    guard, lines = RecordMasker(run, context), 0
    partial = path.with_name(f"{path.name}.partial")
    partial.unlink(missing_ok=True)  # a leftover may be open to others
    with open(os.open(partial, os.O_CREAT | os.O_EXCL | os.O_WRONLY, OWNER_ONLY), "wb") as file:
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
    """Predictions of the run in the order of the input, each beside its record, with the original details."""
    for answer in landed_predictions(warehouse, run, guard):
        yield Restored(answer, _whole(answer.output, answer.record) if answer.output is not None else None)


def read_estimates(warehouse: Warehouse, run: Run) -> list[dict[str, Any]]:
    """The landed reliability of the run, overall first, then by slice."""
    return list(warehouse.stream(RUN_ESTIMATES.sql, run.window))


@dataclass(frozen=True, slots=True)
class _Scoring:
    """What scores the answers of a run one by one, and counts them."""

    run: Run
    board: Scoreboard
    judges: tuple[RunJudge, ...]
    opinions: OpinionsOfRun
    tally: Tally

    def scores(self, item: Restored) -> list[Score]:
        """The rows of one answer, and it is counted in every rate that it has a part in."""
        rows = self.board.scores(_to_score(self.run, item))
        verdicts: dict[str, ScoreVerdict] = {row.scorer: row for row in rows}
        said, opinions = self.opinions.at(item.answer.place), {}
        for judge in self.judges:
            if judge.judges(item.record):
                verdict, row = judge.verdict(item.answer, said[judge.spec.name])
                verdicts[judge.spec.name], opinions[judge.spec.name] = verdict, said[judge.spec.name].values()
                rows += [row] if row is not None else []
        self.tally.add(_tallied(self.run, item, verdicts, opinions=opinions))
        return rows


def _whole(content: dict[str, Any], record: MaskedRecord) -> dict[str, Any]:
    return cast(dict[str, Any], restore(content, record.placeholders)) if record.placeholders else content


def _tallied(
    run: Run, item: Restored, verdicts: Mapping[str, ScoreVerdict], *, opinions: Mapping[str, Collection[ScoreVerdict]]
) -> Tallied:
    """In no rate of correct answers where what decides was not judged, for its sample's sake: that is one of the sample."""
    record, status = item.record, item.prediction["status"]
    return Tallied(
        position=record.position,
        population=record.population,
        slices=record.slices,
        tenant_id=record.tenant_id,
        cluster_id=record.cluster_id,
        status=status,
        correct=is_correct(run.task, status, verdicts),
        is_counted=verdicts.keys() >= set(run.task.spec.correct),
        verdicts=verdicts,
        opinions=opinions,
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
        input=_whole(record.fields, record),
        subject_key=record.subject_key,
        masking_version=run.facts.masking_version,
    )
