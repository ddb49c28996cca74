"""Protocol of a cache of responses, and the cache that is off."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from assay.inference.request import Request
from assay.records.statuses import AnswerSource

EXACT, SEMANTIC = AnswerSource.EXACT_CACHE, AnswerSource.SEMANTIC_CACHE


@dataclass(frozen=True, slots=True, kw_only=True)
class CachedAnswer:
    """A cached response, masked as received; `source` becomes `predictions.answer_source`.

    `output` is the response's JSON text, `call_id` the call that paid for it, `similarity` the cosine of the embeddings
    of both requests (1 for an exact repeat), `confidence` the route's confidence in the response, None without one.
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
    """A valid response from the wire that is worth caching: status ok, neither repaired nor completed.

    `lane` is `provider:model` as requested.
    """

    output: str
    route: str
    lane: str
    call_id: str
    response_model: str | None
    confidence: float | None = None


class AnswerCache(Protocol):
    """Returns cached responses; an error inside the cache is a miss and never fails the run."""

    async def find(self, request: Request, body: bytes, *, lane: str) -> CachedAnswer | None:
        """The response to the same request in the same lane, or None; `body` is the request body that would be sent."""
        ...

    async def store(self, request: Request, body: bytes, answer: PaidAnswer) -> None:
        """Stores the response; this process finds it at once, others soon."""
        ...

    async def close(self) -> None:
        """Writes buffered entries and releases connections."""
        ...


class NoCache:
    """The cache that is off: finds and stores nothing."""

    async def find(self, request: Request, body: bytes, *, lane: str) -> CachedAnswer | None:
        """None."""
        return None

    async def store(self, request: Request, body: bytes, answer: PaidAnswer) -> None:
        """Does nothing."""

    async def close(self) -> None:
        """Does nothing."""
