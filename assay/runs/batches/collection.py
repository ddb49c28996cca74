"""Lands the results of a finished batch: the same rows as for online calls, through the same engine.

Requests without a response from their batch stay open for the online pass or another batch.
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
from assay.runs.requests.requests import RunRequests, first_of
from assay.tasks.spec import RouteSpec
from assay.warehouse.landing import LandingWriter

CHUNK_ANSWERS = 500
BATCH_TIER = "batch"


class LineOutcome(StrEnum):
    """Outcome of one request in a batch."""

    ANSWERED = "answered"
    FAILED = "failed"
    MISSING = "missing"


def land_batch(session: BatchSession, batch: Batch) -> Batch:
    """Lands the rows of the finished batch and deletes its local files.

    Landing it again after a crash lands the same calls and predictions, which staging deduplicates.

    Raises:
        ServiceUnreachable: the warehouse or the provider does not respond; the batch stays finished, to be landed later.
        UsageError: the provider no longer has the files.
    """
    files = _downloaded(session, batch)
    names = read_names(session.ledger.path(batch))
    counts: Counter[LineOutcome] = Counter()
    paid_usd = Decimal(0)
    sink = LandingWriter(session.context.warehouse)
    provider = session.context.providers[batch.provider]
    key = provider.api_key(session.context.settings)
    with BatchResults(batches_of(provider), files, names=names, key=key) as results:
        for answers in chunks(_answers(session, batch, results, counts), CHUNK_ANSWERS):
            land_answers(sink, answers)
            paid_usd += sum((paid(answered.responses) for answered in answers), Decimal(0))
    session.money.settle(batch, paid_usd)
    given = counts[LineOutcome.ANSWERED] + counts[LineOutcome.FAILED]
    landed = session.ledger.landed(
        batch,
        answered=counts[LineOutcome.ANSWERED],
        failed=counts[LineOutcome.FAILED],
        missing=max(batch.requests - given, 0),
    )
    for path in (*files, session.ledger.path(batch), names_of(session.ledger.path(batch))):
        path.unlink(missing_ok=True)
    return landed


def _downloaded(session: BatchSession, batch: Batch) -> list[Path]:
    """Downloads the result files and returns their paths; the file with responses is first."""
    paths = []
    for kind, file_id in (("output", batch.output_file_id), ("errors", batch.error_file_id)):
        if file_id is not None:
            path = session.ledger.directory / f"{batch.chunk_hash}.{kind}.jsonl"
            session.wait_for(session.api(batch.provider).download(file_id, path))
            paths.append(path)
    return paths


def _answers(
    session: BatchSession, batch: Batch, results: BatchResults, counts: Counter[LineOutcome]
) -> Iterator[RequestResult]:
    route = _route(session, batch)
    places = results.places()
    positions = {place.position for place in places}
    requests = RunRequests(session.context, session.run, session.guard)
    # As of the submission: an outcome that has become too old since then was still the first one of this request.
    earlier = requests.earlier(batch.submitted_at or batch.occurred_at)
    for record in session.guard.records(wanted=positions.__contains__):
        if not isinstance(record, MaskedRecord):
            continue
        for epoch in range(session.run.options.epochs):
            if (place := RequestPlace(record.position, epoch)) in places:
                call_id, outcome = results.outcome(place)
                counts[_kind(outcome)] += 1
                outcome = outcome or not_in_results(batch.provider_status or "ended")
                request = requests.request(record, epoch, first=first_of(earlier.at(place)))
                yield _settled(session, batch, request, call_id, _at_batch_tier(outcome), route)


def _settled(
    session: BatchSession, batch: Batch, request: Request, call_id: str, outcome: Reply | CallFailure, route: RouteSpec
) -> RequestResult:
    calls = session.engine.calls
    share = (batch.estimate_usd or Decimal(0)) / max(batch.requests, 1)
    call = CallFacts(
        call_id=call_id,
        request=request,
        route=route,
        purpose=CallPurpose.ANSWER,
        attempt=1,
        # Like the call's id, known before the call, and the same if the batch is landed again.
        trace_id=call_id,
        started_at=batch.submitted_at or batch.occurred_at,
        estimate_usd=share,
        queue_ms=None,
        is_batch=True,
    )
    return session.engine.settle_batch(call, orjson.dumps(calls.prompts.messages(request.fields)), outcome)


def _route(session: BatchSession, batch: Batch) -> RouteSpec:
    """Returns the route of the batch: routes cannot change within a run, because they are part of the task version."""
    return next(route for route in session.run.task.spec.routes if route.name == batch.route)


def _kind(outcome: Reply | CallFailure | None) -> LineOutcome:
    if outcome is None:
        return LineOutcome.MISSING
    return LineOutcome.ANSWERED if isinstance(outcome, Reply) else LineOutcome.FAILED


def _at_batch_tier(outcome: Reply | CallFailure) -> Reply | CallFailure:
    if isinstance(outcome, Reply) and outcome.service_tier is None:
        return replace(outcome, service_tier=BATCH_TIER)
    return outcome
