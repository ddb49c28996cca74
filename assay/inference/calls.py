"""Makes one call and its rows: reserve, wait for a slot, send, price, settle.

What to do with the outcome (retry, repair, next route) is decided in `engine.py`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import orjson

from assay.inference.budget import Budget
from assay.inference.client import ModelClient, Reply
from assay.inference.failures import CallFailure, FailureKind
from assay.inference.keys import new_id
from assay.inference.limiter import Limiter
from assay.inference.prices import Price, PriceBook
from assay.inference.prompts import Message, PromptRenderer
from assay.inference.request import Request, RunFacts
from assay.inference.usage import TokenUsage, token_usage
from assay.records import Content, Response
from assay.tasks.spec import RouteSpec

BYTES_PER_TOKEN = 3
OUTPUT_TOKENS_UNSTATED = 1024
CONTENT_CHARACTERS = 1_000_000
"""What is kept of an answer at most, so that its row fits into one request to the warehouse."""
STOPPED = CallFailure(FailureKind.CONNECT, "stopped while the call was under way", broke_off=True)
NOT_BILLED = Price(Decimal(0), "not billed: the call ended without an answer")


class BudgetReached(Exception):
    """The budget holds no room for the call; nothing was sent."""


@dataclass
class CallLog:
    """The calls of one request so far."""

    responses: list[Response] = field(default_factory=list)
    contents: list[Content] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Timing:
    started_at: datetime
    latency_ms: float
    queue_ms: float


@dataclass(frozen=True, slots=True)
class CallMaker:
    """Makes calls for one run; parts are injected, `scrub` masks messages of errors."""

    facts: RunFacts
    prompts: PromptRenderer
    clients: Mapping[str, ModelClient]
    limiter: Limiter
    budget: Budget
    prices: PriceBook
    scrub: Callable[[str], str]
    clock: Callable[[], float] = time.perf_counter
    now: Callable[[], datetime] = lambda: datetime.now(UTC)

    async def call(
        self, request: Request, route: RouteSpec, messages: list[Message], *, purpose: str, log: CallLog, trace_id: str
    ) -> tuple[Reply | CallFailure, str]:
        """The outcome and the id of the call; its rows are in `log`.

        A cancellation in the middle of the call goes on after its row, with billing unknown, is in the log.

        Raises:
            BudgetReached: the call was not made.
        """
        body = self.prompts.body(messages, route.model)
        estimate = self._estimate(body, route)
        if not self.budget.reserve(estimate):
            raise BudgetReached
        call_id, actual = new_id(), Decimal(0)
        identity = (call_id, purpose, len(log.responses) + 1, trace_id)
        try:
            async with self.limiter.slot(route.provider) as queue_ms:
                started_at, began = self.now(), self.clock()
                outcome: Reply | CallFailure = STOPPED
                try:
                    outcome = await self.clients[route.provider].complete(body, timeout_s=route.timeout_s)
                finally:
                    timing = _Timing(started_at, (self.clock() - began) * 1000, queue_ms)
                    response = self._response(request, route, outcome, timing, estimate, identity)
                    paid = response.cost_usd if response.cost_usd is not None else response.cost_upper_usd
                    actual = paid or Decimal(0)
                    log.responses.append(response)
                    log.contents.append(self._content(request, response, messages, outcome))
        finally:
            self.budget.settle(estimate, actual)
        return outcome, call_id

    def _estimate(self, body: Mapping[str, Any], route: RouteSpec) -> Decimal:
        sent = len(orjson.dumps(body)) // BYTES_PER_TOKEN
        parameters = self.prompts.parameters
        most = int(parameters.get("max_completion_tokens") or parameters.get("max_tokens") or OUTPUT_TOKENS_UNSTATED)
        usage = TokenUsage(uncached_input=sent, cached_input=0, cache_write=0, answer=most, reasoning=0)
        price = self.prices.price(usage, provider=route.provider, model=route.model, on=self.now().date())
        return price.usd or Decimal(0)

    def _response(
        self,
        request: Request,
        route: RouteSpec,
        outcome: Reply | CallFailure,
        timing: _Timing,
        estimate: Decimal,
        identity: tuple[str, str, int, str],
    ) -> Response:
        call_id, purpose, attempt, trace_id = identity
        ended_at = timing.started_at + timedelta(milliseconds=timing.latency_ms)
        return Response(
            call_id=call_id,
            run_id=self.facts.run_id,
            task=self.facts.task,
            data_date=self.facts.data_date,
            occurred_at=ended_at,
            tenant_id=request.tenant_id,
            request_key=request.key,
            record_id=request.record_id,
            epoch=request.epoch,
            attempt=attempt,
            purpose=purpose,
            route=route.name,
            provider=route.provider,
            request_model=route.model,
            started_at=timing.started_at,
            latency_ms=timing.latency_ms,
            queue_ms=timing.queue_ms,
            is_batch=False,
            trace_id=trace_id,
            **self._outcome_columns(route, outcome, timing, estimate),
        )

    def _outcome_columns(
        self, route: RouteSpec, outcome: Reply | CallFailure, timing: _Timing, estimate: Decimal
    ) -> dict[str, Any]:
        if isinstance(outcome, CallFailure):
            unknown = not outcome.billing_known
            return {
                "status": "refused" if outcome.kind is FailureKind.CONTENT_FILTER else "error",
                "error_type": outcome.kind.value,
                "error_message": self.scrub(outcome.message),
                "http_status": outcome.http_status,
                "billing": "unknown" if unknown else "known",
                "cost_usd": None if unknown else NOT_BILLED.usd,
                "price_source": None if unknown else NOT_BILLED.source,
                "cost_upper_usd": estimate if unknown else None,
            }
        return {
            "status": _reply_status(outcome),
            "error_type": _reply_error(outcome),
            "http_status": 200,
            "finish_reason": outcome.finish_reason,
            "response_id": outcome.response_id,
            "response_model": outcome.response_model,
            "service_tier": outcome.service_tier,
            "usage": orjson.dumps(outcome.usage).decode() if outcome.usage else None,
            **self._money_columns(route, outcome, timing, estimate),
        }

    def _money_columns(self, route: RouteSpec, reply: Reply, timing: _Timing, estimate: Decimal) -> dict[str, Any]:
        usage, day = token_usage(reply.usage), timing.started_at.date()
        if usage is None:
            return {"billing": "unknown", "cost_upper_usd": estimate}
        price = self.prices.price(usage, provider=route.provider, model=route.model, on=day, tier=reply.service_tier)
        reference = self.prices.reference_price(usage, on=day)
        return {
            "billing": "known",
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

    def _content(
        self, request: Request, response: Response, messages: list[Message], outcome: Reply | CallFailure
    ) -> Content:
        text = outcome.text if isinstance(outcome, Reply) else None
        return Content(
            call_id=response.call_id,
            run_id=response.run_id,
            task=response.task,
            data_date=response.data_date,
            occurred_at=response.occurred_at,
            tenant_id=request.tenant_id,
            request_key=request.key,
            record_id=request.record_id,
            messages=orjson.dumps(messages).decode(),
            output_text=text[:CONTENT_CHARACTERS] if text is not None else None,
            subject_key=request.subject_key,
            masking_version=self.facts.masking_version,
        )


def _reply_status(reply: Reply) -> str:
    if reply.refusal or reply.finish_reason == "content_filter":
        return "refused"
    return "truncated" if reply.finish_reason == "length" else "ok"


def _reply_error(reply: Reply) -> str | None:
    if reply.finish_reason == "content_filter":
        return FailureKind.CONTENT_FILTER.value
    if reply.refusal:
        return FailureKind.REFUSED.value
    return FailureKind.TRUNCATED.value if reply.finish_reason == "length" else None
