"""Answers the records of a run: a streaming pass over the snapshot that lands while it goes.

The second stage. Bounded memory: two chunks of records wait masked, so many are in flight, so many wait for a flush.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from assay.errors import AssayError
from assay.inference.client import ModelClient
from assay.inference.engine import Engine, RunCannotGoOn
from assay.inference.failures import CallFailure, FailureKind
from assay.inference.request import Answered, Request
from assay.pipeline.buffer import AnswerBuffer, RowSink, land_answers
from assay.pipeline.feed import Feed
from assay.pipeline.journal import Journal
from assay.pipeline.masked import RecordGuard
from assay.pipeline.parts import EngineParts, connect, open_parts
from assay.pipeline.project import Project
from assay.pipeline.requests import RunRequests
from assay.pipeline.run import Run
from assay.pipeline.shards import WHOLE, Shard
from assay.pipeline.workers import work_off
from assay.warehouse.landing import LandingWriter

GRACE_SECONDS = 15.0
"""How long a run that stops waits for the calls under way, which may be paid for already."""
KILLED = CallFailure(FailureKind.CONNECT, "the process ended while the call was under way", broke_off=True)


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
    """One pass over the records of a run, or of a shard; `stop` ends it early with everything so far landed."""

    project: Project
    run: Run
    progress: Progress
    stop: asyncio.Event = field(default_factory=asyncio.Event)
    clients: Mapping[str, ModelClient] | None = None
    sink: RowSink | None = None
    shard: Shard = WHOLE
    grace_s: float = GRACE_SECONDS
    _failure: AssayError | None = None
    _halt: asyncio.Event = field(default_factory=asyncio.Event)

    async def answer_all(self) -> None:
        """Every request of the run has its prediction in the warehouse.

        Raises:
            Unreachable: the warehouse or every endpoint went away; resume when it is back.
            UsageError: the key is refused, the quota used up, or another process answers the run.
            Interrupted: `stop` was set.
        """
        guard = RecordGuard(self.run, self.project)
        sink = self.sink or LandingWriter(self.project.warehouse)
        journal = Journal(self.project.journal_dir(self.run.run_id) / str(self.shard))
        parts = open_parts(self.project, self.run, guard, clients=self.clients or connect(self.project, self.run))
        journal.open()
        buffer = AnswerBuffer(sink, journal=journal)
        try:
            await asyncio.to_thread(self._land_recovered, journal, parts, sink)
            await self._pass(parts.engine(journal), buffer, guard)
        finally:
            journal.close(everything_landed=buffer.is_empty)
            await parts.close()
        if self._failure is not None:
            raise self._failure
        if self.stop.is_set():
            raise Interrupted(
                f"Stopped. Everything answered so far is landed; go on with: assay run {self.run.task.name} --resume {self.run.run_id}"
            )

    def _land_recovered(self, journal: Journal, parts: EngineParts, sink: RowSink) -> None:
        """What a process that was killed had answered is landed, and what it had sent is told of."""
        recovered = journal.recover({route.name: route for route in self.run.task.spec.routes})
        lost = [parts.rows.response(call, KILLED, latency_ms=None) for call in recovered.broken_off]
        land_answers(sink, [*recovered.answers, Answered(None, tuple(lost))])
        journal.forget_earlier()

    async def _pass(self, engine: Engine, buffer: AnswerBuffer, guard: RecordGuard) -> None:
        flusher = asyncio.create_task(buffer.flush_when_due())
        flusher.add_done_callback(lambda _: self._halt.set())
        stopper = asyncio.create_task(self._halt_when_stopped())
        feed = Feed(iter(RunRequests(self.project, self.run, guard, self.shard)))
        try:
            await work_off(
                feed,
                lambda item: self._settle(engine, buffer, item),
                count=self._in_flight(),
                halt=self._halt,
                grace_s=self.grace_s,
            )
            if flusher.done():
                await flusher
        finally:
            flusher.cancel()
            stopper.cancel()
            await asyncio.gather(flusher, stopper, return_exceptions=True)
            await buffer.flush()

    async def _halt_when_stopped(self) -> None:
        await self.stop.wait()
        self._halt.set()

    async def _settle(self, engine: Engine, buffer: AnswerBuffer, item: Request | Answered) -> None:
        try:
            answered = item if isinstance(item, Answered) else await engine.answer(item)
            await buffer.add(answered)
            self.progress.answered(answered)
        except RunCannotGoOn as stopped:
            self._fail(stopped.error)
            await buffer.add(Answered(None, tuple(stopped.work.responses), tuple(stopped.work.contents)))
        except AssayError as error:
            self._fail(error)

    def _fail(self, error: AssayError) -> None:
        self._failure = self._failure or error
        self._halt.set()

    def _in_flight(self) -> int:
        providers = {route.provider for route in self.run.task.spec.routes}
        return sum(self.project.providers[name].concurrency for name in providers)
