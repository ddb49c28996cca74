"""The state of a run's batches: the rows of the table `batches`, read once and appended to."""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from datetime import UTC, date, datetime
from pathlib import Path

from assay.inference.batch.chunk import Chunk, chunk_path
from assay.inference.endpoint.batch_dialect import ProviderBatch
from assay.inference.telemetry.protocol import Events, NoEvents
from assay.project import StageContext
from assay.records import Batch
from assay.records.keys import RequestPlace
from assay.records.statuses import BatchState
from assay.runs.batches.queries import BATCHES_OF_RUN
from assay.runs.run import Run
from assay.tasks.spec import RouteSpec
from assay.warehouse.client import Warehouse
from assay.warehouse.landing import LandingWriter

BATCHES = "batches"


STATES = list(BatchState)
OPEN = frozenset({BatchState.INTENT, BatchState.SUBMITTED, BatchState.FINISHED})


@dataclass(frozen=True, slots=True)
class BatchStatus:
    """Counts of the batches of one run; `open_requests` are those without a landed prediction."""

    batches: int
    open: int
    requests: int
    open_requests: int
    answered: int
    failed: int
    missing: int


@dataclass
class BatchLedger:
    """The batches of one run by chunk hash, each in its latest state."""

    context: StageContext
    run: Run
    events: Events = field(default_factory=NoEvents)
    _batches: dict[str, Batch] = field(default_factory=dict)

    @classmethod
    def of(cls, context: StageContext, run: Run, *, events: Events | None = None) -> BatchLedger:
        """Returns the ledger with the states in the warehouse.

        Raises:
            ServiceUnreachable: the warehouse does not respond.
        """
        return cls(context, run, events or NoEvents(), latest(context.warehouse, run.run_id, run.facts.data_date))

    @property
    def directory(self) -> Path:
        """Folder of the run's batch files."""
        return batches_dir(self.context, self.run.run_id)

    def path(self, batch: Batch) -> Path:
        """Path of the batch's file of requests, if this machine wrote it."""
        return chunk_path(self.directory, batch.chunk_hash)

    def open(self) -> list[Batch]:
        """Batches whose results are not landed, in the order of their requests."""
        found = (batch for batch in self._batches.values() if batch.state in OPEN)
        return sorted(found, key=lambda batch: (batch.first_position, batch.first_epoch, batch.chunk_hash))

    def open_at(self, provider: str) -> int:
        """Number of the provider's open batches, including those about to be sent."""
        return sum(batch.provider == provider for batch in self.open())

    def holds(self, place: RequestPlace, route: RouteSpec, *, ever: bool) -> bool:
        """True if an open batch of the route contains the request; with `ever`, also if a landed batch contained it.

        A batch contains all open requests between its first and its last, so these two identify all of them.
        """
        return any(
            (batch.first_position, batch.first_epoch) <= place <= (batch.last_position, batch.last_epoch)
            for batch in self._batches.values()
            if (batch.provider, batch.request_model) == (route.provider, route.model)
            and batch.state != BatchState.ABANDONED
            and (ever or batch.state in OPEN)
        )

    def status(self) -> BatchStatus:
        """Returns the counts of the run's batches."""
        batches = [batch for batch in self._batches.values() if batch.state != BatchState.ABANDONED]
        waiting = [batch for batch in batches if batch.state in OPEN]
        return BatchStatus(
            batches=len(batches),
            open=len(waiting),
            requests=sum(batch.requests for batch in batches),
            open_requests=sum(batch.requests for batch in waiting),
            answered=sum(batch.lines_answered or 0 for batch in batches),
            failed=sum(batch.lines_failed or 0 for batch in batches),
            missing=sum(batch.lines_missing or 0 for batch in batches),
        )

    def intend(self, chunk: Chunk, route: RouteSpec) -> Batch:
        """Records the intent to send the chunk; nothing is sent yet."""
        return self._land(
            Batch(
                **self.run.columns(),
                chunk_hash=chunk.chunk_hash,
                run_id=self.run.run_id,
                task=self.run.task.name,
                state=BatchState.INTENT,
                provider=route.provider,
                request_model=route.model,
                route=route.name,
                requests=chunk.requests,
                first_position=chunk.first[0],
                first_epoch=chunk.first[1],
                last_position=chunk.last[0],
                last_epoch=chunk.last[1],
                estimate_usd=chunk.estimate_usd,
            )
        )

    def submitted(self, batch: Batch, found: ProviderBatch) -> Batch:
        """Records that the provider has accepted the batch."""
        return self._land(
            replace(
                batch,
                state=BatchState.SUBMITTED,
                provider_batch_id=found.batch_id,
                input_file_id=found.input_file_id,
                submitted_at=found.created_at,
            )
        )

    def finished(self, batch: Batch, found: ProviderBatch) -> Batch:
        """Records that the provider has ended the batch."""
        return self._land(
            replace(
                batch,
                state=BatchState.FINISHED,
                provider_status=found.status,
                output_file_id=found.output_file_id,
                error_file_id=found.error_file_id,
                finished_at=found.ended_at or datetime.now(UTC),
                reason=found.reason,
            )
        )

    def landed(self, batch: Batch, *, answered: int, failed: int, missing: int) -> Batch:
        """Records that the batch's results are in the warehouse."""
        counts = {"lines_answered": answered, "lines_failed": failed, "lines_missing": missing}
        return self._land(replace(batch, state=BatchState.LANDED, **counts))  # type: ignore[arg-type]

    def abandoned(self, batch: Batch, *, reason: str) -> Batch:
        """Records that the batch was never sent; its requests are open again."""
        return self._land(replace(batch, state=BatchState.ABANDONED, reason=reason))

    def _land(self, batch: Batch) -> Batch:
        row = replace(batch, occurred_at=datetime.now(UTC))
        LandingWriter(self.context.warehouse).append([row])
        self._batches[row.chunk_hash] = row
        self.events.emit(
            "batch_changed",
            batch_id=row.provider_batch_id,
            lane=f"{row.provider}:{row.request_model}",
            state=row.state,
            requests=row.requests,
            failed=row.lines_failed,
        )
        return row


def batches_dir(context: StageContext, run_id: str) -> Path:
    """Folder of the batch files of a run: beside its snapshot, and deleted with it."""
    return context.snapshot_dir(run_id) / BATCHES


def latest(warehouse: Warehouse, run_id: str, data_date: date) -> dict[str, Batch]:
    """Returns the batches of the run by chunk hash, each in its latest state.

    Raises:
        ServiceUnreachable: the warehouse does not respond.
    """
    found: dict[str, Batch] = {}
    for kept in warehouse.stream(BATCHES_OF_RUN.sql, {"run_id": run_id, "data_date": data_date}):
        batch = Batch(**{column.name: kept[column.name] for column in fields(Batch)})
        known = found.get(batch.chunk_hash)
        if known is None or STATES.index(BatchState(known.state)) <= STATES.index(BatchState(batch.state)):
            found[batch.chunk_hash] = batch
    return found
