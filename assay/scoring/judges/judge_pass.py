"""One pass of judges over the predictions of a run: calls are journaled and landed as they return.

The calls use the same engine as calls for predictions, with its limits, budget, exact cache and retries. They land with
the run and the purpose `judge`. A permanent error stops the pass.
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import AsyncExitStack
from functools import partial
from typing import Generic, TypeVar

from assay.errors import AssayError
from assay.inference.engine import RunAborted
from assay.inference.request import RequestResult
from assay.performance.process import fast_loop
from assay.project import StageContext
from assay.runs.masked_records import RecordMasker
from assay.runs.observation import UNOBSERVED, RunObserver
from assay.runs.requests.answer_buffer import AnswerBuffer
from assay.runs.requests.engine_factory import call_rows
from assay.runs.requests.journal.journal import Journal
from assay.runs.requests.journal.recovery import flushed, open_journaled_buffer
from assay.runs.requests.request_stage import GRACE_SECONDS
from assay.runs.requests.worker_pool import PrefetchQueue, run_workers
from assay.runs.run import Run
from assay.scoring.judges.engine_factory import JudgeComponents, JudgeEngineFactory, in_flight_of, open_judge_components
from assay.stop_signals import on_stop_signal, raise_if_stopped
from assay.tasks.judge_spec import JudgeSpec
from assay.warehouse.landing import LandingWriter

PassRequest = TypeVar("PassRequest")


class JudgePass(ABC, Generic[PassRequest]):
    """Sends `requests` to judges, several at a time; `journal` names the pass within the run's journals."""

    journal: str

    def __init__(
        self,
        context: StageContext,
        run: Run,
        judges: Sequence[JudgeSpec],
        *,
        report: Callable[[int], None],
        observed: RunObserver = UNOBSERVED,
    ) -> None:
        self.context, self.run, self.guard = context, run, RecordMasker(run, context)
        self.report, self.observed = report, observed
        self._judges = tuple(judges)
        self._failure: Exception | None = None
        self._halt = asyncio.Event()

    @abstractmethod
    def open(self, factory: JudgeEngineFactory) -> None:
        """Builds the engines of the pass."""

    @abstractmethod
    def requests(self) -> Iterator[PassRequest]:
        """Yields the requests that have no result yet."""

    @abstractmethod
    async def send(self, request: PassRequest, buffer: AnswerBuffer) -> None:
        """Sends one request and puts the rows of its calls into the buffer."""

    def run_all(self) -> None:
        """Sends every request and lands the results.

        Raises:
            AssayError: the judges cannot be called; the results so far are landed.
            StopRequested: a stop signal was received; the results so far are landed.
        """
        raise_if_stopped()
        with asyncio.Runner(loop_factory=fast_loop()) as runner:
            runner.run(self._run_until_stopped())
        if self._failure is not None:
            raise self._failure
        raise_if_stopped()

    async def _run_until_stopped(self) -> None:
        with on_stop_signal(partial(asyncio.get_running_loop().call_soon_threadsafe, self._halt.set)):
            await self._run()

    async def _run(self) -> None:
        journal = Journal(self.context.journal_dir(self.run.run_id) / self.journal)
        rows, sink = call_rows(self.context, self.run, self.guard), LandingWriter(self.context.warehouse)
        async with (
            open_journaled_buffer(journal, rows, sink, events=self.observed.events) as buffer,
            AsyncExitStack() as closing,
        ):
            components = JudgeComponents(
                context=self.context, run=self.run, rows=rows, journal=journal, observed=self.observed
            )
            self.open(await open_judge_components(closing, buffer, self._judges, components))
            async with flushed(buffer, self._halt):
                await run_workers(
                    PrefetchQueue(self.requests()),
                    lambda request: self._send_or_stop(request, buffer),
                    count=in_flight_of(self.context, self._judges),
                    halt=self._halt,
                    grace_s=GRACE_SECONDS,
                )

    async def _send_or_stop(self, request: PassRequest, buffer: AnswerBuffer) -> None:
        try:
            await self.send(request, buffer)
        except RunAborted as stopped:
            self._fail(stopped.error)
            await buffer.add(RequestResult(None, tuple(stopped.work.responses), tuple(stopped.work.contents)))
        except AssayError as error:
            self._fail(error)

    def _fail(self, error: Exception) -> None:
        self._failure = self._failure or error
        self._halt.set()
