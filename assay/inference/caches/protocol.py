"""What the engine sees of a cache.

Only shapes belong here, and the cache that is off. How an answer is recognised is the business of each cache.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from assay.inference.request import Request
from assay.records.statuses import AnswerSource

EXACT, SEMANTIC = AnswerSource.EXACT_CACHE, AnswerSource.SEMANTIC_CACHE


@dataclass(frozen=True, slots=True, kw_only=True)
class CachedAnswer:
    """An answer given before, masked as it was; `source` is what `predictions.answer_source` says.

    `output` is the answer's JSON text, `call_id` the call that was paid for it, `similarity` the cosine of the two
    questions' embeddings (1 for an exact repeat), `confidence` what the route said of the answer, if it said anything.
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
    """A valid answer from the wire, worth keeping: status ok, nothing repaired, rescued or made up.

    `lane` is `provider:model` as requested.
    """

    output: str
    route: str
    lane: str
    call_id: str
    response_model: str | None
    confidence: float | None = None


class AnswerCache(Protocol):
    """Gives answers again; whatever goes wrong inside is a miss, never a fault of the run."""

    async def find(self, request: Request, body: bytes, *, lane: str) -> CachedAnswer | None:
        """The answer to the same question by the same lane, or None; `body` is what would go on the wire."""
        ...

    async def store(self, request: Request, body: bytes, answer: PaidAnswer) -> None:
        """The answer can be found from now on in this process, and by others soon."""
        ...

    async def close(self) -> None:
        """What is kept is written, connections are released."""
        ...


class NoCache:
    """The cache that is off: finds nothing, keeps nothing."""

    async def find(self, request: Request, body: bytes, *, lane: str) -> CachedAnswer | None:
        """None."""
        return None

    async def store(self, request: Request, body: bytes, answer: PaidAnswer) -> None:
        """Nothing is kept."""

    async def close(self) -> None:
        """Nothing is to be done."""
