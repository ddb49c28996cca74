"""Lands what a finished batch brought: the same rows as for calls on the wire, through the same engine.

What a batch did not answer stays open: it is asked online, or in another batch. Sending is `batch_sending.py`'s part.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from enum import StrEnum
from pathlib import Path

import orjson

from assay.inference.batch.chunk import names_of, read_names
from assay.inference.batch.results import BatchResults, not_in_results
from assay.inference.call_rows import CallFacts
from assay.inference.calls import paid
from assay.inference.endpoint.failures import CallFailure
from assay.inference.endpoint.replies import Reply
from assay.inference.request import Request, RequestResult
from assay.records import Batch
from assay.records.keys import RequestPlace
from assay.records.statuses import CallPurpose
from assay.runs.batches.session import BatchSession, batches_of
from assay.runs.chunks import chunks
from assay.runs.masked_records import MaskedRecord
from assay.runs.requests.answer_buffer import land_answers
from assay.runs.requests.requests import RunRequests
from assay.tasks.spec import RouteSpec
from assay.warehouse.landing import LandingWriter

CHUNK_ANSWERS = 500
BATCH_TIER = "batch"


class LineOutcome(StrEnum):
    """What a batch brought for one of its requests."""

    ANSWERED = "answered"
    FAILED = "failed"
    MISSING = "missing"


def land_batch(desk: BatchSession, batch: Batch) -> Batch:
    """The rows of the finished batch are in the warehouse, and no file of it is left here.

    Landing it again after a crash lands the same calls and predictions, which staging reads once.

    Raises:
        Unreachable: the warehouse or the provider does not answer; the batch stays finished, to be landed later.
        UsageError: the provider no longer has the files.
    """
    files = _downloaded(desk, batch)
    names = read_names(desk.ledger.path(batch))
    counts: Counter[LineOutcome] = Counter()
    paid_usd = Decimal(0)
    sink = LandingWriter(desk.context.warehouse)
    dialect = batches_of(desk.context.providers[batch.provider])
    with BatchResults(dialect, files, names=names) as results:
        for answers in chunks(_answers(desk, batch, results, counts), CHUNK_ANSWERS):
            land_answers(sink, answers)
            paid_usd += sum((paid(answered.responses) for answered in answers), Decimal(0))
    desk.money.settle(batch, paid_usd)
    given = counts[LineOutcome.ANSWERED] + counts[LineOutcome.FAILED]
    landed = desk.ledger.landed(
        batch,
        answered=counts[LineOutcome.ANSWERED],
        failed=counts[LineOutcome.FAILED],
        missing=max(batch.requests - given, 0),
    )
    for path in (*files, desk.ledger.path(batch), names_of(desk.ledger.path(batch))):
        path.unlink(missing_ok=True)
    return landed


def _downloaded(desk: BatchSession, batch: Batch) -> list[Path]:
    """The result files on disk, those with answers first."""
    paths = []
    for kind, file_id in (("output", batch.output_file_id), ("errors", batch.error_file_id)):
        if file_id is not None:
            path = desk.ledger.directory / f"{batch.chunk_hash}.{kind}.jsonl"
            desk.ask(desk.api(batch.provider).download(file_id, path))
            paths.append(path)
    return paths


def _answers(
    desk: BatchSession, batch: Batch, results: BatchResults, counts: Counter[LineOutcome]
) -> Iterator[RequestResult]:
    route = _route(desk, batch)
    places = results.places()
    positions = {place.position for place in places}
    requests = RunRequests(desk.context, desk.run, desk.guard)
    for record in desk.guard.records(wanted=positions.__contains__):
        if not isinstance(record, MaskedRecord):
            continue
        for epoch in range(desk.run.options.epochs):
            if (place := RequestPlace(record.position, epoch)) in places:
                call_id, outcome = results.outcome(place)
                counts[_kind(outcome)] += 1
                outcome = outcome or not_in_results(batch.provider_status or "ended")
                yield _settled(desk, batch, requests.request(record, epoch), call_id, _at_batch_tier(outcome), route)


def _settled(
    desk: BatchSession, batch: Batch, request: Request, call_id: str, outcome: Reply | CallFailure, route: RouteSpec
) -> RequestResult:
    calls = desk.engine.calls
    share = (batch.estimate_usd or Decimal(0)) / max(batch.requests, 1)
    call = CallFacts(
        call_id=call_id,
        request=request,
        route=route,
        purpose=CallPurpose.ANSWER,
        attempt=1,
        # Known before the call and the same at a second landing, as the call's own id is.
        trace_id=call_id,
        started_at=batch.submitted_at or batch.occurred_at,
        estimate_usd=share,
        queue_ms=None,
        is_batch=True,
    )
    return desk.engine.settle_batch(call, orjson.dumps(calls.prompts.messages(request.fields)), outcome)


def _route(desk: BatchSession, batch: Batch) -> RouteSpec:
    """The route the batch was made for: its routes cannot change within a run, for they are in the task's version."""
    return next(route for route in desk.run.task.spec.routes if route.name == batch.route)


def _kind(outcome: Reply | CallFailure | None) -> LineOutcome:
    if outcome is None:
        return LineOutcome.MISSING
    return LineOutcome.ANSWERED if isinstance(outcome, Reply) else LineOutcome.FAILED


def _at_batch_tier(outcome: Reply | CallFailure) -> Reply | CallFailure:
    if isinstance(outcome, Reply) and outcome.service_tier is None:
        return replace(outcome, service_tier=BATCH_TIER)
    return outcome
