"""Makes one call: reserves budget, waits for the rate limiter, writes the journal, sends the request, settles the cost.

The engine decides how to handle the outcome (retry, repair, next route).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import Protocol

import orjson

from assay.inference.budgets.protocol import Budget
from assay.inference.call_rows import CallFacts, CallRows
from assay.inference.endpoint.client import ModelClient
from assay.inference.endpoint.failures import CallFailure, FailureKind
from assay.inference.endpoint.replies import Reply
from assay.inference.keys import new_id
from assay.inference.limits.protocol import Limiter
from assay.inference.limits.tokens import OUTPUT_TOKENS_UNSTATED, TokenEstimator
from assay.inference.prompts import Message, Prompts
from assay.inference.request import Request
from assay.inference.routing.record import Escalation
from assay.inference.usage import TokenUsage
from assay.performance.fast_init import quick_init
from assay.records import Content, Response
from assay.records.statuses import CallPurpose
from assay.tasks.spec import RouteSpec

BYTES_PER_TOKEN = 3
MANY = 1000
STOPPED = CallFailure(FailureKind.CONNECT, "the run stopped while the call was in progress", broke_off=True)


class BudgetReached(Exception):
    """Raised if the budget does not cover the call; nothing was sent."""


class CallJournal(Protocol):
    """Records a call before it is sent."""

    def dispatched(self, call: CallFacts) -> None:
        """Writes the call to disk as dispatched, so that it is known after a crash."""
        ...


@dataclass(slots=True)
class RequestState:
    """A request in progress and the rows of its calls so far; `deadline` is a reading of the engine's clock."""

    request: Request
    started_at: datetime
    deadline: float
    trace_id: str = field(default_factory=new_id)
    responses: list[Response] = field(default_factory=list)
    contents: list[Content] = field(default_factory=list)
    escalations: list[Escalation] = field(default_factory=list)


@quick_init
@dataclass(frozen=True, slots=True)
class RenderedPrompt:
    """A prompt rendered for one route: the messages as JSON, and the request body that contains them."""

    route: RouteSpec
    purpose: CallPurpose
    messages: bytes
    body: bytes


@dataclass(frozen=True, slots=True)
class CallMaker:
    """Makes the calls of one run; its dependencies are injected."""

    rows: CallRows
    prompts: Prompts
    clients: Mapping[str, ModelClient]
    limiter: Limiter
    budget: Budget
    journal: CallJournal | None = None
    clock: Callable[[], float] = time.perf_counter
    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    _rates: dict[tuple[str, str], tuple[Decimal, Decimal]] = field(default_factory=dict)
    _tokens: dict[str, TokenEstimator] = field(default_factory=dict)

    def turn(
        self, request: Request, route: RouteSpec, messages: list[Message], *, purpose: CallPurpose
    ) -> RenderedPrompt:
        """Returns the messages and the request body for this route."""
        encoded = orjson.dumps(messages)
        body = self.prompts.body(encoded, route, request)
        return RenderedPrompt(route, purpose, encoded, body)

    async def call(self, work: RequestState, turn: RenderedPrompt) -> tuple[Reply | CallFailure, str]:
        """Makes the call and returns its outcome and its id; the call's rows are appended to `work`.

        If cancelled during the call, it appends the call's row with unknown billing and then raises `CancelledError`.

        Raises:
            BudgetReached: the budget does not cover the call, so it was not made.
        """
        estimate = self.estimate(turn)
        if not await self.budget.reserve(estimate):
            raise BudgetReached
        made = len(work.responses)
        try:
            outcome = await self._in_turn(work, turn, estimate)
        finally:
            self.budget.settle(estimate, paid(work.responses[made:]))
        return outcome, work.responses[-1].call_id

    def estimate(self, turn: RenderedPrompt) -> Decimal:
        """Upper bound on the call's cost in USD: input tokens estimated from the body's bytes, plus the maximum output."""
        key = (turn.route.provider, turn.route.model)
        rate = self._rates.get(key)
        if rate is None:
            rate = self._rates[key] = self._rate(*key)
        return rate[0] * (len(turn.body) // BYTES_PER_TOKEN) + rate[1]

    def _rate(self, provider: str, model: str) -> tuple[Decimal, Decimal]:
        """USD per input token, and the cost in USD of the maximum number of output tokens."""
        day, most = self.now().date(), self.prompts.max_tokens or OUTPUT_TOKENS_UNSTATED
        input_cost = self.rows.prices.price(TokenUsage(MANY, 0, 0, 0, 0), provider=provider, model=model, on=day)
        output_cost = self.rows.prices.price(TokenUsage(0, 0, 0, most, 0), provider=provider, model=model, on=day)
        return (input_cost.usd or Decimal(0)) / MANY, output_cost.usd or Decimal(0)

    async def _in_turn(self, work: RequestState, turn: RenderedPrompt, estimate: Decimal) -> Reply | CallFailure:
        lane, estimator = turn.route.lane, self._estimator(turn.route.lane)
        tokens = estimator.estimate(len(turn.body), max_tokens=self.prompts.max_tokens)
        queue_ms = await self.limiter.acquire(lane, tokens)
        outcome: Reply | CallFailure = STOPPED
        made = len(work.responses)
        try:
            call = CallFacts(
                call_id=new_id(),
                request=work.request,
                route=turn.route,
                purpose=turn.purpose,
                attempt=made + 1,
                trace_id=work.trace_id,
                started_at=self.now(),
                estimate_usd=estimate,
                queue_ms=queue_ms,
            )
            outcome = await self._send(work, turn, call)
        finally:
            used = _learn(estimator, turn, work.responses[made:])
            self.limiter.release(lane, held_tokens=tokens, used_tokens=used, outcome=outcome)
        return outcome

    def _estimator(self, lane: str) -> TokenEstimator:
        found = self._tokens.get(lane)
        if found is None:
            found = self._tokens[lane] = TokenEstimator()
        return found

    async def _send(self, work: RequestState, turn: RenderedPrompt, call: CallFacts) -> Reply | CallFailure:
        if self.journal is not None:
            self.journal.dispatched(call)
        outcome: Reply | CallFailure = STOPPED
        began = self.clock()
        try:
            outcome = await self.clients[turn.route.provider].complete(
                turn.body, model=turn.route.model, timeout_s=turn.route.timeout_s
            )
        finally:
            latency_ms = (self.clock() - began) * 1000
            work.responses.append(self.rows.response(call, outcome, latency_ms=latency_ms))
            work.contents.append(self.rows.content(call, turn.messages, outcome, latency_ms=latency_ms))
        return outcome


def paid(responses: Sequence[Response]) -> Decimal:
    """Total cost in USD of the calls; a call with unknown billing counts at its upper bound."""
    costs = (row.cost_usd if row.cost_usd is not None else row.cost_upper_usd for row in responses)
    return sum((cost for cost in costs if cost is not None), Decimal(0))


def _learn(estimator: TokenEstimator, turn: RenderedPrompt, responses: Sequence[Response]) -> int | None:
    """Updates the estimator with the tokens that the provider counted, and returns their sum; None without usage."""
    if not responses or responses[0].input_tokens is None or responses[0].output_tokens is None:
        return None
    input_tokens, output_tokens = responses[0].input_tokens, responses[0].output_tokens
    estimator.learn(len(turn.body), input_tokens=input_tokens, output_tokens=output_tokens)
    return input_tokens + output_tokens
