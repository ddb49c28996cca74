"""Embeddings from an OpenAI-compatible `/v1/embeddings` endpoint, many texts per call."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Protocol

from assay.inference.caches.batcher import Batcher
from assay.inference.endpoint.body_limit import bounded
from assay.inference.endpoint.client import bounded_client
from assay.inference.keys import new_id

if TYPE_CHECKING:
    import httpx2
    import numpy as np
    from numpy.typing import NDArray
    from openai.types import CreateEmbeddingResponse

    Vector = NDArray[np.float32]
    """A float32 vector of length 1."""

BATCH_TEXTS = 64
CALL_SECONDS = 10.0
REST_SECONDS = 30.0
"""Seconds for which no calls are made after the endpoint failed."""


class EmbeddingFailed(Exception):
    """Raised if the endpoint returned no usable embedding; the message states the reason."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EmbeddingCall:
    """One call that embedded `texts` texts.

    `input_tokens` is None if the endpoint reported no usage; `error` is None if the call succeeded.
    """

    call_id: str
    provider: str
    model: str
    texts: int
    text_bytes: int
    started_at: datetime
    latency_ms: float
    input_tokens: int | None
    error: str | None


class Embedder(Protocol):
    """Converts a text into a vector."""

    async def embed(self, text: str) -> Vector:
        """The text's vector, of length 1.

        Raises:
            EmbeddingFailed: the endpoint returned no usable embedding.
        """
        ...

    async def close(self) -> None:
        """Closes connections."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class EmbeddingEndpoint:
    """Endpoint and model for embeddings; `http_client` replaces the HTTP client of the `openai` package if given."""

    provider: str
    base_url: str
    api_key: str
    model: str
    http_client: httpx2.AsyncClient | None = None


class OpenAIEmbedder:
    """Calls one endpoint through the `openai` package; `note` is called with every call, so that its cost is recorded."""

    def __init__(
        self,
        endpoint: EmbeddingEndpoint,
        *,
        note: Callable[[EmbeddingCall], None],
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        from openai import AsyncOpenAI

        self._endpoint = endpoint
        self._client = AsyncOpenAI(
            base_url=endpoint.base_url,
            api_key=endpoint.api_key,
            max_retries=0,
            timeout=CALL_SECONDS,
            http_client=bounded(endpoint.http_client) if endpoint.http_client else bounded_client(endpoint.base_url),
        )
        self._note = note
        self._clock = clock
        self._now = now
        self._back_at = float("-inf")
        self._texts: Batcher[str, Vector] = Batcher(self._embed, most=BATCH_TEXTS)

    async def embed(self, text: str) -> Vector:
        """See `Embedder.embed`."""
        self._raise_while_paused()
        return await self._texts.submit(text)

    async def close(self) -> None:
        """See `Embedder.close`."""
        await self._client.close()

    def _raise_while_paused(self) -> None:
        if self._clock() < self._back_at:
            raise EmbeddingFailed(
                f"{self._endpoint.provider} failed recently; embedding calls are paused for {REST_SECONDS:g} s"
            )

    async def _embed(self, texts: Sequence[str]) -> Sequence[Vector]:
        self._raise_while_paused()  # the previous batch may have failed while these texts waited
        started_at, began = self._now(), self._clock()
        answer, vectors, error = None, None, None
        try:
            answer = await self._requested(texts)
            vectors = _vectors(answer, len(texts))
        except EmbeddingFailed as failed:
            error = failed
            self._back_at = self._clock() + REST_SECONDS
        self._note(
            EmbeddingCall(
                call_id=new_id(),
                provider=self._endpoint.provider,
                model=self._endpoint.model,
                texts=len(texts),
                text_bytes=sum(len(text.encode()) for text in texts),
                started_at=started_at,
                latency_ms=(self._clock() - began) * 1000,
                input_tokens=_input_tokens(answer),
                error=str(error) if error else None,
            )
        )
        if vectors is None:
            raise error or EmbeddingFailed("no vectors")
        return vectors

    async def _requested(self, texts: Sequence[str]) -> CreateEmbeddingResponse:
        import openai

        try:
            return await self._client.embeddings.create(
                model=self._endpoint.model, input=list(texts), encoding_format="float"
            )
        except openai.APIStatusError as error:
            raise EmbeddingFailed(f"HTTP {error.status_code} from {self._endpoint.provider}") from error
        except (openai.OpenAIError, ValueError) as error:
            raise EmbeddingFailed(f"{type(error).__name__} from {self._endpoint.provider}") from error


def _vectors(answer: CreateEmbeddingResponse, wanted: int) -> list[Vector]:
    """One vector per text, in the order of the texts.

    Raises:
        EmbeddingFailed: the number of vectors is wrong, their dimensions differ, or a vector has length 0.
    """
    import numpy as np

    try:
        entries = sorted(((one.index, one.embedding) for one in answer.data or ()), key=lambda entry: entry[0])
        widths = {len(embedding) for _, embedding in entries}
    except (AttributeError, TypeError) as error:  # the package does not validate the response
        raise EmbeddingFailed("the endpoint's response contains no list of embeddings") from error
    if [index for index, _ in entries] != list(range(wanted)):
        raise EmbeddingFailed(f"the endpoint returned {len(entries)} embeddings for {wanted} texts")
    if len(widths) != 1:
        raise EmbeddingFailed("the endpoint returned embeddings with different numbers of dimensions")
    try:
        matrix: Any = np.asarray([embedding for _, embedding in entries], dtype=np.float32)
    except (TypeError, ValueError) as error:
        raise EmbeddingFailed("the endpoint returned embeddings with non-numeric values") from error
    lengths = np.linalg.norm(matrix, axis=1, keepdims=True)
    if not np.all(np.isfinite(lengths)) or not np.all(lengths > 0):
        raise EmbeddingFailed("the endpoint returned an embedding whose length is 0 or not finite")
    return list(matrix / lengths)


def _input_tokens(answer: CreateEmbeddingResponse | None) -> int | None:
    """The number of tokens that the endpoint counted; None if it reported none."""
    tokens = getattr(getattr(answer, "usage", None), "prompt_tokens", None)
    return tokens if isinstance(tokens, int) else None
