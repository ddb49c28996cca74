"""A provider's batches with retries of our own, whatever API it speaks.

A batch is created once: after an unclear outcome it is looked up by its chunk hash before it is created again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from assay.errors import AssayError, ServiceUnreachable, UsageError
from assay.inference.endpoint.backoff import Backoff
from assay.inference.endpoint.batch_dialect import BatchCallFailed, BatchTransport, ProviderBatch
from assay.inference.endpoint.failures import RETRYABLE, CallFailure, FailureKind

T = TypeVar("T")

ATTEMPTS = 5
NOT_FOUND = 404


@dataclass
class BatchClient:
    """The batches of one provider, called `name` in messages."""

    name: str
    transport: BatchTransport
    backoff: Backoff = field(default_factory=Backoff)
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep

    async def submit(self, path: Path, *, chunk_hash: str, run_id: str) -> ProviderBatch:
        """The file's batch at the provider, created now or by an attempt whose response was lost.

        Raises:
            ServiceUnreachable: the provider did not accept it after several attempts; it may have it nevertheless.
            UsageError: the provider rejects it.
        """
        uploaded = await self._retried("take the file", lambda: self.transport.upload(path, chunk_hash=chunk_hash))
        for attempt in range(1, ATTEMPTS + 1):
            try:
                return await self.transport.create(uploaded, chunk_hash=chunk_hash, run_id=run_id)
            except BatchCallFailed as failed:
                await self._before_another("take the batch", failed.failure, attempt)
            if found := await self.find(chunk_hash):
                return found
        raise AssertionError("the last attempt returns or raises")

    async def find(self, chunk_hash: str) -> ProviderBatch | None:
        """The batch with the chunk hash; None if the provider has none.

        Raises:
            ServiceUnreachable, UsageError: as for `submit`.
        """
        after: str | None = None
        while True:
            page = await self._retried("list its batches", lambda after=after: self.transport.page(after))  # type: ignore[misc]
            for batch in page.batches:
                if batch.chunk_hash == chunk_hash:
                    return batch
            if not page.batches or page.has_more is False or after == page.batches[-1].batch_id:
                return None
            after = page.batches[-1].batch_id

    async def retrieve(self, batch_id: str) -> ProviderBatch:
        """The current state of the batch.

        Raises:
            ServiceUnreachable: the provider does not respond.
            UsageError: it knows no such batch, or denies access.
        """
        return await self._retried(f"describe batch {batch_id}", lambda: self.transport.retrieve(batch_id))

    async def download(self, file_id: str, path: Path) -> None:
        """Writes the provider's complete file to `path`.

        Raises:
            ServiceUnreachable: the provider does not deliver it.
            UsageError: it has no such file, or denies access.
        """
        await self._retried(f"give file {file_id}", lambda: self.transport.download(file_id, path))

    async def close(self) -> None:
        """Connections are released."""
        await self.transport.close()

    async def _retried(self, what: str, work: Callable[[], Awaitable[T]]) -> T:
        attempt = 0
        while True:
            attempt += 1
            try:
                return await work()
            except BatchCallFailed as failed:
                await self._before_another(what, failed.failure, attempt)

    async def _before_another(self, what: str, failure: CallFailure, attempt: int) -> None:
        """Waits before the next attempt; raises if a retry is useless, or this attempt was the last."""
        if failure.kind not in RETRYABLE:
            raise self._refused(what, failure)
        if attempt >= ATTEMPTS:
            raise ServiceUnreachable(
                f"Provider '{self.name}' did not {what} in {ATTEMPTS} attempts ({failure.message})",
                next_step="resume the run later.",
            )
        await self.sleep(self.backoff.wait_s(attempt, failure.retry_after_s))

    def _refused(self, what: str, failure: CallFailure) -> AssayError:
        stated = f"Provider '{self.name}' did not {what}: {failure.message}"
        if failure.kind is FailureKind.AUTH:
            advice = "check the key that providers.yml names."
        elif failure.kind is FailureKind.OUT_OF_QUOTA:
            advice = "raise the account's quota, or run without --batch."
        elif failure.http_status == NOT_FOUND:
            stated += "; expected it at the base_url of providers.yml with this key"
            advice = "if the endpoint has no Batch API, run without --batch."
        else:
            advice = "correct the request, or run without --batch."
        return UsageError(stated, next_step=advice)
