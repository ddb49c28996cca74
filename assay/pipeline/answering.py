"""Answers the records of a run: a streaming pass over the snapshot that lands while it goes.

The second stage. Bounded memory: a chunk of records is masked in a thread, so many are in flight, so many wait for a flush.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Protocol

import orjson

from assay.errors import AssayError, UsageError
from assay.inference.budget import RunBudget
from assay.inference.calls import CallMaker
from assay.inference.client import ModelClient, OpenAIClient
from assay.inference.engine import Engine, RunCannotGoOn
from assay.inference.keys import request_key
from assay.inference.limiter import ConcurrencyLimiter
from assay.inference.prompts import PromptRenderer
from assay.inference.request import Answered, Request, prediction_row
from assay.inference.router import OrderedRouter
from assay.inference.usage import TokenUsage
from assay.pipeline.buffer import AnswerBuffer
from assay.pipeline.chunks import chunks
from assay.pipeline.in_flight import InFlight
from assay.pipeline.masked import MaskedRecord, RecordGuard
from assay.pipeline.project import Project
from assay.pipeline.run import Run
from assay.warehouse.landing import LandingWriter
from assay.warehouse.statements import ANSWERED_IN_RUN, REUSABLE_ANSWERS, RUN_SPENT

CHUNK_RECORDS = 100
GRACE_SECONDS = 15.0
"""How long a run that stops waits for the calls under way, which may be paid for already."""


class Progress(Protocol):
    """Who is told how a run goes."""

    def answered(self, answered: Answered) -> None:
        """One more request is answered."""
        ...


class Interrupted(AssayError):
    """The run was asked to stop; what was answered is landed."""

    exit_code = 130


@dataclass
class Answering:
    """One pass over the records of a run; `stop` ends it early with everything so far landed."""

    project: Project
    run: Run
    progress: Progress
    stop: asyncio.Event = field(default_factory=asyncio.Event)
    clients: Mapping[str, ModelClient] | None = None
    grace_s: float = GRACE_SECONDS
    _failure: AssayError | None = None

    async def answer_all(self) -> None:
        """Every request of the run has its prediction in the warehouse.

        Raises:
            Unreachable: the warehouse or every endpoint went away; resume when it is back.
            UsageError: the key is refused or the quota used up.
            Interrupted: `stop` was set.
        """
        clients = self.clients or self._connect()
        guard = RecordGuard(self.run, self.project)
        engine = self._engine(clients, guard)
        buffer = AnswerBuffer(LandingWriter(self.project.warehouse))
        try:
            await self._pass(engine, buffer, guard)
        finally:
            for client in clients.values():
                await client.close()
        if self._failure is not None:
            raise self._failure
        if self.stop.is_set():
            raise Interrupted(
                f"Stopped. Everything answered so far is landed; go on with: assay run {self.run.task.name} --resume {self.run.run_id}"
            )

    async def _pass(self, engine: Engine, buffer: AnswerBuffer, guard: RecordGuard) -> None:
        flusher = asyncio.create_task(buffer.flush_when_due())
        stopper = asyncio.create_task(self.stop.wait())

        def stops() -> bool:
            return self._failure is not None or flusher.done() or stopper.done()

        in_flight = InFlight(self._in_flight(), stops=stops)
        in_flight.watch(flusher)
        in_flight.watch(stopper)
        try:
            async for item in self._items(guard):
                if isinstance(item, Answered):
                    await self._land(buffer, item)
                else:
                    in_flight.start(self._answer(engine, buffer, item))
                await in_flight.place()
                if stops():
                    break
            await in_flight.all_ended(grace_s=self.grace_s)
            if flusher.done():
                await flusher
        finally:
            flusher.cancel()
            stopper.cancel()
            await in_flight.cancel()
            await asyncio.gather(flusher, stopper, return_exceptions=True)
            await buffer.flush()

    async def _answer(self, engine: Engine, buffer: AnswerBuffer, request: Request) -> None:
        try:
            await self._land(buffer, await engine.answer(request))
        except RunCannotGoOn as stopped:
            self._failure = self._failure or stopped.error
            await buffer.add(Answered(None, tuple(stopped.log.responses), tuple(stopped.log.contents)))
        except AssayError as error:
            self._failure = self._failure or error

    async def _land(self, buffer: AnswerBuffer, answered: Answered) -> None:
        await buffer.add(answered)
        self.progress.answered(answered)

    async def _items(self, guard: RecordGuard) -> AsyncIterator[Request | Answered]:
        pieces = chunks(self._requests(guard), CHUNK_RECORDS)
        while piece := await asyncio.to_thread(next, pieces, None):
            for item in piece:
                yield item

    def _requests(self, guard: RecordGuard) -> Iterator[Request | Answered]:
        done = _Ordered(self._stream_done())
        reusable = _Ordered(self._stream_reusable())
        for record in guard.records():
            if not isinstance(record, MaskedRecord):
                continue
            for epoch in range(self.run.options.epochs):
                place = (record.position, epoch)
                if done.at(place) is not None:
                    continue
                request = self._request(record, epoch)
                answer = reusable.at(place)
                yield self._reused(request, answer) if answer is not None else request

    def _stream_done(self) -> Iterator[dict[str, Any]]:
        return self.project.warehouse.stream(ANSWERED_IN_RUN.sql, self.run.window)

    def _stream_reusable(self) -> Iterator[dict[str, Any]]:
        since = self.run.reuse_since(datetime.now(UTC))
        if since is None:
            return iter(())
        facts = self.run.facts
        parameters = {
            **self.run.window,
            "task": facts.task,
            "inference_version": facts.inference_version,
            "since": since,
        }
        return self.project.warehouse.stream(REUSABLE_ANSWERS.sql, parameters)

    def _request(self, record: MaskedRecord, epoch: int) -> Request:
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
            ),
            fields=record.fields,
            input_hash=record.input_hash,
            tenant_id=record.tenant_id,
            subject_key=record.subject_key,
        )

    def _reused(self, request: Request, answer: Mapping[str, Any]) -> Answered:
        now = datetime.now(UTC)
        output = answer["output"] if isinstance(answer["output"], str) else orjson.dumps(answer["output"]).decode()
        prediction = prediction_row(
            self.run.facts,
            request,
            started_at=now,
            finished_at=now,
            status=answer["status"],
            answer_source="reused",
            output=output,
            route=answer["route"],
            call_id=answer["call_id"],
            calls=0,
        )
        return Answered(prediction)

    def _engine(self, clients: Mapping[str, ModelClient], guard: RecordGuard) -> Engine:
        task = self.run.task
        calls = CallMaker(
            facts=self.run.facts,
            prompts=PromptRenderer(task, mask=guard.mask_fields),
            clients=clients,
            limiter=ConcurrencyLimiter({name: self.project.providers[name].concurrency for name in clients}),
            budget=self._budget(),
            prices=self.project.prices,
            scrub=guard.masker.scrub,
        )
        return Engine(
            calls=calls,
            router=OrderedRouter(task.spec.routes),
            output_model=task.output_model,
            fallback=task.spec.output.fallback,
        )

    def _budget(self) -> RunBudget:
        stated = self.run.options.budget_usd
        cap = stated if stated is not None else self.run.task.spec.budget.run_usd
        if cap is None:
            return RunBudget(None)
        self._refuse_unpriced()
        spent = next(self.project.warehouse.stream(RUN_SPENT.sql, self.run.window))["spent_usd"]
        return RunBudget(Decimal(str(cap)), spent_usd=Decimal(spent))

    def _refuse_unpriced(self) -> None:
        one = TokenUsage(uncached_input=1, cached_input=0, cache_write=0, answer=1, reasoning=0)
        for route in self.run.task.spec.routes:
            price = self.project.prices.price(
                one, provider=route.provider, model=route.model, on=datetime.now(UTC).date()
            )
            if price.usd is None:
                raise UsageError(
                    f"A budget is set, but {route.provider}:{route.model} (route '{route.name}') has no price: "
                    "expected it in genai-prices or assay/inference/prices.yml; add it, or run without a budget."
                )

    def _connect(self) -> dict[str, ModelClient]:
        wanted = {route.provider: self.project.providers[route.provider] for route in self.run.task.spec.routes}
        settings = self.project.settings
        return {
            name: OpenAIClient(base_url=provider.base_url, api_key=provider.api_key(settings))
            for name, provider in wanted.items()
        }

    def _in_flight(self) -> int:
        return sum(
            self.project.providers[name].concurrency for name in {route.provider for route in self.run.task.spec.routes}
        )


class _Ordered:
    """Rows of a result that is ordered by (position, epoch), looked up in that order in constant memory."""

    def __init__(self, rows: Iterator[dict[str, Any]]) -> None:
        self._rows = rows
        self._next: dict[str, Any] | None = None
        self._started = False

    def at(self, place: tuple[int, int]) -> dict[str, Any] | None:
        """The row at `place`, None when there is none; places must be asked for in ascending order."""
        if not self._started:
            self._next, self._started = next(self._rows, None), True
        while self._next is not None and (self._next["position"], self._next["epoch"]) < place:
            self._next = next(self._rows, None)
        found = self._next
        return found if found is not None and (found["position"], found["epoch"]) == place else None
