"""Observes the stages of a run: opens its spans and its log, and closes both when the stage ends.

Each process of a run opens its own spans and log. All processes use the same trace id, so their spans form one trace.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass

from assay.inference.request import RunFacts
from assay.inference.telemetry.events import open_log
from assay.inference.telemetry.opening import open_tracing
from assay.inference.telemetry.protocol import Events, NoEvents, NoTracing, RequestTracing, RunEnd, Tracing
from assay.project import StageContext
from assay.records import RunEvent

LOGS = ("logs", "runs")


@dataclass(frozen=True, slots=True)
class RunObserver:
    """Observer of a stage: `events` writes its log; `requests` is the engine's tracing, None if it is not traced."""

    events: Events
    tracing: Tracing

    @property
    def requests(self) -> RequestTracing | None:
        """Tracing that is passed to the engine; None if the run is not traced."""
        return self.tracing.per_request

    def run_started(self, started: RunEvent) -> None:
        """Logs that the run was admitted."""
        self.events.emit(
            "run_started",
            task=started.task,
            variant=started.variant,
            stage=started.stage,
            purpose=started.purpose,
            records=started.records,
            rejected=started.rows_rejected,
            epochs=started.epochs,
            requests=started.expected_predictions,
            trace_id=self.tracing.trace_id,
        )

    def run_stopped(self, finished: RunEvent) -> None:
        """Logs that the run was interrupted and can be resumed; there is no span, because the run has not ended."""
        self.events.emit(
            "run_stopped",
            status=finished.status,
            records=finished.records,
            predictions=finished.predictions,
            calls=finished.calls,
        )

    def run_finished(self, started: RunEvent, finished: RunEvent) -> None:
        """Logs the end of the run, and exports its root span, which starts at admission."""
        end = RunEnd(
            started_at=started.occurred_at,
            ended_at=finished.occurred_at,
            status=finished.status,
            records=finished.records or 0,
            predictions=finished.predictions or 0,
            calls=finished.calls or 0,
        )
        self.tracing.finish_run(end)
        lasted_ms = round((end.ended_at - end.started_at).total_seconds() * 1000)
        self.events.emit(
            "run_finished",
            status=end.status,
            records=end.records,
            predictions=end.predictions,
            calls=end.calls,
            ms=lasted_ms,
        )


UNOBSERVED = RunObserver(NoEvents(), NoTracing())
"""Observer that records nothing."""


@contextmanager
def observe_run(
    context: StageContext, facts: RunFacts, stage: str, *, shard: int | None = None
) -> Iterator[RunObserver]:
    """Observes the block as a stage of the run (`admit`, `answer`, `score`) or one shard of it; exceptions propagate.

    Leaving the block takes at most 5 s, even if the span collector does not respond.

    Raises:
        UsageError: trace export is configured, but the exporter is not installed.
    """
    settings = context.settings
    urls = {name: provider.base_url for name, provider in context.providers.items()}
    tracing = open_tracing(settings.traces, facts, base_urls=urls)
    folder = settings.state_dir.joinpath(*LOGS)
    events = open_log(folder, facts.run_id, shard=shard, keep_days=settings.snapshot_days)
    try:
        part: AbstractContextManager[None] = nullcontext() if shard is None else tracing.shard(shard)
        with _lines(events, stage, shard=shard), tracing.stage(stage), part:
            yield RunObserver(events, tracing)
    finally:
        delivery = tracing.close()
        if delivery.exported or delivery.lost:
            events.emit("spans_delivered", exported=delivery.exported, lost=delivery.lost)
        events.close()


@contextmanager
def _lines(events: Events, stage: str, *, shard: int | None) -> Iterator[None]:
    """Logs the start and the end of the stage."""
    began = time.monotonic()
    error_type: str | None = None
    events.emit("stage_started", stage=stage, shard=shard)
    try:
        yield
    except BaseException as error:
        error_type = type(error).__name__
        raise
    finally:
        lasted_ms = round((time.monotonic() - began) * 1000)
        events.emit("stage_ended", stage=stage, shard=shard, ms=lasted_ms, error_type=error_type)
