"""OpenAI's Batch API: request files through `/files` and batches through `/batches`, with the `openai` package.

Source: OpenAI's API reference for "Batch" and "Files".
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import orjson

from assay.inference.endpoint.batch_dialect import (
    CALL_SECONDS,
    FILE_SECONDS,
    BatchCallFailed,
    BatchDialect,
    BatchPage,
    BatchTransport,
    CustomId,
    ProviderBatch,
)
from assay.inference.endpoint.body_limit import STREAMED, is_too_large
from assay.inference.endpoint.client import bounded_client
from assay.inference.endpoint.dialect import ChatDialect
from assay.inference.endpoint.failures import CallFailure, FailureKind
from assay.inference.endpoint.replies import Reply, broken_off, timed_out, too_large
from assay.inference.endpoint.responses import MESSAGE_CHARACTERS, read_response
from assay.inference.endpoint.secrets import KeyRemover
from assay.records.statuses import ProviderBatchStatus

if TYPE_CHECKING:
    from openai import AsyncOpenAI
    from openai.types import Batch

ENDPOINT: Final = "/v1/chat/completions"
CHUNK_KEY, RUN_KEY = "assay_chunk", "assay_run"
"""Keys in the metadata of a batch."""
WINDOW: Final = "24h"
PAGE = 100
ENDED = frozenset(ProviderBatchStatus)
ERRORS_SHOWN = 3


@dataclass(frozen=True, slots=True)
class OpenAIBatches(BatchDialect):
    """See `BatchDialect` for each method; the request bodies in a file are in the format of `chat`."""

    chat: ChatDialect

    def request_line(self, custom_id: CustomId, body: bytes) -> bytes:
        """See `BatchDialect.request_line`."""
        head = b'{"custom_id":"' + str(custom_id).encode() + b'","method":"POST","url":"' + ENDPOINT.encode()
        return head + b'","body":' + body + b"}\n"

    def custom_id(self, line: Mapping[str, Any]) -> object:
        """See `BatchDialect.custom_id`."""
        return line.get("custom_id")

    def read_line(self, line: Mapping[str, Any]) -> Reply | CallFailure:
        """See `BatchDialect.read_line`; a response is read in the same way as that of a synchronous call."""
        response = line.get("response")
        if isinstance(response, dict) and isinstance(status := response.get("status_code"), int):
            return read_response(self.chat, status, {}, orjson.dumps(response.get("body")))
        error = line.get("error")
        if not isinstance(error, dict):
            return CallFailure(FailureKind.SERVER, "the line for this request contains neither a response nor an error")
        stated = self.chat.read_error(error)
        message = f"{error.get('code') or 'no code'}: {stated.message}"
        return CallFailure(stated.kind or FailureKind.SERVER, message[:MESSAGE_CHARACTERS])

    def connect(self, *, base_url: str, api_key: str) -> BatchTransport:
        """See `BatchDialect.connect`."""
        return OpenAIBatchTransport(self.chat, base_url=base_url, api_key=api_key)


class OpenAIBatchTransport(BatchTransport):
    """See `BatchTransport` for each method."""

    def __init__(self, chat: ChatDialect, *, base_url: str, api_key: str) -> None:
        self._chat = chat
        self._base_url = base_url
        self._api_key = api_key
        self._remover = KeyRemover(api_key)
        self._client: AsyncOpenAI | None = None

    async def upload(self, path: Path, *, chunk_hash: str) -> str:
        """See `BatchTransport.upload`."""
        async with self._tried(FILE_SECONDS):
            with path.open("rb") as file:
                named = (f"assay-{chunk_hash}.jsonl", file, "application/jsonl")
                made = await self._openai.files.create(file=named, purpose="batch", timeout=FILE_SECONDS)
            return made.id

    async def create(self, file_id: str, *, chunk_hash: str, run_id: str) -> ProviderBatch:
        """See `BatchTransport.create`."""
        async with self._tried(CALL_SECONDS):
            made = await self._openai.batches.create(
                input_file_id=file_id,
                endpoint=ENDPOINT,
                completion_window=WINDOW,
                metadata={CHUNK_KEY: chunk_hash, RUN_KEY: run_id},
                timeout=CALL_SECONDS,
            )
        return self._seen(made)

    async def page(self, after: str | None) -> BatchPage:
        """See `BatchTransport.page`."""
        from openai import omit

        async with self._tried(CALL_SECONDS):
            page = await self._openai.batches.list(limit=PAGE, after=after or omit, timeout=CALL_SECONDS)
        return BatchPage([self._seen(batch) for batch in page.data], page.has_more)

    async def retrieve(self, batch_id: str) -> ProviderBatch:
        """See `BatchTransport.retrieve`."""
        async with self._tried(CALL_SECONDS):
            found = await self._openai.batches.retrieve(batch_id, timeout=CALL_SECONDS)
        return self._seen(found)

    async def download(self, file_id: str, path: Path) -> None:
        """See `BatchTransport.download`."""
        partial = path.with_name(f"{path.name}.partial")
        headers = {"Accept-Encoding": STREAMED}
        async with (
            self._tried(FILE_SECONDS),
            self._openai.files.with_streaming_response.content(
                file_id, timeout=FILE_SECONDS, extra_headers=headers
            ) as response,
        ):
            with partial.open("wb") as file:
                async for piece in response.iter_bytes():
                    file.write(piece)
        partial.replace(path)

    async def close(self) -> None:
        """See `BatchTransport.close`."""
        if self._client is not None:
            await self._client.close()

    def _seen(self, batch: Batch) -> ProviderBatch:
        ends = (batch.completed_at, batch.failed_at, batch.expired_at, batch.cancelled_at)
        ended = next((moment for moment in ends if moment), None)
        reason = _reason(batch)
        return ProviderBatch(
            batch_id=batch.id,
            status=batch.status,
            has_ended=batch.status in ENDED,
            chunk_hash=(batch.metadata or {}).get(CHUNK_KEY),
            created_at=datetime.fromtimestamp(batch.created_at, UTC),
            input_file_id=batch.input_file_id or None,
            output_file_id=batch.output_file_id or None,
            error_file_id=batch.error_file_id or None,
            ended_at=datetime.fromtimestamp(ended, UTC) if ended else None,
            reason=reason and self._remover.text(reason),
        )

    @property
    def _openai(self) -> AsyncOpenAI:
        if self._client is None:
            from openai import AsyncOpenAI

            self._client = AsyncOpenAI(
                base_url=self._base_url,
                api_key=self._api_key,
                max_retries=0,
                http_client=bounded_client(self._base_url),
            )
        return self._client

    @asynccontextmanager
    async def _tried(self, timeout_s: float) -> AsyncIterator[None]:
        """Context manager: limits the block to `timeout_s` and converts errors of the libraries to `BatchCallFailed`."""
        import httpx2
        import openai

        try:
            async with asyncio.timeout(timeout_s):
                yield
        except (TimeoutError, openai.APITimeoutError) as error:
            raise BatchCallFailed(timed_out(timeout_s)) from error
        except openai.APIStatusError as error:
            response = error.response
            failure = self._remover.read_response(self._chat, error.status_code, response.headers, response.content)
            raise BatchCallFailed(failure if isinstance(failure, CallFailure) else broken_off()) from error
        except (openai.APIConnectionError, httpx2.HTTPError) as error:
            failure = too_large() if is_too_large(error) else broken_off()
            raise BatchCallFailed(failure) from error
        except openai.APIResponseValidationError as error:
            failure = CallFailure(FailureKind.SERVER, "the endpoint's response is not JSON", http_status=200)
            raise BatchCallFailed(failure) from error


def _reason(batch: Batch) -> str | None:
    errors = batch.errors.data if batch.errors and batch.errors.data else []
    shown = [f"{error.code or 'error'}: {error.message or ''}".rstrip(": ") for error in errors[:ERRORS_SHOWN]]
    return "; ".join(shown) or None
