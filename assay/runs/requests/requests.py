"""The open requests of a run, in the order of its input; some reuse an earlier prediction.

A request that failed in an earlier run is made again, but its first outcome stays with it: rates count that one
(docs/adr/0010-rates-count-first-outcomes.md).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import orjson

from assay.inference.keys import request_key
from assay.inference.request import FirstOutcome, Request, RequestResult, prediction_row
from assay.project import StageContext
from assay.records.keys import RequestPlace
from assay.records.statuses import AnswerSource
from assay.runs.masked_records import MaskedRecord, RecordMasker
from assay.runs.requests.queries import ANSWERED_IN_RUN, ANSWERED_IN_SHARD, EARLIER_IN_SHARD, EARLIER_OUTCOMES
from assay.runs.run import Run
from assay.runs.shards import WHOLE, Shard


@dataclass(frozen=True, slots=True)
class RunRequests:
    """Requests of one run that have no prediction yet; those that reuse a prediction are yielded as `RequestResult`."""

    context: StageContext
    run: Run
    guard: RecordMasker
    shard: Shard = WHOLE

    def __iter__(self) -> Iterator[Request | RequestResult]:
        open_places = self.open_places()
        earlier = self.earlier(datetime.now(UTC))
        # The warehouse runs both queries while the other dependencies of the first call are prepared.
        self.context.prices.load()
        for record, epoch in open_places:
            found = earlier.at(RequestPlace(record.position, epoch))
            request = self.request(record, epoch, first=first_of(found))
            yield self.reused(request, found) if found is not None and found["is_answered"] else request

    def open_places(self) -> Iterator[tuple[MaskedRecord, int]]:
        """Returns the records and epochs without a landed prediction, in order; the query starts immediately."""
        return self._without(OrderedRows(self._begin_done()))

    def _without(self, done: OrderedRows) -> Iterator[tuple[MaskedRecord, int]]:
        for record in self.guard.records(shard=self.shard):
            if not isinstance(record, MaskedRecord):
                continue
            for epoch in range(self.run.options.epochs):
                if done.at(RequestPlace(record.position, epoch)) is None:
                    yield record, epoch

    def earlier(self, now: datetime) -> OrderedRows:
        """Returns the outcomes of earlier runs that count at this time, by place."""
        return OrderedRows(self._begin_earlier(now))

    def _begin_done(self) -> Iterator[dict[str, Any]]:
        if self.shard == WHOLE:
            return self.context.warehouse.begin(ANSWERED_IN_RUN.sql, self.run.window)
        return self.context.warehouse.begin(ANSWERED_IN_SHARD.sql, {**self.run.window, **self.shard.parameters})

    def _begin_earlier(self, now: datetime) -> Iterator[dict[str, Any]]:
        since = self.run.reuse_since(now)
        if since is None:
            return iter(())
        facts = self.run.facts
        parameters = {
            **self.run.window,
            "task": facts.task,
            "inference_version": facts.inference_version,
            "since": since,
            "answer_statuses": self.run.answer_statuses,
        }
        if self.shard == WHOLE:
            return self.context.warehouse.begin(EARLIER_OUTCOMES.sql, parameters)
        return self.context.warehouse.begin(EARLIER_IN_SHARD.sql, {**parameters, **self.shard.parameters})

    def request(
        self,
        record: MaskedRecord,
        epoch: int,
        *,
        history: Sequence[Mapping[str, str]] = (),
        first: FirstOutcome | None = None,
    ) -> Request:
        """Returns the request for the record, epoch and history, even if it already has a prediction."""
        return Request(
            record_id=record.record_id,
            position=record.position,
            epoch=epoch,
            key=request_key(
                inference_version=self.run.facts.inference_version,
                record_id=record.record_id,
                input_hash=record.input_hash,
                epoch=epoch,
                tenant_id=record.tenant_id,
                history=history,
            ),
            fields=record.fields,
            input_hash=record.input_hash,
            tenant_id=record.tenant_id,
            subject_key=record.subject_key,
            history=history,
            history_turns=len(history) // 2 if record.turn is not None else None,
            first=first,
        )

    def reused(self, request: Request, answer: Mapping[str, Any]) -> RequestResult:
        """Returns the result of a request that reuses an earlier prediction; `request.first` is its first outcome."""
        now = datetime.now(UTC)
        output = answer["output"] if isinstance(answer["output"], str) else orjson.dumps(answer["output"]).decode()
        prediction = prediction_row(
            self.run.facts,
            request,
            started_at=now,
            finished_at=now,
            status=answer["status"],
            answer_source=AnswerSource.REUSED if answer["call_id"] is not None else None,
            output=output,
            route=answer["route"],
            call_id=answer["call_id"],
            calls=0,
        )
        return RequestResult(prediction)


def first_of(earlier: Mapping[str, Any] | None) -> FirstOutcome | None:
    """Returns the first outcome that a row of an earlier outcome names; None without a row."""
    if earlier is None:
        return None
    return FirstOutcome(
        prediction_id=earlier["first_prediction_id"],
        status=earlier["first_status"],
        finished_at=earlier["first_finished_at"],
    )


class OrderedRows:
    """Rows of a result ordered by (position, epoch), looked up in that order in constant memory."""

    def __init__(self, rows: Iterator[dict[str, Any]]) -> None:
        self._rows = rows
        self._next: dict[str, Any] | None = None
        self._started = False

    def at(self, place: RequestPlace) -> dict[str, Any] | None:
        """The row at `place`; None if there is none; places must be requested in ascending order."""
        if not self._started:
            self._next, self._started = next(self._rows, None), True
        while self._next is not None and (self._next["position"], self._next["epoch"]) < place:
            self._next = next(self._rows, None)
        found = self._next
        return found if found is not None and (found["position"], found["epoch"]) == place else None
