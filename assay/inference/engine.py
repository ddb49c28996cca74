"""Turns one request into its prediction: routes, retries, validation, one repair, fallback value."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

import orjson
from pydantic import BaseModel

from assay.errors import ServiceUnreachable, UsageError
from assay.inference.caches.protocol import AnswerCache, CachedAnswer, NoCache, PaidAnswer
from assay.inference.call_rows import CallFacts
from assay.inference.calls import STOPPED, BudgetReached, CallMaker, RenderedPrompt, RequestState
from assay.inference.cancelling import within
from assay.inference.endpoint.backoff import Backoff
from assay.inference.endpoint.circuit import Circuits
from assay.inference.endpoint.failures import RETRYABLE, STOPS_THE_RUN, CallFailure, FailureKind
from assay.inference.endpoint.rejections import Rejections
from assay.inference.endpoint.replies import Reply
from assay.inference.prompts import Message, PromptFailed, repair_messages
from assay.inference.request import Request, RequestResult, prediction_row
from assay.inference.routing.counterfactual import counterfactual_cost
from assay.inference.routing.outcome import RouteAnswer, RouteFailure
from assay.inference.routing.protocol import Router
from assay.inference.routing.record import Escalation, routing_column
from assay.inference.telemetry.protocol import Events, NoEvents, RequestTracing
from assay.inference.validation import Invalid, Valid, validate
from assay.records.statuses import CallPurpose, CallStatus, PredictionStatus
from assay.tasks.spec import RouteSpec

ANSWERING, JUDGING = (CallPurpose.ANSWER, CallPurpose.REPAIR), (CallPurpose.JUDGE, CallPurpose.JUDGE)
"""Values of the column `responses.purpose` for the first call and for a repair."""
STOP_ADVICE = {
    FailureKind.BAD_REQUEST: "correct the task or the route, then resume the run",
    FailureKind.AUTH: "check the key that providers.yml names",
    FailureKind.OUT_OF_QUOTA: "raise the account's quota or choose another route",
    FailureKind.MODEL_NOT_FOUND: "correct `model` of the route in task.yml, or `base_url` in providers.yml",
    FailureKind.PARAMETER_REFUSED: "change `parameters` in task.yml to what the model accepts, or choose another model",
}
OK, REPAIRED = PredictionStatus.OK, PredictionStatus.REPAIRED
CALL_REFUSED, CALL_TRUNCATED = CallStatus.REFUSED, CallStatus.TRUNCATED
DEADLINE_S = 900.0
STATUS_OF_LAST_CALL = {
    CallStatus.REFUSED: PredictionStatus.REFUSED,
    CallStatus.INVALID_OUTPUT: PredictionStatus.INVALID_OUTPUT,
}
"""Maps the status of the last call to the status of the prediction; any other status maps to `failed`."""
REPAIRABLE = frozenset({FailureKind.INVALID_OUTPUT.value, FailureKind.TRUNCATED.value})
CUT_OFF = "it was cut off at the limit of tokens; be shorter"
CIRCUIT_OPEN = "the circuit is open because the route's endpoint keeps failing; no call was made"


NOT_PAID = RouteFailure(PredictionStatus.SKIPPED_BUDGET, "budget", "the run's budget is used up")


class RunAborted(Exception):
    """Raised when an error stops the run; holds the error and the rows of the calls made."""

    def __init__(self, error: Exception, work: RequestState) -> None:
        super().__init__(str(error))
        self.error = error
        self.work = work


@dataclass(frozen=True, slots=True)
class Engine:
    """Makes the predictions of one run; `fallback` is the declared output for requests on which every route failed."""

    calls: CallMaker
    router: Router
    output_model: type[BaseModel]
    fallback: Mapping[str, Any] | None = None
    cache: AnswerCache = field(default_factory=NoCache)
    tracing: RequestTracing | None = None
    events: Events = field(default_factory=NoEvents)
    purposes: tuple[CallPurpose, CallPurpose] = ANSWERING
    deadline_s: float = DEADLINE_S
    backoff: Backoff = field(default_factory=Backoff)
    circuits: Circuits = field(default_factory=Circuits)
    rejections: Rejections = field(default_factory=Rejections)
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    clock: Callable[[], float] = time.monotonic
    now: Callable[[], datetime] = lambda: datetime.now(UTC)

    async def answer(self, request: Request) -> RequestResult:
        """Returns the prediction and the rows of every call made for it.

        If cancelled after a call, it returns the rows of its calls without a prediction, because the calls may have been
        billed.

        Raises:
            RunAborted: an error affects every record (for example a rejected API key), or a service or the disk failed.
        """
        work = RequestState(request, self.now(), self.clock() + self.deadline_s)
        if self.tracing is None:
            return await self._answer(work)
        span, answered = self.tracing.start_request(request.position, epoch=request.epoch), None
        work.trace_id = span.trace_id
        try:
            answered = await self._answer(work)
        finally:
            span.end(answered.prediction if answered is not None else None, work.responses)
        return answered

    async def _answer(self, work: RequestState) -> RequestResult:
        try:
            return await self._through_routes(work)
        except BudgetReached:
            self.events.emit("budget_reached", **self._money())
            return self._unanswered(work, _failure_at_cap(work))
        except PromptFailed as error:
            return self._unanswered(
                work, RouteFailure(PredictionStatus.FAILED, FailureKind.BAD_REQUEST.value, str(error))
            )
        except RunAborted:
            raise
        except Exception as error:  # whatever fails, the rows of calls that are paid for land
            raise RunAborted(error, work) from error
        except asyncio.CancelledError:
            if not work.responses:
                raise
            return RequestResult(None, tuple(work.responses), tuple(work.contents))

    def settle_batch(self, call: CallFacts, messages: bytes, outcome: Reply | CallFailure) -> RequestResult:
        """The rows of a batch call, and the prediction if the response is valid.

        Without a prediction, the caller sends the request again as a synchronous call.
        """
        work = RequestState(call.request, call.started_at, self.clock() + self.deadline_s, trace_id=call.trace_id)
        work.responses.append(self.calls.rows.response(call, outcome, latency_ms=None))
        work.contents.append(self.calls.rows.content(call, messages, outcome, latency_ms=None))
        if isinstance(outcome, Reply):
            judged = self._judge(work, outcome, call.route, status=OK)
            if isinstance(judged, RouteAnswer):
                return self._answered(work, judged, (call.route,))
        return RequestResult(None, tuple(work.responses), tuple(work.contents))

    async def _through_routes(self, work: RequestState) -> RequestResult:
        messages = self.calls.prompts.messages(work.request.fields, history=work.request.history)
        routes = self.router.routes(work.request.fields)
        failures: list[RouteFailure] = []
        kept: RouteAnswer | None = None
        for route in routes:
            outcome = await self._try_route(work, route, messages, doubted=kept)
            if isinstance(outcome, RouteAnswer):
                kept = outcome
            else:
                failures.append(outcome)
            is_late = self.clock() >= work.deadline
            if route is routes[-1] or is_late or not self._escalates(work, route, outcome):
                break
        if kept is not None:
            return self._answered(work, kept, routes)
        self._refuse_if_nothing_connects(work, failures)
        return self._unanswered(work, failures[-1])

    def _escalates(self, work: RequestState, route: RouteSpec, outcome: RouteAnswer | RouteFailure) -> bool:
        """True if the next route must be requested; records the escalation and its reason."""
        if isinstance(outcome, RouteFailure):
            reason = outcome.error_type if route.escalate.on_invalid else None
        else:
            fields = work.request.fields
            reason = self.router.escalates(
                route, output=outcome.valid.output, confidence=outcome.confidence, fields=fields
            )
        if reason is None:
            return False
        confidence = outcome.confidence if isinstance(outcome, RouteAnswer) else None
        work.escalations.append(Escalation(route=route.name, reason=reason, confidence=confidence))
        self.events.emit("route_escalated", route=route.name, reason=reason, trace_id=work.trace_id)
        return True

    async def _try_route(
        self, work: RequestState, route: RouteSpec, messages: list[Message], *, doubted: RouteAnswer | None
    ) -> RouteAnswer | RouteFailure:
        """The outcome of the route, or its failure if the request's deadline passes in whatever it waits for.

        If the budget is used up, an earlier route's low-confidence response is kept.
        """
        try:
            return await within(work.deadline - self.clock(), self._request_route(work, route, messages))
        except TimeoutError:
            return self._too_late(work)
        except BudgetReached:
            if doubted is None:
                raise
            return NOT_PAID

    def _too_late(self, work: RequestState) -> RouteFailure:
        message = f"no valid response within deadline_s ({self.deadline_s:g} s)"
        if work.responses and work.responses[-1].error_message == STOPPED.message:  # the call in flight was abandoned
            work.responses[-1] = replace(
                work.responses[-1], error_type=FailureKind.TIMEOUT.value, error_message=f"call abandoned: {message}"
            )
        return RouteFailure(PredictionStatus.FAILED, FailureKind.TIMEOUT.value, message)

    async def _request_route(
        self, work: RequestState, route: RouteSpec, messages: list[Message]
    ) -> RouteAnswer | RouteFailure:
        turn = self.calls.turn(work.request, route, messages, purpose=self.purposes[0])
        found = await self.cache.find(work.request, turn.body, lane=route.lane)
        if found is not None and (answer := self._given_again(found, route)) is not None:
            return answer
        reply = await self._reply(work, turn)
        if isinstance(reply, CallFailure):
            is_refusal = reply.kind is FailureKind.CONTENT_FILTER
            status = PredictionStatus.REFUSED if is_refusal else PredictionStatus.FAILED
            never_sent = reply.kind is FailureKind.CONNECT and not reply.broke_off
            return RouteFailure(status, reply.kind.value, reply.message, never_sent=never_sent)
        judged = self._judge(work, reply, route, status=OK)
        if isinstance(judged, RouteAnswer):
            await self._keep(work, turn, reply, judged)
            return judged
        if judged.error_type not in REPAIRABLE or not route.repair:
            return judged
        again = repair_messages(messages, answer=reply.text or "", error=judged.message)
        repaired = await self._reply(work, self.calls.turn(work.request, route, again, purpose=self.purposes[1]))
        if isinstance(repaired, CallFailure):
            return judged
        return self._judge(work, repaired, route, status=REPAIRED)

    def _given_again(self, found: CachedAnswer, route: RouteSpec) -> RouteAnswer | None:
        """The cached response, if the current output model accepts it."""
        validated = validate(found.output, self.output_model)
        if not isinstance(validated, Valid):
            return None
        return RouteAnswer(OK, validated, route.name, found.call_id, found.confidence, found.source)

    async def _keep(self, work: RequestState, turn: RenderedPrompt, reply: Reply, answer: RouteAnswer) -> None:
        """Caches the response, unless it had to be repaired or the request had failed in an earlier run.

        A later run that requests everything anew would otherwise find responses of the requests that failed, and only
        of those.
        """
        if answer.status != OK or work.request.first is not None or isinstance(self.cache, NoCache):
            return
        paid = PaidAnswer(
            output=answer.valid.written,
            route=answer.route,
            lane=turn.route.lane,
            call_id=answer.call_id,
            response_model=reply.response_model,
            confidence=answer.confidence,
        )
        await self.cache.store(work.request, turn.body, paid)

    def _judge(
        self, work: RequestState, reply: Reply, route: RouteSpec, *, status: PredictionStatus
    ) -> RouteAnswer | RouteFailure:
        """The outcome of the last call: a valid response, or the reason it was rejected."""
        response = work.responses[-1]
        if response.status == CALL_REFUSED:
            kind = response.error_type or FailureKind.REFUSED.value
            return RouteFailure(PredictionStatus.REFUSED, kind, reply.refusal or f"finish_reason {reply.finish_reason}")
        validated = validate(reply.text or "", self.output_model)
        if isinstance(validated, Valid):
            status = REPAIRED if validated.rescued else status
            return RouteAnswer(status, validated, route.name, response.call_id, reply.confidence)
        if response.status == CALL_TRUNCATED:
            return RouteFailure(PredictionStatus.FAILED, FailureKind.TRUNCATED.value, CUT_OFF)
        return self._invalid(work, validated)

    def _invalid(self, work: RequestState, found: Invalid) -> RouteFailure:
        work.responses[-1] = replace(
            work.responses[-1],
            status=CallStatus.INVALID_OUTPUT,
            error_type=FailureKind.INVALID_OUTPUT.value,
            error_message=self.calls.rows.scrub(found.error),
        )
        return RouteFailure(PredictionStatus.INVALID_OUTPUT, FailureKind.INVALID_OUTPUT.value, found.error)

    async def _reply(self, work: RequestState, turn: RenderedPrompt) -> Reply | CallFailure:
        """The outcome of the call, after the retries that its kind of failure permits."""
        route, attempt, limited = turn.route, 0, 0
        while await self._closed_circuit(work, route):
            outcome, call_id = await self.calls.call(work, turn)
            self.circuits.note(route.name, outcome, is_first=attempt == limited == 0)
            rejects_all = self.rejections.note(route.name, outcome)
            if isinstance(outcome, Reply):
                return outcome
            self._report_failure(work, turn, outcome, call_id)
            self._refuse_if_hopeless(work, route, outcome, rejects_all=rejects_all)
            # A rate-limited call costs nothing, so the deadline bounds its retries, not the number of attempts.
            limited += outcome.kind is FailureKind.RATE_LIMITED
            attempt += outcome.kind is not FailureKind.RATE_LIMITED
            if outcome.kind not in RETRYABLE or attempt >= route.max_attempts:
                return outcome
            wait = self.backoff.wait_s(attempt or limited, outcome.retry_after_s)
            if self.clock() + wait > work.deadline:
                return outcome
            await self.sleep(wait)
        return CallFailure(FailureKind.SERVER, CIRCUIT_OPEN)

    def _report_failure(self, work: RequestState, turn: RenderedPrompt, failure: CallFailure, call_id: str) -> None:
        self.events.emit(
            "call_failed",
            lane=turn.route.lane,
            route=turn.route.name,
            kind=failure.kind.value,
            http_status=failure.http_status,
            attempt=len(work.responses),
            purpose=turn.purpose,
            retry_after_s=failure.retry_after_s,
            call_id=call_id,
            trace_id=work.trace_id,
        )

    def _money(self) -> dict[str, float | None]:
        spent, cap = self.calls.budget.spent_usd, self.calls.budget.cap_usd
        return {"spent_usd": float(spent), "cap_usd": None if cap is None else float(cap)}

    async def _closed_circuit(self, work: RequestState, route: RouteSpec) -> bool:
        """True if a call may be made; on the last route, waits for the circuit to close, because no other route is left."""
        while (wait := self.circuits.wait_s(route.name)) > 0:
            is_last = self.router.routes(work.request.fields)[-1].name == route.name
            if not is_last or self.clock() + wait > work.deadline:
                return False
            await self.sleep(wait)
        return True

    def _refuse_if_hopeless(
        self, work: RequestState, route: RouteSpec, failure: CallFailure, *, rejects_all: bool
    ) -> None:
        if failure.kind not in STOPS_THE_RUN and not rejects_all:
            return
        stated = f"Provider '{route.provider}': {self.calls.rows.scrub(failure.message)}"
        if rejects_all:
            stated = (
                f"The first {self.rejections.first_requests} requests of route '{route.name}' were rejected. {stated}"
            )
        raise RunAborted(UsageError(stated, next_step=f"{STOP_ADVICE[failure.kind]}."), work)

    def _refuse_if_nothing_connects(self, work: RequestState, failures: list[RouteFailure]) -> None:
        if all(failure.never_sent for failure in failures):
            error = ServiceUnreachable(
                f"No endpoint accepts connections ({failures[-1].message})",
                next_step="check `assay status` and the base_url in providers.yml.",
            )
            raise RunAborted(error, work)

    def _answered(self, work: RequestState, answer: RouteAnswer, routes: Sequence[RouteSpec]) -> RequestResult:
        counterfactual = None
        if len(routes) > 1:
            counterfactual = counterfactual_cost(
                work.responses, route=answer.route, last=routes[-1], prices=self.calls.rows.prices
            )
        return self._final(
            work,
            status=answer.status,
            output=answer.valid.written,
            route=answer.route,
            call_id=answer.call_id,
            answer_source=answer.source,
            routing=routing_column(routes, work.escalations, confidence=answer.confidence),
            counterfactual_cost_usd=counterfactual,
        )

    def _unanswered(self, work: RequestState, failure: RouteFailure) -> RequestResult:
        message = self.calls.rows.scrub(failure.message)
        status, output = failure.status, None
        if self.fallback is not None and status != PredictionStatus.SKIPPED_BUDGET:
            status, output = PredictionStatus.FALLBACK, orjson.dumps(self.fallback).decode()
        return self._final(work, status=status, output=output, error_type=failure.error_type, error_message=message)

    def _final(
        self, work: RequestState, *, status: PredictionStatus, output: str | None = None, **columns: Any
    ) -> RequestResult:
        prediction = prediction_row(
            self.calls.rows.facts,
            work.request,
            started_at=work.started_at,
            finished_at=self.now(),
            status=status,
            output=output,
            calls=len(work.responses),
            **columns,
        )
        return RequestResult(prediction, tuple(work.responses), tuple(work.contents))


def _failure_at_cap(work: RequestState) -> RouteFailure:
    """`skipped_budget` if nothing was sent; otherwise derived from the last call, so that rates include the record."""
    if not work.responses:
        return NOT_PAID
    last = work.responses[-1]
    status = STATUS_OF_LAST_CALL.get(last.status, PredictionStatus.FAILED)
    return RouteFailure(status, last.error_type or last.status, last.error_message or NOT_PAID.message)
