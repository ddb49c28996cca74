"""Files and batches of a provider through the `openai` package, with our own retries.

A batch is created once: after an unclear outcome it is looked up by its chunk hash before it is created again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

from assay.errors import AssayError, ServiceUnreachable, UsageError
from assay.inference.batch.chunk import BATCH_URL
from assay.inference.endpoint.backoff import Backoff
from assay.inference.endpoint.failures import RETRYABLE, CallFailure, FailureKind
from assay.inference.endpoint.replies import broken_off, read_answer, timed_out
from assay.records.statuses import ProviderBatchStatus

if TYPE_CHECKING:
    import httpx2
    from openai import AsyncOpenAI
    from openai.types import Batch

T = TypeVar("T")

CHUNK_KEY, RUN_KEY = "assay_chunk", "assay_run"
"""Keys in the provider's batch metadata."""
WINDOW: Final = "24h"
PAGE = 100
ATTEMPTS = 5
CALL_SECONDS = 60.0
FILE_SECONDS = 900.0
ENDED = frozenset(ProviderBatchStatus)
NOT_FOUND = 404
ERRORS_SHOWN = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderBatch:
    """A batch as reported by the provider; times are UTC by its clock."""

    batch_id: str
    status: str
    chunk_hash: str | None
    created_at: datetime
    input_file_id: str | None = None
    output_file_id: str | None = None
    error_file_id: str | None = None
    ended_at: datetime | None = None
    reason: str | None = None

    @property
    def has_ended(self) -> bool:
        """True if the batch will not change anymore."""
        return self.status in ENDED


class _Failed(Exception):
    """One attempt failed."""

    def __init__(self, failure: CallFailure) -> None:
        super().__init__(failure.message)
        self.failure = failure


@dataclass
class BatchClient:
    """The Batch API of one provider; messages call it `name`."""

    name: str
    base_url: str
    api_key: str
    http_client: httpx2.AsyncClient | None = None
    backoff: Backoff = field(default_factory=Backoff)
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    _client: AsyncOpenAI | None = None

    async def submit(self, path: Path, *, chunk_hash: str, run_id: str) -> ProviderBatch:
        """The file's batch at the provider, created now or by an attempt whose response was lost.

        Raises:
            ServiceUnreachable: the provider did not accept it after several attempts; it may have it nevertheless.
            UsageError: the provider rejects it.
        """
        uploaded = await self._retried("take the file", lambda: self._upload(path, chunk_hash), timeout_s=FILE_SECONDS)
        for attempt in range(1, ATTEMPTS + 1):
            try:
                return await self._create(uploaded, chunk_hash=chunk_hash, run_id=run_id)
            except _Failed as failed:
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
            page = await self._retried("list its batches", lambda after=after: self._page(after))  # type: ignore[misc]
            batches = [_seen(batch) for batch in page.data]
            for batch in batches:
                if batch.chunk_hash == chunk_hash:
                    return batch
            if not batches or page.has_more is False or after == batches[-1].batch_id:
                return None
            after = batches[-1].batch_id

    async def retrieve(self, batch_id: str) -> ProviderBatch:
        """The current state of the batch.

        Raises:
            ServiceUnreachable: the provider does not respond.
            UsageError: it knows no such batch, or denies access.
        """
        return _seen(await self._retried(f"report batch {batch_id}", lambda: self._one(batch_id)))

    async def download(self, file_id: str, path: Path) -> None:
        """Writes the provider's complete file to `path`.

        Raises:
            ServiceUnreachable: the provider does not deliver it.
            UsageError: it has no such file, or denies access.
        """
        await self._retried(f"give file {file_id}", lambda: self._fetch(file_id, path), timeout_s=FILE_SECONDS)

    async def close(self) -> None:
        """Releases connections."""
        if self._client is not None:
            await self._client.close()

    @property
    def _openai(self) -> AsyncOpenAI:
        if self._client is None:
            from openai import AsyncOpenAI

            self._client = AsyncOpenAI(
                base_url=self.base_url, api_key=self.api_key, max_retries=0, http_client=self.http_client
            )
        return self._client

    async def _upload(self, path: Path, chunk_hash: str) -> str:
        with path.open("rb") as file:
            made = await self._openai.files.create(
                file=(f"assay-{chunk_hash}.jsonl", file, "application/jsonl"), purpose="batch", timeout=FILE_SECONDS
            )
        return made.id

    async def _create(self, input_file_id: str, *, chunk_hash: str, run_id: str) -> ProviderBatch:
        made = await _tried(
            lambda: self._openai.batches.create(
                input_file_id=input_file_id,
                endpoint=BATCH_URL,
                completion_window=WINDOW,
                metadata={CHUNK_KEY: chunk_hash, RUN_KEY: run_id},
                timeout=CALL_SECONDS,
            ),
            CALL_SECONDS,
        )
        return _seen(made)

    async def _page(self, after: str | None) -> Any:
        from openai import omit

        return await self._openai.batches.list(limit=PAGE, after=after or omit, timeout=CALL_SECONDS)

    async def _one(self, batch_id: str) -> Batch:
        return await self._openai.batches.retrieve(batch_id, timeout=CALL_SECONDS)

    async def _fetch(self, file_id: str, path: Path) -> None:
        partial = path.with_name(f"{path.name}.partial")
        async with self._openai.files.with_streaming_response.content(file_id, timeout=FILE_SECONDS) as response:
            with partial.open("wb") as file:
                async for piece in response.iter_bytes():
                    file.write(piece)
        partial.replace(path)

    async def _retried(self, what: str, work: Callable[[], Awaitable[T]], *, timeout_s: float = CALL_SECONDS) -> T:
        attempt = 0
        while True:
            attempt += 1
            try:
                return await _tried(work, timeout_s)
            except _Failed as failed:
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


async def _tried(work: Callable[[], Awaitable[T]], timeout_s: float) -> T:
    """The result of one attempt; any exception of the libraries is raised as `_Failed`."""
    import httpx2
    import openai

    try:
        async with asyncio.timeout(timeout_s):
            return await work()
    except (TimeoutError, openai.APITimeoutError) as error:
        raise _Failed(timed_out(timeout_s)) from error
    except openai.APIStatusError as error:
        response = error.response
        failure = read_answer(error.status_code, response.headers, response.content)
        raise _Failed(failure if isinstance(failure, CallFailure) else broken_off()) from error
    except (openai.APIConnectionError, httpx2.HTTPError) as error:
        raise _Failed(broken_off()) from error
    except openai.APIResponseValidationError as error:
        raise _Failed(CallFailure(FailureKind.SERVER, "the response is not JSON", http_status=200)) from error


def _seen(batch: Batch) -> ProviderBatch:
    ends = (batch.completed_at, batch.failed_at, batch.expired_at, batch.cancelled_at)
    ended = next((moment for moment in ends if moment), None)
    return ProviderBatch(
        batch_id=batch.id,
        status=batch.status,
        chunk_hash=(batch.metadata or {}).get(CHUNK_KEY),
        created_at=datetime.fromtimestamp(batch.created_at, UTC),
        input_file_id=batch.input_file_id or None,
        output_file_id=batch.output_file_id or None,
        error_file_id=batch.error_file_id or None,
        ended_at=datetime.fromtimestamp(ended, UTC) if ended else None,
        reason=_reason(batch),
    )


def _reason(batch: Batch) -> str | None:
    errors = batch.errors.data if batch.errors and batch.errors.data else []
    shown = [f"{error.code or 'error'}: {error.message or ''}".rstrip(": ") for error in errors[:ERRORS_SHOWN]]
    return "; ".join(shown) or None
