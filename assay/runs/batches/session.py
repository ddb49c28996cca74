"""Session of a batch run: the ledger, the engine, and the providers' Batch APIs, for one process at a time."""

from __future__ import annotations

import asyncio
import fcntl
import os
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, TypeVar

from assay.errors import RunInUse, UsageError
from assay.inference.batch.chunk import OWNER_ONLY
from assay.inference.batch.client import BatchClient
from assay.inference.endpoint.batch_dialect import BatchDialect, ProviderBatch
from assay.inference.engine import Engine
from assay.inference.providers import PROVIDERS_FILE, Provider
from assay.project import StageContext
from assay.runs.batches.budget_hold import BatchBudget, open_batch_budget
from assay.runs.batches.ledger import BatchLedger, batches_dir
from assay.runs.masked_records import RecordMasker
from assay.runs.observation import observe_run
from assay.runs.requests.engine_factory import open_components
from assay.runs.run import Run
from assay.settings import Settings
from assay.tasks.task import Task

T = TypeVar("T")
LOCK = "lock"
LOOK_AGAIN_S = 20.0
"""Time in seconds until the provider's list shows a batch whose sender died while creating it."""


class BatchApi(Protocol):
    """Operations of a provider's Batch API; `assay.inference.batch.client.BatchClient` documents their errors."""

    async def submit(self, path: Path, *, chunk_hash: str, run_id: str) -> ProviderBatch:
        """Returns the file's batch, created once."""
        ...

    async def find(self, chunk_hash: str) -> ProviderBatch | None:
        """Returns the batch with that chunk hash."""
        ...

    async def retrieve(self, batch_id: str) -> ProviderBatch:
        """Returns the present state of the batch."""
        ...

    async def download(self, file_id: str, path: Path) -> None:
        """Writes a file of the provider to disk."""
        ...

    async def close(self) -> None:
        """Closes connections."""
        ...


def connect_batches(settings: Settings, provider: Provider) -> BatchApi:
    """Returns a client of the provider's Batch API; no connection is opened yet.

    Raises:
        UsageError: the provider's dialect has no Batch API.
    """
    api_key = provider.api_key(settings)
    return BatchClient(provider.name, batches_of(provider).connect(base_url=provider.base_url, api_key=api_key))


def batches_of(provider: Provider) -> BatchDialect:
    """Returns the format of the provider's batch requests and results.

    Raises:
        UsageError: its dialect has no Batch API, although the run has batches at the provider.
    """
    batches = provider.dialect.batches
    if batches is None:
        raise UsageError(
            f"Provider '{provider.name}' ({PROVIDERS_FILE}): the run has batches there, but the dialect "
            f"{provider.dialect.name} has no Batch API",
            next_step="set `dialect` to the value it had when the batches were sent.",
        )
    return batches


Connect = Callable[[Settings, Provider], BatchApi]


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchDeps:
    """Dependencies that a test replaces: connections to providers, and the clock."""

    connect: Connect = connect_batches
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    look_again_s: float = LOOK_AGAIN_S


TOOLS = BatchDeps()


@dataclass
class BatchSession:
    """An open session on the batches of one run."""

    context: StageContext
    run: Run
    tools: BatchDeps
    ledger: BatchLedger
    guard: RecordMasker
    engine: Engine
    runner: asyncio.Runner
    money: BatchBudget
    _apis: dict[str, BatchApi] = field(default_factory=dict)

    def api(self, provider: str) -> BatchApi:
        """Returns the Batch API of the provider."""
        if provider not in self._apis:
            self._apis[provider] = self.tools.connect(self.context.settings, self.context.providers[provider])
        return self._apis[provider]

    def wait_for(self, work: Coroutine[Any, Any, T]) -> T:
        """Returns the result of the coroutine; this thread waits for it."""
        return self.runner.run(work)

    async def pause(self) -> None:
        """Waits until a provider's list should show the batch that was created last."""
        await self.tools.sleep(self.tools.look_again_s)

    def close(self) -> None:
        """Closes connections, and releases budget that no batch reserves."""
        for api in self._apis.values():
            self.wait_for(api.close())
        self.money.close()


@contextmanager
def open_batch_session(context: StageContext, run: Run, tools: BatchDeps) -> Iterator[BatchSession]:
    """Opens the run's batch session; one process on this machine can have it open at a time.

    Raises:
        UsageError: another process has it open, or a cap is set but a model has no price.
        ServiceUnreachable: the warehouse or the budget's ledger does not respond.
    """
    alone = _alone(batches_dir(context, run.run_id), run)
    with alone, observe_run(context, run.facts, "batch") as seen, asyncio.Runner() as runner:
        guard = RecordMasker(run, context)
        parts = open_components(context, run, guard, clients={}, observed=seen)
        ledger = BatchLedger.of(context, run, events=seen.events)
        money = open_batch_budget(context, run, runner)
        session = BatchSession(context, run, tools, ledger, guard, parts.engine(None), runner, money)
        try:
            money.hold_all(ledger.open())
            yield session
        finally:
            session.close()
            session.wait_for(parts.close())


def refuse_unbatchable(context: StageContext, task: Task) -> None:
    """Checks that at least one provider of the task has a Batch API.

    Raises:
        UsageError: no provider of its routes has a Batch API.
    """
    names = sorted({route.provider for route in task.spec.routes})
    if all(context.providers[name].batch is None for name in names):
        raise UsageError(
            f"--batch is not supported for task '{task.name}': {PROVIDERS_FILE} has no `batch` block for "
            f"{' or '.join(repr(name) for name in names)}",
            next_step="add one if the endpoint has a Batch API, or run without --batch.",
        )


@contextmanager
def _alone(directory: Path, run: Run) -> Iterator[None]:
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    lock = os.open(directory / LOCK, os.O_CREAT | os.O_RDWR, OWNER_ONLY)
    try:
        _lock(lock, run)
        yield
    finally:
        os.close(lock)


def _lock(lock: int, run: Run) -> None:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise RunInUse(
            f"Another process on this machine is working on the batches of run {run.run_id}",
            next_step=f"wait until it exits, then: assay run {run.task.name} --resume {run.run_id}",
        ) from error
