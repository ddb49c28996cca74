"""Builds the `responses` row and the `content` row of a call."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import ROUND_CEILING, Decimal
from typing import Any

import orjson

from assay.inference.endpoint.failures import CallFailure, FailureKind
from assay.inference.endpoint.replies import Reply, StopReason
from assay.inference.prices import PLACES, Price, PriceBook
from assay.inference.request import Request, RunFacts
from assay.performance.fast_init import quick_init
from assay.records import Content, Response
from assay.records.statuses import Billing, CallPurpose, CallStatus
from assay.tasks.spec import RouteSpec

CONTENT_CHARACTERS = 1_000_000
"""Maximum number of characters stored of a response, so that its row fits into one request to the warehouse."""
OK, REFUSED, TRUNCATED = CallStatus.OK, CallStatus.REFUSED, CallStatus.TRUNCATED
KNOWN, UNKNOWN = Billing.KNOWN, Billing.UNKNOWN
NOT_BILLED = Price(Decimal(0), "not billed: the call ended without an answer")  # stored in `responses.price_source`


@quick_init
@dataclass(frozen=True, slots=True)
class CallFacts:
    """What is known about a call before it is sent; `estimate_usd` is an upper bound on its cost."""

    call_id: str
    request: Request
    route: RouteSpec
    purpose: CallPurpose
    attempt: int
    trace_id: str
    started_at: datetime
    estimate_usd: Decimal
    queue_ms: float | None
    is_batch: bool = False


@dataclass(frozen=True, slots=True)
class CallRows:
    """Builds the rows of one run's calls; `scrub` masks personal values in error messages."""

    facts: RunFacts
    prices: PriceBook
    scrub: Callable[[str], str]

    def response(self, call: CallFacts, outcome: Reply | CallFailure, *, latency_ms: float | None) -> Response:
        """The `responses` row of the call and its outcome; `latency_ms` is None for a batch call."""
        columns = self._failure(call, outcome) if isinstance(outcome, CallFailure) else self._reply(call, outcome)
        request, route = call.request, call.route
        return Response(
            call_id=call.call_id,
            run_id=self.facts.run_id,
            task=self.facts.task,
            data_date=self.facts.data_date,
            occurred_at=call.started_at + timedelta(milliseconds=latency_ms or 0.0),
            tenant_id=request.tenant_id,
            request_key=request.key,
            record_id=request.record_id,
            epoch=request.epoch,
            attempt=call.attempt,
            purpose=call.purpose,
            route=route.name,
            provider=route.provider,
            request_model=route.model,
            started_at=call.started_at,
            latency_ms=latency_ms,
            queue_ms=call.queue_ms,
            is_batch=call.is_batch,
            trace_id=call.trace_id,
            **columns,
        )

    def content(
        self, call: CallFacts, messages: bytes, outcome: Reply | CallFailure, *, latency_ms: float | None
    ) -> Content:
        """The `content` row: the messages as sent (JSON), and the text of the response."""
        text = outcome.text if isinstance(outcome, Reply) else None
        return Content(
            call_id=call.call_id,
            run_id=self.facts.run_id,
            task=self.facts.task,
            data_date=self.facts.data_date,
            occurred_at=call.started_at + timedelta(milliseconds=latency_ms or 0.0),
            tenant_id=call.request.tenant_id,
            request_key=call.request.key,
            record_id=call.request.record_id,
            messages=messages.decode(),
            output_text=text[:CONTENT_CHARACTERS] if text is not None else None,
            subject_key=call.request.subject_key,
            masking_version=self.facts.masking_version,
        )

    def _failure(self, call: CallFacts, failure: CallFailure) -> dict[str, Any]:
        unknown = not failure.billing_known
        return {
            "status": REFUSED if failure.kind is FailureKind.CONTENT_FILTER else CallStatus.ERROR,
            "error_type": failure.kind.value,
            "error_message": self.scrub(failure.message),
            "http_status": failure.http_status,
            "billing": UNKNOWN if unknown else KNOWN,
            "cost_usd": None if unknown else NOT_BILLED.usd,
            "price_source": None if unknown else NOT_BILLED.source,
            "cost_upper_usd": _upper(call) if unknown else None,
        }

    def _reply(self, call: CallFacts, reply: Reply) -> dict[str, Any]:
        return {
            "status": _reply_status(reply),
            "error_type": _reply_error(reply),
            "http_status": 200,
            "finish_reason": reply.finish_reason,
            "response_id": reply.response_id,
            "response_model": reply.response_model,
            "service_tier": reply.service_tier,
            "usage": orjson.dumps(reply.usage).decode() if reply.usage else None,
            **self._money(call, reply),
        }

    def _money(self, call: CallFacts, reply: Reply) -> dict[str, Any]:
        usage, day, route = reply.tokens, call.started_at.date(), call.route
        if usage is None:
            return {"billing": UNKNOWN, "cost_upper_usd": _upper(call)}
        price = self.prices.price(
            usage,
            provider=route.provider,
            model=route.model,
            on=day,
            tier=reply.service_tier,
            is_batch=call.is_batch,
        )
        reference = self.prices.reference_price(usage, on=day)
        return {
            "billing": KNOWN,
            "cost_usd": price.usd,
            "price_source": price.source,
            "input_tokens": usage.input,
            "output_tokens": usage.output,
            "uncached_input_tokens": usage.uncached_input,
            "cached_input_tokens": usage.cached_input,
            "cache_write_tokens": usage.cache_write,
            "answer_tokens": usage.answer,
            "reasoning_tokens": usage.reasoning,
            "reference_model": self.prices.reference_model,
            "reference_cost_usd": reference.usd,
            "reference_price_source": reference.source,
        }


def _upper(call: CallFacts) -> Decimal:
    """Upper bound on the call's cost, rounded up to the decimal places that the warehouse stores."""
    return call.estimate_usd.quantize(PLACES, ROUND_CEILING)


def _reply_status(reply: Reply) -> CallStatus:
    if reply.refusal or reply.stop is StopReason.CONTENT_FILTER:
        return REFUSED
    return TRUNCATED if reply.stop is StopReason.LENGTH else OK


def _reply_error(reply: Reply) -> str | None:
    if reply.stop is StopReason.CONTENT_FILTER:
        return FailureKind.CONTENT_FILTER.value
    if reply.refusal:
        return FailureKind.REFUSED.value
    return FailureKind.TRUNCATED.value if reply.stop is StopReason.LENGTH else None
