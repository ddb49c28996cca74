"""A bench for runs by batch: the provider has a Batch API, nobody waits, and a process can die where a test says."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from assay.inference.batch.client import BatchClient
from assay.inference.endpoint.batch_dialect import ProviderBatch
from assay.inference.providers import Provider
from assay.project import Project
from assay.runs.batches.batch_run import advance_batches, collect_batches, submit_batches
from assay.runs.batches.ledger import BatchStatus
from assay.runs.batches.session import BatchApi, BatchDeps, batches_of
from assay.runs.resume import reopen
from assay.runs.run import Run
from tests.end_to_end.workplace import CONCURRENCY
from tests.fakes.batch_endpoint import BatchEndpoint
from tests.fakes.clock import Clock
from tests.runs.bench import Bench


class Killed(BaseException):
    """The process ends here."""


@dataclass
class BatchBench(Bench):
    """Stages of a batch run; `dies` is called with what is about to be asked of a provider, or was just answered."""

    clock: Clock = field(default_factory=Clock)
    dies: Callable[[str], None] = lambda _: None

    @property
    def endpoint(self) -> BatchEndpoint:
        """The provider."""
        assert isinstance(self.place.model, BatchEndpoint)
        return self.place.model

    def provider(self, **batch: Any) -> None:
        """The provider takes batches, with these limits."""
        block = {"base_url": self.place.model.url, "api_key_env": None, "concurrency": CONCURRENCY, "batch": batch}
        self.place.write("providers.yml", yaml.safe_dump({"openai": block}))

    @property
    def tools(self) -> BatchDeps:
        """The real client over the wire, with waits that pass at once."""
        return BatchDeps(connect=self._connect, sleep=self.clock.sleep)

    def submit(self, run: Run, **options: Any) -> BatchStatus:
        """See `submit_batches`."""
        return submit_batches(self.project, run, tools=self.tools, **options)

    def collect(self, run: Run) -> BatchStatus:
        """See `collect_batches`."""
        return collect_batches(self.project, run, tools=self.tools)

    def resume(self, run: Run, **options: Any) -> BatchStatus:
        """The batches of the run, reopened as by another process."""
        return advance_batches(self.project, reopen(self.project, run.run_id), tools=self.tools, **options)

    def files(self, run: Run) -> Path:
        """Where the run's batch files are."""
        return self.place.root / ".assay" / "snapshots" / run.run_id / "batches"

    def states(self, run: Run) -> list[tuple[str, ...]]:
        """The states each batch went through, batches in the order of their requests."""
        rows = self.place.query("select * from batches where run_id = @run order by occurred_at", run=run.run_id)
        chunks = sorted({(row["first_position"], row["chunk_hash"]) for row in rows})
        return [tuple(row["state"] for row in rows if row["chunk_hash"] == chunk) for _, chunk in chunks]

    def _connect(self, _: Project, provider: Provider) -> BatchApi:
        transport = batches_of(provider).connect(base_url=provider.base_url, api_key="key")
        return _Mortal(BatchClient(provider.name, transport, sleep=self.clock.sleep), self.dies)


@dataclass
class _Mortal:
    """The real client of a process that may die before it asks, or after it was answered."""

    client: BatchClient
    dies: Callable[[str], None]

    async def submit(self, path: Path, *, chunk_hash: str, run_id: str) -> ProviderBatch:
        self.dies("before submit")
        sent = await self.client.submit(path, chunk_hash=chunk_hash, run_id=run_id)
        self.dies("after submit")
        return sent

    async def find(self, chunk_hash: str) -> ProviderBatch | None:
        return await self.client.find(chunk_hash)

    async def retrieve(self, batch_id: str) -> ProviderBatch:
        return await self.client.retrieve(batch_id)

    async def download(self, file_id: str, path: Path) -> None:
        self.dies("before download")
        await self.client.download(file_id, path)

    async def close(self) -> None:
        await self.client.close()


def dying_at(moment: str, *, time: int = 1) -> Callable[[str], None]:
    """Ends the process at the moment, when it comes for the `time`-th time."""
    met = 0

    def dies(now: str) -> None:
        nonlocal met
        met += now == moment
        if now == moment and met == time:
            raise Killed(moment)

    return dies


def filled(row: Mapping[str, Any]) -> set[str]:
    """Columns that hold something."""
    return {column for column, value in row.items() if value not in (None, [])}
