"""Gets the final answer to one request: routes, retries, validation, one repair turn, fallback value.

Only the order of things belongs here; each thing is a part of its own.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

import orjson
from pydantic import BaseModel

from assay.errors import AssayError, Unreachable, UsageError
from assay.inference.backoff import Backoff
from assay.inference.calls import BudgetReached, CallLog, CallMaker
from assay.inference.client import Reply
from assay.inference.failures import RETRYABLE, STOPS_THE_RUN, CallFailure, FailureKind
from assay.inference.keys import new_id
from assay.inference.prompts import Message, PromptFailed, repair_messages
from assay.inference.request import Answered, Request, prediction_row
from assay.inference.router import Router
from assay.inference.validation import Valid, validate
from assay.tasks.spec import RouteSpec

STOP_ADVICE = {
    FailureKind.AUTH: "check the key that providers.yml names",
    FailureKind.OUT_OF_QUOTA: "raise the account's quota or choose another route",
}


@dataclass(frozen=True, slots=True)
class _Answer:
    """A valid answer and how it came about."""

    status: str
    output: Mapping[str, Any]
    route: str
    call_id: str


@dataclass(frozen=True, slots=True)
class _Fault:
    """Why a route gave no valid answer."""

    status: str
    error_type: str
    message: str
    never_sent: bool = False


@dataclass
class _Work:
    """One request under way."""

    request: Request
    started_at: datetime
    log: CallLog = field(default_factory=CallLog)
    trace_id: str = field(default_factory=new_id)


class RunCannotGoOn(Exception):
    """Going on would spoil every record alike; holds the error for the user and the rows of the calls made."""

    def __init__(self, error: AssayError, log: CallLog) -> None:
        super().__init__(str(error))
        self.error = error
        self.log = log


@dataclass(frozen=True, slots=True)
class Engine:
    """Answers requests of one run; `fallback` is the declared answer when every route failed."""

    calls: CallMaker
    router: Router
    output_model: type[BaseModel]
    fallback: Mapping[str, Any] | None = None
    backoff: Backoff = field(default_factory=Backoff)
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    now: Callable[[], datetime] = lambda: datetime.now(UTC)

    async def answer(self, request: Request) -> Answered:
        """The final answer, with the rows of every call made for it.

        Cancelled, it ends at once and gives the rows of the calls made, without a prediction: they may have cost money.

        Raises:
            RunCannotGoOn: the key is refused, the quota is used up, or no endpoint takes connections.
        """
        work = _Work(request, self.now())
        try:
            return await self._through_routes(work)
        except BudgetReached:
            return self._unanswered(work, _fault_at_cap(work.log))
        except PromptFailed as error:
            return self._unanswered(work, _Fault("failed", FailureKind.BAD_REQUEST.value, str(error)))
        except asyncio.CancelledError:
            if not work.log.responses:
                raise
            return Answered(None, tuple(work.log.responses), tuple(work.log.contents))

    async def _through_routes(self, work: _Work) -> Answered:
        messages = self.calls.prompts.messages(work.request.fields)
        faults: list[_Fault] = []
        for route in self.router.routes():
            outcome = await self._try_route(work, route, messages)
            if isinstance(outcome, _Answer):
                return self._answered(work, outcome)
            faults.append(outcome)
        last = faults[-1]
        if all(fault.never_sent for fault in faults):
            raise RunCannotGoOn(
                Unreachable(f"No endpoint takes connections ({last.message}): see `assay status` and providers.yml."),
                work.log,
            )
        return self._unanswered(work, last)

    async def _try_route(self, work: _Work, route: RouteSpec, messages: list[Message]) -> _Answer | _Fault:
        reply, call_id = await self._reply(work, route, messages, purpose="answer")
        if isinstance(reply, CallFailure):
            status = "refused" if reply.kind is FailureKind.CONTENT_FILTER else "failed"
            never_sent = reply.kind is FailureKind.CONNECT and not reply.broke_off
            return _Fault(status, reply.kind.value, reply.message, never_sent=never_sent)
        judged = self._judge(work, reply, route, call_id, status="ok")
        if isinstance(judged, _Answer) or judged.status != "invalid_output" or not route.repair:
            return judged
        again = repair_messages(messages, answer=reply.text or "", fault=judged.message)
        repaired, repair_id = await self._reply(work, route, again, purpose="repair")
        if isinstance(repaired, CallFailure):
            return judged
        return self._judge(work, repaired, route, repair_id, status="repaired")

    def _judge(self, work: _Work, reply: Reply, route: RouteSpec, call_id: str, *, status: str) -> _Answer | _Fault:
        response = work.log.responses[-1]
        if response.status in ("refused", "truncated"):
            fault = "refused" if response.status == "refused" else "failed"
            return _Fault(
                fault, response.error_type or response.status, reply.refusal or f"finish_reason {reply.finish_reason}"
            )
        validated = validate(reply.text or "", self.output_model)
        if isinstance(validated, Valid):
            return _Answer(status, validated.output, route.name, call_id)
        message = self.calls.scrub(validated.fault)
        work.log.responses[-1] = replace(
            response, status="invalid_output", error_type=FailureKind.INVALID_OUTPUT.value, error_message=message
        )
        return _Fault("invalid_output", FailureKind.INVALID_OUTPUT.value, validated.fault)

    async def _reply(
        self, work: _Work, route: RouteSpec, messages: list[Message], *, purpose: str
    ) -> tuple[Reply | CallFailure, str]:
        attempt = 0
        while True:
            attempt += 1
            outcome, call_id = await self.calls.call(
                work.request, route, messages, purpose=purpose, log=work.log, trace_id=work.trace_id
            )
            if isinstance(outcome, Reply):
                return outcome, call_id
            if outcome.kind in STOPS_THE_RUN:
                error = UsageError(
                    f"Provider '{route.provider}': {self.calls.scrub(outcome.message)}; {STOP_ADVICE[outcome.kind]}."
                )
                raise RunCannotGoOn(error, work.log)
            if outcome.kind not in RETRYABLE or attempt >= route.max_attempts:
                return outcome, call_id
            wait = self.backoff.wait_s(attempt, outcome.retry_after_s)
            if outcome.kind is FailureKind.RATE_LIMITED and outcome.retry_after_s:
                self.calls.limiter.pause(route.provider, min(outcome.retry_after_s, self.backoff.longest_s))
            await self.sleep(wait)

    def _answered(self, work: _Work, answer: _Answer) -> Answered:
        return self._final(
            work,
            status=answer.status,
            output=answer.output,
            route=answer.route,
            call_id=answer.call_id,
            answer_source="wire",
        )

    def _unanswered(self, work: _Work, fault: _Fault) -> Answered:
        message = self.calls.scrub(fault.message)
        if self.fallback is not None and fault.status != "skipped_budget":
            return self._final(
                work, status="fallback", output=self.fallback, error_type=fault.error_type, error_message=message
            )
        return self._final(work, status=fault.status, error_type=fault.error_type, error_message=message)

    def _final(
        self, work: _Work, *, status: str, output: Mapping[str, Any] | None = None, **columns: str | None
    ) -> Answered:
        prediction = prediction_row(
            self.calls.facts,
            work.request,
            started_at=work.started_at,
            finished_at=self.now(),
            status=status,
            output=orjson.dumps(output).decode() if output is not None else None,
            calls=len(work.log.responses),
            **columns,
        )
        return Answered(prediction, tuple(work.log.responses), tuple(work.log.contents))


def _fault_at_cap(log: CallLog) -> _Fault:
    """Skipped if nothing was sent; else what the last call showed, for a record that failed must not leave the rates."""
    if not log.responses:
        return _Fault("skipped_budget", "budget", "the run's budget is used up")
    last = log.responses[-1]
    status = last.status if last.status in ("refused", "invalid_output") else "failed"
    return _Fault(status, last.error_type or last.status, last.error_message or "the run's budget is used up")
