"""Observes the stages of a run: opens its spans and its log, and closes both when the stage ends.

Only composing belongs here: what a span or a line holds is in `assay/inference/telemetry`. Each process that works on
a run opens its own; the ids are such that the spans of all of them are one tree.
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
    """What a stage under way is told to: `events` for its log, `requests` for the engine, None when it is not traced."""

    events: Events
    tracing: Tracing

    @property
    def requests(self) -> RequestTracing | None:
        """What the engine is given."""
        return self.tracing.per_request

    def run_started(self, started: RunEvent) -> None:
        """The run is admitted: its first line."""
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
        """The run was cut off and may be gone on with: a line, and no span, for the run has not ended."""
        self.events.emit(
            "run_stopped",
            status=finished.status,
            records=finished.records,
            predictions=finished.predictions,
            calls=finished.calls,
        )

    def run_finished(self, started: RunEvent, finished: RunEvent) -> None:
        """The run is at its end: its last line, and the span above all others, from when it was admitted until now."""
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
"""A stage that nobody looks at."""


@contextmanager
def observe_run(
    context: StageContext, facts: RunFacts, stage: str, *, shard: int | None = None
) -> Iterator[RunObserver]:
    """The block is a stage of the run (`admit`, `answer`, `score`), or one shard of it; what it raises passes on.

    Leaving takes 5 s at most, however the collector of spans behaves.

    Raises:
        UsageError: spans are asked for and their exporter is not installed.
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
    """The stage's first and last line."""
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
