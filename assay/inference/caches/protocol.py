"""Protocol of a cache of responses, and the implementation for a disabled cache."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from assay.inference.request import Request
from assay.records.statuses import AnswerSource

EXACT, SEMANTIC = AnswerSource.EXACT_CACHE, AnswerSource.SEMANTIC_CACHE


@dataclass(frozen=True, slots=True, kw_only=True)
class CachedAnswer:
    """A cached response, masked as received; `source` is written to the column `predictions.answer_source`.

    `output` is the JSON text of the response; `call_id` is the call that returned it; `similarity` is the cosine
    similarity between the embeddings of the two requests, 1 for an identical request; `confidence` is the route's
    confidence in the response, if any.
    """

    output: str
    route: str
    call_id: str
    response_model: str | None
    source: AnswerSource
    similarity: float = 1.0
    confidence: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PaidAnswer:
    """A valid response to a call that may be cached: its status is ok, and it was neither repaired nor completed.

    `lane` is `provider:model` as requested.
    """

    output: str
    route: str
    lane: str
    call_id: str
    response_model: str | None
    confidence: float | None = None


class AnswerCache(Protocol):
    """Stores and finds responses; an error inside the cache counts as a miss and never stops the run."""

    async def find(self, request: Request, body: bytes, *, lane: str) -> CachedAnswer | None:
        """The cached response to the request in the lane, or None; `body` is the request body that would be sent."""
        ...

    async def store(self, request: Request, body: bytes, answer: PaidAnswer) -> None:
        """Stores the response; this process finds it immediately, others within seconds."""
        ...

    async def close(self) -> None:
        """Writes buffered entries and closes connections."""
        ...


class NoCache:
    """A disabled cache: finds and stores nothing."""

    async def find(self, request: Request, body: bytes, *, lane: str) -> CachedAnswer | None:
        """Returns None."""
        return None

    async def store(self, request: Request, body: bytes, answer: PaidAnswer) -> None:
        """Does nothing."""

    async def close(self) -> None:
        """Does nothing."""
