"""Scores the landed predictions of a run, and gives answers back with their personal details restored.

The third stage: a streaming pass that joins predictions with the snapshot by position. Asks no model.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import orjson

from assay.errors import UsageError
from assay.evals.estimates import ReliabilityTallies, is_correct
from assay.evals.scoring import Scoreboard, ToScore
from assay.guards.masking import restore
from assay.pipeline.chunks import chunks
from assay.pipeline.masked import MaskedRecord, RecordGuard
from assay.pipeline.project import Project
from assay.pipeline.run import Run
from assay.records import Score
from assay.warehouse.landing import LandingWriter
from assay.warehouse.statements import PREDICTIONS_TO_SCORE, RUN_ESTIMATES

CHUNK_PREDICTIONS = 500
OWNER_ONLY = 0o600


@dataclass(frozen=True, slots=True)
class Restored:
    """A landed prediction beside its record, its answer with the original details."""

    record: MaskedRecord
    prediction: dict[str, Any]
    output: dict[str, Any] | None


def score_run(project: Project, run: Run, *, report: Callable[[int], None]) -> int:
    """Every prediction of the run has a row for each scorer, and the run its estimates; returns the predictions scored."""
    guard, sink, done = RecordGuard(run, project), LandingWriter(project.warehouse), 0
    board = Scoreboard(run.task, scrub=guard.masker.scrub)
    tallies = ReliabilityTallies()
    for chunk in chunks(restored(project, run, guard), CHUNK_PREDICTIONS):
        sink.append([score for item in chunk for score in _judged(run, board, item, tallies)])
        done += len(chunk)
        report(done)
    sink.append(list(tallies.estimates(run.task, run.facts, epochs=run.options.epochs)))
    return done


def write_answers(project: Project, run: Run, path: Path) -> int:
    """The answers are in a JSONL file that only the owner reads, personal details restored; returns the lines.

    Raises:
        UsageError: the file cannot be written.
    """
    try:
        return _write_answers(project, run, path)
    except OSError as error:
        raise UsageError(
            f"The answers cannot be written to {path}: {error.strerror}; name another file with "
            f"`assay run {run.task.name} --resume {run.run_id} --output FILE`, nothing is asked again."
        ) from error


def refuse_unwritable(path: Path) -> None:
    """Returns if the answers can be written to `path`, as far as one can tell before there are any.

    Raises:
        UsageError: there is no such folder, or it takes no file.
    """
    folder = path.parent
    if path.is_dir() or not path.name or not folder.is_dir() or not os.access(folder, os.W_OK | os.X_OK):
        raise UsageError(f"--output {str(path)!r}: expected a file in a folder that can be written; correct the path.")


def _write_answers(project: Project, run: Run, path: Path) -> int:
    guard, lines = RecordGuard(run, project), 0
    partial = path.with_name(f"{path.name}.partial")
    partial.unlink(missing_ok=True)  # a leftover may be open to others
    with open(os.open(partial, os.O_CREAT | os.O_EXCL | os.O_WRONLY, OWNER_ONLY), "wb") as file:
        for item in restored(project, run, guard):
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


def restored(project: Project, run: Run, guard: RecordGuard) -> Iterator[Restored]:
    """Predictions of the run in the order of the input, each beside its record."""
    predictions = project.warehouse.stream(PREDICTIONS_TO_SCORE.sql, run.window)
    records = (record for record in guard.records() if isinstance(record, MaskedRecord))
    record = next(records, None)
    for prediction in predictions:
        while record is not None and record.position < prediction["position"]:
            record = next(records, None)
        if record is None or record.position != prediction["position"]:
            continue
        yield Restored(record, prediction, _restored_output(prediction["output"], record))


def read_estimates(project: Project, run: Run) -> list[dict[str, Any]]:
    """The landed estimates of the run, overall first, then by slice."""
    return list(project.warehouse.stream(RUN_ESTIMATES.sql, run.window))


def _restored_output(output: Any, record: MaskedRecord) -> dict[str, Any] | None:
    if output is None:
        return None
    parsed = orjson.loads(output) if isinstance(output, str) else output
    return _whole(parsed, record)


def _judged(run: Run, board: Scoreboard, item: Restored, tallies: ReliabilityTallies) -> list[Score]:
    scores = board.scores(_to_score(run, item))
    correct = is_correct(run.task, item.prediction["status"], {score.scorer: score for score in scores})
    tallies.add(
        population=item.record.population,
        slices=item.record.slices,
        cluster_id=item.record.cluster_id,
        status=item.prediction["status"],
        correct=correct,
    )
    return scores


def _whole(content: dict[str, Any], record: MaskedRecord) -> dict[str, Any]:
    return cast(dict[str, Any], restore(content, record.placeholders)) if record.placeholders else content


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
