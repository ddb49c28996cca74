"""An engine whose only fakes are the endpoints at the wire and the waits between calls."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Mapping
from datetime import date
from decimal import Decimal
from random import Random
from typing import Any

from assay.guards.masking import Masker, MaskingRules
from assay.inference.budgets.run_budget import RunBudget
from assay.inference.call_rows import CallRows
from assay.inference.calls import CallMaker
from assay.inference.endpoint.backoff import Backoff
from assay.inference.endpoint.circuit import Circuits
from assay.inference.engine import Engine
from assay.inference.keys import request_key
from assay.inference.limits.protocol import Limiter
from assay.inference.prices import PriceBook
from assay.inference.prompts import PromptRenderer
from assay.inference.request import Request, RequestResult, RunFacts
from assay.inference.routing.rules import RuleRouter
from assay.records import Prediction, Response
from assay.tasks.spec import RouteSpec
from assay.tasks.task import Task
from tests.fakes.clock import Clock
from tests.fakes.endpoint import ScriptedEndpoint
from tests.fakes.limiter import FreeLimiter

FIRST = RouteSpec(name="first", provider="openai", model="gpt-5-nano", timeout_s=5, max_attempts=3)
SECOND = RouteSpec(name="second", provider="local", model="smollm2-135m", timeout_s=5, max_attempts=3)
MASKER = Masker(MaskingRules())


class Rig:
    """One run's engine over scripted endpoints, by provider; `waits` are the seconds it would have slept."""

    def __init__(
        self,
        task: Task,
        *,
        openai: ScriptedEndpoint,
        local: ScriptedEndpoint | None = None,
        routes: tuple[RouteSpec, ...] = (),
        fallback: Mapping[str, Any] | None = None,
        budget: RunBudget | None = None,
        limiter: Limiter | None = None,
    ) -> None:
        clock = Clock()
        self.waits = clock.waits
        self.endpoints = {"openai": openai, **({"local": local} if local else {})}
        self.clients = {name: endpoint.client() for name, endpoint in self.endpoints.items()}
        self.budget = budget or RunBudget(None)
        self.limiter = limiter or FreeLimiter()
        facts = RunFacts(
            run_id="run-1",
            task=task.name,
            data_date=date(2026, 11, 23),
            variant="default",
            stage="shadow",
            inference_version=task.versions.inference,
            masking_version=task.masking_version,
        )
        self.calls = CallMaker(
            rows=CallRows(facts, PriceBook(), MASKER.scrub),
            prompts=PromptRenderer(
                task,
                mask=lambda fields: MASKER.mask(fields).texts,
                dialect_of=lambda route: self.endpoints[route.provider].dialect,
            ),
            clients=self.clients,
            limiter=self.limiter,
            budget=self.budget,
        )
        self.engine = Engine(
            calls=self.calls,
            router=RuleRouter(routes or ((FIRST, SECOND) if local else (FIRST,)), checks={}),
            output_model=task.output_model,
            fallback=fallback,
            backoff=Backoff(rng=Random(1)),
            circuits=Circuits(clock=clock.time),
            sleep=clock.sleep,
            clock=clock.time,
        )

    async def run(self, *work: Coroutine[Any, Any, Any]) -> list[Any]:
        """The results of the work, exceptions among them; connections are released."""
        try:
            return await asyncio.gather(*work, return_exceptions=True)
        finally:
            for client in self.clients.values():
                await client.close()

    def answers(self, *fields: Mapping[str, str]) -> list[Any]:
        """The answers to requests with these fields, asked at once."""
        return asyncio.run(self.run(*(self.engine.answer(request(i, f)) for i, f in enumerate(fields))))

    def answer(self, message: str = "Why?") -> RequestResult:
        """The answer to one request; what it raises is raised."""
        (found,) = self.answers({"message": message})
        if isinstance(found, BaseException):
            raise found
        assert isinstance(found, RequestResult)
        return found


def request(position: int = 0, fields: Mapping[str, str] | None = None, *, epoch: int = 0) -> Request:
    """A request for the record at the position."""
    record_id, input_hash = f"r{position}", f"hash{position}"
    return Request(
        record_id=record_id,
        position=position,
        epoch=epoch,
        key=request_key(
            inference_version="v", record_id=record_id, input_hash=input_hash, epoch=epoch, tenant_id="default"
        ),
        fields=fields or {"message": "Why?"},
        input_hash=input_hash,
        tenant_id="default",
        subject_key="subject",
    )


def prediction(answered: RequestResult) -> Prediction:
    """The prediction, which must be there."""
    assert answered.prediction is not None
    return answered.prediction


def only(responses: tuple[Response, ...]) -> Response:
    """The one response there is."""
    (response,) = responses
    return response


def cost(answered: RequestResult) -> Decimal:
    """What all calls cost, known and feared."""
    rows = answered.responses
    return sum(
        (row.cost_usd if row.cost_usd is not None else row.cost_upper_usd or Decimal(0) for row in rows), Decimal(0)
    )
