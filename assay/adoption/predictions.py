"""Lands adopted answers as predictions; a run that was killed continues with the answers that have not landed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime

import orjson

from assay.inference.request import prediction_row
from assay.project import StageContext
from assay.records import Prediction
from assay.records.statuses import AnswerSource
from assay.runs.adopted_answers import error_shown
from assay.runs.chunks import sized_chunks
from assay.runs.masked_records import MaskedRecord, RecordMasker
from assay.runs.requests.requests import RunRequests
from assay.runs.run import Run
from assay.stop_signals import raise_if_stopped
from assay.warehouse.landing import LandingWriter

ADOPTED = AnswerSource.ADOPTED


def land_predictions(context: StageContext, run: Run, *, report: Callable[[int], None]) -> Counter[str]:
    """Ensures that every record and epoch of the run has its adopted prediction in the warehouse.

    Returns the number of cells of each number (cost, latency, tokens) that could not be read, of the answers landed.

    Raises:
        ServiceUnreachable: the warehouse does not respond; repeating the adoption resumes it.
    """
    guard, sink = RecordMasker(run, context), LandingWriter(context.warehouse)
    requests, done, unreadable = RunRequests(context, run, guard), 0, Counter[str]()
    for chunk in sized_chunks(requests.open_places(), _characters):
        raise_if_stopped()
        sink.append([_row(requests, record, epoch, guard) for record, epoch in chunk])
        unreadable.update(name for record, epoch in chunk for name in record.answers[epoch].unreadable)
        done += len(chunk)
        report(done)
    return unreadable


def _characters(place: tuple[MaskedRecord, int]) -> int:
    """Number of characters of the record, which is held until its prediction has landed."""
    record, epoch = place
    return sum(map(len, record.fields.values())) + len(str(record.answers[epoch].output or ""))


def _row(requests: RunRequests, record: MaskedRecord, epoch: int, guard: RecordMasker) -> Prediction:
    answer, now = record.answers[epoch], datetime.now(UTC)
    return prediction_row(
        requests.run.facts,
        requests.request(record, epoch),
        started_at=now,
        finished_at=now,
        status=answer.status,
        answer_source=ADOPTED,
        output=None if answer.output is None else orjson.dumps(answer.output).decode(),
        calls=0,
        error_type=answer.error_type,
        error_message=error_shown(answer, guard.masker.scrub),
        adopted_model=answer.model,
        adopted_cost_usd=answer.cost_usd,
        adopted_latency_ms=answer.latency_ms,
        adopted_input_tokens=answer.input_tokens,
        adopted_output_tokens=answer.output_tokens,
    )
