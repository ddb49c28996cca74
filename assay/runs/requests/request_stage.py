"""Sends the requests of a run: a streaming pass over the snapshot that lands predictions as it proceeds.

The second stage of a run. Memory is bounded by two chunks of masked records, the calls in flight, and one flush.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from decimal import Decimal
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

from assay.errors import AssayError
from assay.inference.cancelling import cancel_and_wait
from assay.inference.endpoint.client import ModelClient
from assay.inference.engine import Engine, RunAborted
from assay.inference.limits.lane_events import report_lanes
from assay.inference.limits.protocol import LaneState
from assay.inference.request import Request, RequestResult
from assay.performance.process import settle_memory
from assay.ports import RowSink
from assay.project import StageContext
from assay.runs.masked_records import RecordMasker
from assay.runs.observation import UNOBSERVED, RunObserver
from assay.runs.requests.answer_buffer import AnswerBuffer
from assay.runs.requests.budget import open_budget
from assay.runs.requests.cache import CacheSinks, open_cache
from assay.runs.requests.engine_factory import EngineComponents, call_rows, connect, open_components
from assay.runs.requests.journal.journal import Journal
from assay.runs.requests.journal.recovery import flushed, open_journaled_buffer
from assay.runs.requests.requests import RunRequests
from assay.runs.requests.worker_pool import PrefetchQueue, run_workers
from assay.runs.run import Run
from assay.runs.shards import WHOLE, Shard
from assay.warehouse.landing import LandingWriter

if TYPE_CHECKING:
    from assay.runs.requests.conversations import Conversations, Settle

GRACE_SECONDS = 15.0
"""Time in seconds that a stopping run waits for calls in flight, which may already be billed."""
EXCHANGES_AHEAD = 40
"""Chunk size of the queue of conversation pieces; smaller than for requests, because a piece is several records."""
Work = Callable[[Any], Awaitable[object]]
LOG = logging.getLogger(__name__)


class RequestProgress(Protocol):
    """Receives the progress of a run."""

    def watch(
        self,
        limiter_states: Callable[[], Mapping[str, LaneState]],
        budget: Callable[[], tuple[Decimal, Decimal | None]],
    ) -> None:
        """Receives the limiter's lanes, and the amount spent and its cap in USD (None: no cap)."""
        ...

    def answered(self, answered: RequestResult) -> None:
        """Counts one more finished request."""
        ...


class Interrupted(AssayError):
    """The run was stopped by a signal; predictions so far are landed."""

    exit_code = 130


@dataclass
class RequestStage:
    """One pass over the records of a run, or of a shard; setting `stop` ends it early and lands the results so far."""

    context: StageContext
    run: Run
    progress: RequestProgress
    stop: asyncio.Event = field(default_factory=asyncio.Event)
    clients: Mapping[str, ModelClient] | None = None
    sink: RowSink | None = None
    shard: Shard = WHOLE
    observed: RunObserver = UNOBSERVED
    grace_s: float = GRACE_SECONDS
    _failure: Exception | None = None
    _halt: asyncio.Event = field(default_factory=asyncio.Event)

    async def answer_all(self) -> None:
        """Ensures that every request of the run has its prediction in the warehouse.

        Raises:
            ServiceUnreachable: the warehouse or every endpoint does not respond; resume when it is available.
            UsageError: the API key is rejected, the quota is used up, or another process is working on the run.
            Interrupted: `stop` was set.
        """
        self._raise_if_stopped()
        guard = RecordMasker(self.run, self.context)
        sink = self.sink or LandingWriter(self.context.warehouse)
        journal = Journal(self.context.journal_dir(self.run.run_id) / str(self.shard))
        rows = call_rows(self.context, self.run, guard)
        async with (
            open_journaled_buffer(journal, rows, sink, events=self.observed.events) as buffer,
            AsyncExitStack() as closing,
        ):
            parts = await self._open(closing, buffer, guard)
            requests = RunRequests(self.context, self.run, guard, self.shard)
            conversations = await self._recall(closing, requests, parts)
            await self._pass(parts, journal, buffer, conversations or requests)
        if self._failure is not None:
            raise self._failure
        self._raise_if_stopped()

    def _raise_if_stopped(self) -> None:
        if self.stop.is_set():
            raise Interrupted(
                "Stopped. All predictions so far are landed",
                next_step=f"resume with: assay run {self.run.task.name} --resume {self.run.run_id}",
            )

    async def _open(self, closing: AsyncExitStack, buffer: AnswerBuffer, guard: RecordMasker) -> EngineComponents:
        """Opens the parts of the engine and registers them with `closing`; rows added on close are flushed."""
        closing.push_async_callback(buffer.flush)
        sinks = CacheSinks(land=buffer.note, warn=LOG.warning)
        cache = await asyncio.to_thread(open_cache, self.context, self.run, sinks)
        closing.push_async_callback(cache.close)
        budget = await open_budget(self.context, self.run)
        closing.push_async_callback(budget.close)
        parts = open_components(
            self.context,
            self.run,
            guard,
            clients=self.clients or connect(self.context, self.run),
            budget=budget,
            cache=cache,
            observed=self.observed,
        )
        closing.push_async_callback(parts.close)
        self.progress.watch(parts.limiter.states, parts.money)
        return parts

    async def _recall(
        self, closing: AsyncExitStack, requests: RunRequests, parts: EngineComponents
    ) -> Conversations | None:
        """Opens the conversations of a task whose rows are turns, and registers them with `closing`."""
        spec = self.run.task.spec.input.conversation
        if spec is None:
            return None
        from assay.runs.requests.conversations import (
            open_conversations,  # few tasks have turns, and this imports SQLite
        )

        conversations = open_conversations(requests, spec, parts.prompts)
        closing.push_async_callback(conversations.close)
        await asyncio.to_thread(conversations.recall)
        return conversations

    async def _pass(
        self, parts: EngineComponents, journal: Journal, buffer: AnswerBuffer, source: RunRequests | Conversations
    ) -> None:
        queue, work = self._work(source, partial(self._settle, parts.engine(journal), buffer))
        stopper = asyncio.create_task(self._halt_when_stopped())
        lane_reporter = asyncio.create_task(report_lanes(self.observed.events, parts.limiter.states))
        settler = asyncio.create_task(settle_memory())
        try:
            async with flushed(buffer, self._halt):
                await run_workers(queue, work, count=self._in_flight(), halt=self._halt, grace_s=self.grace_s)
        finally:
            await cancel_and_wait(stopper, lane_reporter, settler)

    def _work(self, source: RunRequests | Conversations, settle: Settle) -> tuple[PrefetchQueue[Any], Work]:
        """The queue of items for the workers, and the work on each: a request, or the turns of a conversation."""
        if isinstance(source, RunRequests):
            return PrefetchQueue(iter(source)), settle
        halted = self._halt.is_set
        return PrefetchQueue(source.exchanges(), chunk=EXCHANGES_AHEAD), lambda item: source.process(
            item, settle, halted=halted
        )

    async def _halt_when_stopped(self) -> None:
        await self.stop.wait()
        self._halt.set()

    async def _settle(
        self, engine: Engine, buffer: AnswerBuffer, item: Request | RequestResult
    ) -> RequestResult | None:
        """Sends a request and passes its result to the buffer; returns None if the run cannot continue."""
        try:
            answered = item if isinstance(item, RequestResult) else await engine.answer(item)
            await buffer.add(answered)
            self.progress.answered(answered)
            return answered
        except RunAborted as stopped:
            self._fail(stopped.error)
            await buffer.add(RequestResult(None, tuple(stopped.work.responses), tuple(stopped.work.contents)))
        except AssayError as error:
            self._fail(error)
        return None

    def _fail(self, error: Exception) -> None:
        self._failure = self._failure or error
        self._halt.set()

    def _in_flight(self) -> int:
        providers = {route.provider for route in self.run.task.spec.routes}
        return sum(self.context.providers[name].concurrency for name in providers)
