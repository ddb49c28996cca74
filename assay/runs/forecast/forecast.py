"""Forecasts the cost of a run before its first call.

Sizes come from a sample of the run's own requests, rendered as they will be sent; tokens per byte and output lengths
come from landed requests of the same inference version. If there are none, the forecast is the range from the
minimum to the maximum cost of one call per request. Requests that reuse a prediction are not counted.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal
from itertools import groupby
from typing import Any

import orjson

from assay.inference.budgets.ledger import usd
from assay.inference.budgets.worker_lease import account_names
from assay.inference.calls import BYTES_PER_TOKEN
from assay.inference.limits.tokens import OUTPUT_TOKENS_UNSTATED
from assay.inference.prices import PLACES
from assay.inference.prompts import PromptFailed
from assay.inference.routing.rules import rule_router
from assay.inference.usage import TokenUsage
from assay.project import StageContext
from assay.runs.forecast.cost_model import (
    LEAST_PAST,
    PastCalls,
    RequestCounts,
    SampledPrompts,
    cost_bounds,
    count_requests,
    probable_cost,
)
from assay.runs.forecast.queries import KNOWN_REQUESTS, LATEST_REQUESTED, PAST_CALLS, REQUESTS_KNOWN_OF_RUN
from assay.runs.masked_records import MaskedRecord, RecordMasker
from assay.runs.requests.budget import WarehouseSpending, caps_of, this_month
from assay.runs.requests.engine_factory import prompts_of
from assay.runs.requests.requests import RunRequests
from assay.runs.run import Run

RENDERED = 200
"""Number of records to render: enough to estimate the mean size to within a few percent."""
LOOKED_UP = 1000
"""Number of records to draw if some may be reused, so that enough of them remain to be rendered."""
MOST_BYTES_PER_TOKEN = 8
"""Upper limit of bytes per token in a prompt: English has one token per 4 to 5 bytes."""
NEVER = datetime(9999, 1, 1, tzinfo=UTC)
LANDED, BOUND, UNPRICED, NOTHING = "landed answers", "bound", "unpriced", "nothing to request"


@dataclass(frozen=True, slots=True, kw_only=True)
class CapHeadroom:
    """One cap on the run's cost: `what` is run, task or project; `left_usd` is not spent or reserved for batches."""

    what: str
    cap_usd: Decimal
    left_usd: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """Forecast cost of a run, in USD.

    `basis` names the source of the numbers: with `landed answers`, `low_usd` to `high_usd` is a 95% interval around
    `expected_usd`; with `bound` it is the range of the cost of one call per request, without an expected value; without
    a price, or with nothing to request, there is no amount. If even `low_usd` exceeds the tightest cap, `stops_at` names
    that cap, and `reaches` is the lower and upper number of requests that it covers. The cost of the task's `judges` is not included.
    """

    run_id: str
    task: str
    requests: int
    reused: int
    is_counted: bool
    sampled: int
    basis: str
    past_requests: int = 0
    bytes_per_token: float | None = None
    output_tokens_per_request: float | None = None
    most_output_tokens: int | None = None
    expected_usd: Decimal | None = None
    low_usd: Decimal | None = None
    high_usd: Decimal | None = None
    caps: tuple[CapHeadroom, ...] = ()
    stops_at: str | None = None
    reaches: tuple[int, int] | None = None
    judges: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Rendered:
    """Rendered request of one record: size of its texts and of the JSON around them, and the cost of one call.

    `least_usd` and `most_usd` are the minimum and maximum cost; None without a price.
    """

    n_requests: int
    text_bytes: int
    markup_bytes: int
    least_usd: Decimal | None
    most_usd: Decimal | None


@dataclass(frozen=True, slots=True)
class _Drawn:
    """The requests to send: their number, the number of their records, and a rendered sample."""

    counts: RequestCounts
    reused: int
    records: int
    rendered: Sequence[_Rendered]


def forecast(context: StageContext, run: Run, *, is_landed: bool = True) -> Forecast:
    """Forecasts the cost of the run's remaining requests; nothing is sent or landed.

    If `is_landed` is False, the run's records are not in the warehouse, and reuse is estimated from the sample.

    Raises:
        ServiceUnreachable: the warehouse does not respond.
    """
    return _Forecaster(context, run).forecast(is_landed=is_landed)


class _Forecaster:
    """One forecast in progress."""

    def __init__(self, context: StageContext, run: Run) -> None:
        self._context, self._run = context, run
        self._guard = RecordMasker(run, context)
        self._requests = RunRequests(context, run, self._guard)
        self._prompts = prompts_of(context, run.task, mask=self._guard.mask_fields)
        self._router = rule_router(run.task)
        self._today = datetime.now(UTC).date()
        self._most = self._prompts.max_tokens or OUTPUT_TOKENS_UNSTATED
        self._may_reuse = run.reuse_since(datetime.now(UTC)) is not None and run.task.spec.input.conversation is None

    def forecast(self, *, is_landed: bool) -> Forecast:
        drawn = self._drawn(self._counted() if is_landed else None)
        estimate = self._estimate(drawn) if drawn.rendered else {"basis": NOTHING}
        caps = tuple(self._caps())
        return Forecast(
            run_id=self._run.run_id,
            task=self._run.task.name,
            requests=round(drawn.counts.requests),
            reused=drawn.reused,
            is_counted=drawn.counts.variance == 0,
            sampled=len(drawn.rendered),
            judges=len(self._run.task.spec.judges),
            caps=caps,
            **_where_it_stops(caps, estimate, drawn),
            **estimate,
        )

    def _counted(self) -> tuple[RequestCounts, int, bool]:
        """From the warehouse: the number to send, the number reused, and whether any prediction exists already."""
        run = self._run
        parameters = {**self._known_parameters(), **run.window, "epochs": run.options.epochs}
        row = next(self._context.warehouse.stream(REQUESTS_KNOWN_OF_RUN.sql, parameters))
        left = row["records"] * run.options.epochs - row["answered"] - row["reusable"]
        return RequestCounts(float(left)), row["reusable"], row["answered"] + row["reusable"] > 0

    def _known_parameters(self) -> dict[str, Any]:
        facts = self._run.facts
        since = self._run.reuse_since(datetime.now(UTC)) if self._may_reuse else None
        return {
            "task": facts.task,
            "inference_version": facts.inference_version,
            "since": since or NEVER,
            "answer_statuses": self._run.answer_statuses,
        }

    def _drawn(self, counted: tuple[RequestCounts, int, bool] | None) -> _Drawn:
        records, epochs = self._run.snapshot.record_count, self._run.options.epochs
        some_known = counted[2] if counted is not None else self._may_reuse
        if counted is not None and counted[0].requests == 0:
            return _Drawn(counted[0], counted[1], 0, ())
        sample = list(self._sample(LOOKED_UP if some_known else RENDERED))
        n_open = self._open_epochs(sample) if some_known else [epochs] * len(sample)
        total = (
            counted[0]
            if counted is not None
            else count_requests([SampledPrompts(n, 0.0) for n in n_open], records=records)
        )
        reused = counted[1] if counted is not None else round(records * epochs - total.requests)
        open_ones = [(record, n) for record, n in zip(sample, n_open, strict=True) if n]
        chosen = open_ones[:: -(-len(open_ones) // RENDERED) or 1]
        to_send = records * len(open_ones) // max(len(sample), 1)
        return _Drawn(total, reused, to_send, [self._rendered(record, n) for record, n in chosen])

    def _sample(self, count: int) -> Iterator[MaskedRecord]:
        """Yields `count` records drawn evenly over the snapshot: one at random from each of `count` equal parts."""
        rows = self._run.snapshot.rows_read
        parts, draw = min(count, rows), random.Random(self._run.snapshot.manifest_hash)
        positions = {draw.randrange(part * rows // parts, (part + 1) * rows // parts) for part in range(parts)}
        for row in self._run.snapshot.records_at(positions):
            masked = self._guard.masked(row)
            if isinstance(masked, MaskedRecord):
                yield masked

    def _open_epochs(self, sample: Sequence[MaskedRecord]) -> list[int]:
        """Returns for each record the number of its epochs that have no prediction in this run and none to reuse."""
        epochs = range(self._run.options.epochs)
        keys = [[self._requests.request(record, epoch).key for epoch in epochs] for record in sample]
        parameters = {
            "task": self._run.facts.task,
            "run_id": self._run.run_id,
            "since": self._known_parameters()["since"],
            "answer_statuses": self._run.answer_statuses,
            "request_keys": [key for of_record in keys for key in of_record],
        }
        known = {row["request_key"] for row in self._context.warehouse.stream(KNOWN_REQUESTS.sql, parameters)}
        return [sum(key not in known for key in of_record) for of_record in keys]

    def _rendered(self, record: MaskedRecord, n_requests: int) -> _Rendered:
        request, route = self._requests.request(record, 0), self._router.routes(record.fields)[0]
        try:
            messages = self._prompts.messages(request.fields)
            encoded = orjson.dumps(messages)
            body_bytes = len(self._prompts.body(encoded, route, request))
        except PromptFailed:  # it becomes a failed prediction, without a call
            return _Rendered(
                n_requests=n_requests, text_bytes=0, markup_bytes=0, least_usd=Decimal(0), most_usd=Decimal(0)
            )
        text_bytes = sum(len(message["content"].encode()) for message in messages)
        least = TokenUsage(text_bytes // MOST_BYTES_PER_TOKEN, 0, 0, 0, 0)
        most = TokenUsage(body_bytes // BYTES_PER_TOKEN, 0, 0, self._most, 0)
        low, high = (self._price(usage, route.provider, route.model, route=route.name) for usage in (least, most))
        markup_bytes = len(encoded) - text_bytes
        return _Rendered(
            n_requests=n_requests, text_bytes=text_bytes, markup_bytes=markup_bytes, least_usd=low, most_usd=high
        )

    def _estimate(self, drawn: _Drawn) -> dict[str, Any]:
        if any(one.most_usd is None for one in drawn.rendered):
            return {"basis": UNPRICED}
        rows = list(self._past_calls())
        markup_bytes = min(one.markup_bytes for one in drawn.rendered)
        past = self._past(rows, markup_bytes=markup_bytes)
        if past is None:
            return {"basis": UNPRICED}
        if len(past) < LEAST_PAST:
            least = [SampledPrompts(one.n_requests, float(one.least_usd or 0)) for one in drawn.rendered]
            most = [SampledPrompts(one.n_requests, float(one.most_usd or 0)) for one in drawn.rendered]
            low, high = cost_bounds(drawn.counts, least, most, records=drawn.records)
            return {"basis": BOUND, "most_output_tokens": self._most, "low_usd": _money(low), "high_usd": _money(high)}
        sizes = [SampledPrompts(one.n_requests, self._size(one.text_bytes)) for one in drawn.rendered]
        found = probable_cost(drawn.counts, sizes, past, records=drawn.records)
        return {
            "basis": LANDED,
            "past_requests": len(past),
            **_tokens(rows, past),
            "expected_usd": _money(found.expected),
            "low_usd": _money(found.low),
            "high_usd": _money(found.high),
        }

    def _past_calls(self) -> Iterator[dict[str, Any]]:
        """Calls of earlier requests with the same inference version: of this run, or of the latest run that made calls."""
        facts, warehouse = self._run.facts, self._context.warehouse
        parameters = {"task": facts.task, "inference_version": facts.inference_version, "run_id": facts.run_id}
        latest = next(warehouse.stream(LATEST_REQUESTED.sql, parameters), None)
        return iter(()) if latest is None else warehouse.stream(PAST_CALLS.sql, latest)

    def _past(self, rows: Sequence[Mapping[str, Any]], *, markup_bytes: int) -> list[PastCalls] | None:
        """Returns the earlier requests at the prices of this run; None if a model has no price."""
        past = []
        for _, group in groupby(rows, key=lambda row: row["request_key"]):
            calls = list(group)
            if calls[0]["message_bytes"] is None:
                continue
            money = [self._repriced(call) for call in calls]
            if any(one is None for one in money):
                return None
            known = [one for one in money if one is not None]
            size = self._size(max(1, calls[0]["message_bytes"] - markup_bytes))
            past.append(PastCalls(size, float(sum(one[0] for one in known)), float(sum(one[1] for one in known))))
        return past

    def _repriced(self, call: Mapping[str, Any]) -> tuple[Decimal, Decimal] | None:
        """The cost of the call's input and output at present prices; an interrupted call counts at its upper estimate."""
        if call["input_tokens"] is None:
            return Decimal(0), Decimal(call["cost_usd"] or 0)
        whole = TokenUsage(
            call["uncached_input_tokens"],
            call["cached_input_tokens"],
            call["cache_write_tokens"],
            call["answer_tokens"],
            call["reasoning_tokens"],
        )
        route = call["route"] if call["attempt"] == 1 else None
        tier = None if call["is_batch"] else call["service_tier"]
        model = (call["provider"], call["request_model"])
        of_input = self._price(replace(whole, answer=0, reasoning=0), *model, route=route, tier=tier)
        of_all = self._price(whole, *model, route=route, tier=tier)
        return None if of_input is None or of_all is None else (of_input, of_all - of_input)

    def _price(
        self, usage: TokenUsage, provider: str, model: str, *, route: str | None, tier: str | None = None
    ) -> Decimal | None:
        """Returns the price on the route, at the batch tier if the run uses it; never if `route` is None."""
        is_batch = route is not None and self._run.options.batch and self._goes_by_batch(provider, route)
        return self._context.prices.price(
            usage, provider=provider, model=model, on=self._today, tier=None if is_batch else tier, is_batch=is_batch
        ).usd

    def _goes_by_batch(self, provider: str, route: str) -> bool:
        first = next((one for one in self._run.task.spec.routes if one.name == route), None)
        escalates = first is not None and (first.escalate.checks or first.escalate.confidence is not None)
        known = self._context.providers.get(provider)
        return known is not None and known.batch is not None and not escalates

    def _size(self, text_bytes: int) -> float:
        """Returns the size that cost depends on; all turns have the same size, because their history is unknown."""
        return float(text_bytes) if self._run.task.spec.input.conversation is None else 1.0

    def _caps(self) -> Iterator[CapHeadroom]:
        """Yields what is left of each cap, after spending and after the maximum cost of other runs' batches."""
        caps, facts = (
            caps_of(self._context.settings, self._run.task, budget_usd=self._run.options.budget_usd),
            self._run.facts,
        )
        if not caps.any:
            return
        month = this_month()
        landed = WarehouseSpending(self._context.warehouse, caps).landed(facts, month=month)
        out = [lease for lease in landed.leases if lease.run_id != facts.run_id]
        accounts = zip(
            ("run", "task", "project"),
            account_names(facts.run_id, facts.task, month=month),
            (caps.run_usd, caps.task_usd, caps.month_usd),
            (landed.run_usd, landed.task_usd, landed.month_usd),
            strict=True,
        )
        for what, account, cap, spent in accounts:
            if cap is not None:
                held = usd(sum(lease.held for lease in out if account in lease.accounts))
                yield CapHeadroom(what=what, cap_usd=cap, left_usd=max(Decimal(0), cap - spent - held))


def _where_it_stops(caps: Sequence[CapHeadroom], estimate: Mapping[str, Any], drawn: _Drawn) -> dict[str, Any]:
    """Returns the tightest cap if even the lower bound exceeds it, and the number of requests that it covers.

    A call is made only if its maximum cost fits under the cap, so up to that amount stays unspent.
    """
    tightest = min(caps, key=lambda cap: cap.left_usd, default=None)
    low, high = estimate.get("low_usd"), estimate.get("high_usd")
    if tightest is None or not low or not high or low <= tightest.left_usd:
        return {}
    last_call = max(one.most_usd or Decimal(0) for one in drawn.rendered)
    spendable = max(Decimal(0), tightest.left_usd - last_call)
    reaches = tuple(int(float(spendable / end) * drawn.counts.requests) for end in (high, low))
    return {"stops_at": tightest.what, "reaches": reaches}


def _tokens(rows: Sequence[Mapping[str, Any]], past: Sequence[PastCalls]) -> dict[str, Any]:
    counted = [row for row in rows if row["input_tokens"] is not None]
    sized = [row for row in counted if row["message_bytes"] is not None]
    tokens, output_tokens = sum(row["input_tokens"] for row in sized), sum(row["output_tokens"] for row in counted)
    return {
        "bytes_per_token": sum(row["message_bytes"] for row in sized) / tokens if tokens else None,
        "output_tokens_per_request": output_tokens / len(past),
    }


def _money(amount: float) -> Decimal:
    return Decimal(amount).quantize(PLACES)
