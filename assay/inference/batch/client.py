"""Client for a provider's Batch API that retries failed requests, independent of the API's dialect.

A batch is created only once: if the outcome of an attempt is unknown, the client looks for a batch with the same chunk
hash before it tries again.
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
    """Client for the Batch API of one provider; `name` is the provider's name in messages."""

    name: str
    transport: BatchTransport
    backoff: Backoff = field(default_factory=Backoff)
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep

    async def submit(self, path: Path, *, chunk_hash: str, run_id: str) -> ProviderBatch:
        """Uploads the file and returns its batch, created now or by an earlier attempt whose response was lost.

        Raises:
            ServiceUnreachable: several attempts failed; the provider may have created the batch nevertheless.
            UsageError: the provider rejected the file or the batch.
        """
        uploaded = await self._retried("uploading the file", lambda: self.transport.upload(path, chunk_hash=chunk_hash))
        for attempt in range(1, ATTEMPTS + 1):
            try:
                return await self.transport.create(uploaded, chunk_hash=chunk_hash, run_id=run_id)
            except BatchCallFailed as failed:
                await self._before_another("creating the batch", failed.failure, attempt)
            if found := await self.find(chunk_hash):
                return found
        raise AssertionError("the last attempt returns or raises")

    async def find(self, chunk_hash: str) -> ProviderBatch | None:
        """The batch with this chunk hash; None if the provider lists none.

        Raises:
            ServiceUnreachable, UsageError: as for `submit`.
        """
        after: str | None = None
        while True:
            page = await self._retried("listing the batches", lambda after=after: self.transport.page(after))  # type: ignore[misc]
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
            UsageError: the provider has no such batch, or denies access.
        """
        return await self._retried(f"retrieving batch {batch_id}", lambda: self.transport.retrieve(batch_id))

    async def download(self, file_id: str, path: Path) -> None:
        """Downloads the provider's file completely to `path`.

        Raises:
            ServiceUnreachable: the provider does not respond.
            UsageError: the provider has no such file, or denies access.
        """
        await self._retried(f"downloading file {file_id}", lambda: self.transport.download(file_id, path))

    async def close(self) -> None:
        """Closes connections."""
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
        """Waits before the next attempt; raises if the failure is permanent or this attempt was the last."""
        if failure.kind not in RETRYABLE:
            raise self._refused(what, failure)
        if attempt >= ATTEMPTS:
            raise ServiceUnreachable(
                f"Provider '{self.name}': {what} failed after {ATTEMPTS} attempts ({failure.message})",
                next_step="resume the run later.",
            )
        await self.sleep(self.backoff.wait_s(attempt, failure.retry_after_s))

    def _refused(self, what: str, failure: CallFailure) -> AssayError:
        stated = f"Provider '{self.name}': {what} failed ({failure.message})"
        if failure.kind is FailureKind.AUTH:
            advice = "check the API key in the variable that providers.yml names."
        elif failure.kind is FailureKind.OUT_OF_QUOTA:
            advice = "raise the account's quota, or run without --batch."
        elif failure.http_status == NOT_FOUND:
            advice = "check the base_url and the API key in providers.yml; if the endpoint has no Batch API, run without --batch."
        else:
            advice = "fix the cause that the provider states, or run without --batch."
        return UsageError(stated, next_step=advice)
