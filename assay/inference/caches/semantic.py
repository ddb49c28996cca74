"""Semantic cache: a response is reused for a question with the same meaning.

A response is reused only above the similarity threshold that `assay cache tune` found, and only for the same task,
tenant, epoch and model. A question consists of the record's masked fields; the inference version determines the rest of
the request.
"""

from __future__ import annotations

import re
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, NamedTuple

import orjson

from assay.inference.caches.embeddings import Embedder, EmbeddingFailed
from assay.inference.caches.protocol import SEMANTIC, CachedAnswer, PaidAnswer
from assay.inference.caches.vectors import VectorIndex
from assay.inference.keys import content_hash
from assay.inference.request import Request, RunFacts
from assay.records import SemanticCacheEntry

if TYPE_CHECKING:
    from assay.inference.caches.embeddings import Vector

REMEMBERED = 4096
"""Maximum number of vectors kept for requests in progress, so that storing a response does not embed its question again.
"""
SHELF_ENTRIES = 50_000
"""Maximum number of responses of one scope in memory; the newest are kept. A vector with 1,536 dimensions takes 6 KB."""
SAME_QUESTION = 1 - 1e-5
"""Similarity from which two questions count as equal: 1, less the rounding error of float32 and of the endpoint."""
PLACEHOLDER = re.compile(r"<[A-Z]+_\d+>", re.IGNORECASE)


class Scope(NamedTuple):
    """The scope within which a response may be reused."""

    tenant_id: str
    epoch: int
    lane: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SemanticPolicy:
    """Conditions for the reuse of a response.

    The cosine similarity to the cached question must be at least `threshold`, and must exceed that of the nearest
    question with a different response by at least `margin`. Responses differ if any of the fields in `compare` differ,
    or any field if `compare` is empty. Only responses stored at or after `not_before`, in Unix seconds, are
    reused. The newest `most_entries` of each scope are kept.
    """

    embedding_provider: str
    embedding_model: str
    threshold: float
    ttl_s: float
    margin: float = 0.0
    compare: tuple[str, ...] = ()
    not_before: float = 0.0
    most_entries: int = SHELF_ENTRIES


@dataclass(slots=True)
class _ScopeEntries:
    """The responses of one scope, oldest first; `model` is the response model of the latest one.

    The vectors are stored in the index only.
    """

    index: VectorIndex
    entries: dict[int, SemanticCacheEntry] = field(default_factory=dict)
    model: str | None = None
    last: int = 0

    def add(self, entry: SemanticCacheEntry, vector: Vector, *, most: int) -> None:
        """Adds the entry; evicts the oldest entry if there are more than `most`."""
        self.last += 1
        self.entries[self.last] = replace(entry, embedding=())
        self.index.add(self.last, vector)
        if len(self.entries) > most:
            self.remove(next(iter(self.entries)))

    def remove(self, number: int) -> None:
        """Removes the entry."""
        self.index.remove(number)
        del self.entries[number]


class SemanticCache:
    """Cached responses for the task of one run; `land` writes each new entry to the warehouse for later runs."""

    def __init__(
        self,
        embedder: Embedder,
        *,
        facts: RunFacts,
        policy: SemanticPolicy,
        land: Callable[[SemanticCacheEntry], None],
        now: Callable[[], float] = time.time,
    ) -> None:
        self._embedder = embedder
        self._facts = facts
        self._policy = policy
        self._land = land
        self._now = now
        self._by_scope: dict[Scope, _ScopeEntries] = {}
        self._vectors: OrderedDict[str, Vector] = OrderedDict()

    def load(self, entries: Iterable[SemanticCacheEntry]) -> int:
        """Adds the entries, oldest first, and returns the number added.

        Skips entries of other inference versions or embedding models, and expired ones.
        """
        import numpy as np

        loaded = 0
        for entry in entries:
            if self._fits(entry):
                self._keep(entry, np.asarray(entry.embedding, dtype=np.float32))
                loaded += 1
        return loaded

    async def find(self, request: Request, body: bytes, *, lane: str) -> CachedAnswer | None:
        """See `AnswerCache.find`."""
        if request.history:  # the meaning of a question depends on the conversation before it
            return None
        scoped = self._by_scope.get(_scope(request, lane))
        vector = await self._vector(request)
        if vector is None or scoped is None or scoped.index.width != len(vector):
            return None
        near = list(self._near(scoped, vector))
        if not near or near[0][1] < self._policy.threshold or self._lead(near) < self._policy.margin:
            return None
        entry, similarity = near[0]
        if not _placeholders(entry.output) <= _placeholders(question(request.fields)):
            return None
        return _answer(entry, similarity)

    async def store(self, request: Request, body: bytes, answer: PaidAnswer) -> None:
        """See `AnswerCache.store`."""
        if request.history:
            return
        vector = await self._vector(request)
        if vector is None:
            return
        self._vectors.pop(request.key, None)
        entry = self._entry(request, answer, vector)
        self._keep(entry, vector)
        self._land(entry)

    async def close(self) -> None:
        """See `AnswerCache.close`."""
        await self._embedder.close()

    async def _vector(self, request: Request) -> Vector | None:
        """The question's vector; None if the endpoint returned none, because the run continues without the cache."""
        known = self._vectors.get(request.key)
        if known is not None:
            return known
        try:
            vector = await self._embedder.embed(question(request.fields))
        except EmbeddingFailed:
            return None
        self._vectors[request.key] = vector
        while len(self._vectors) > REMEMBERED:
            self._vectors.popitem(last=False)
        return vector

    def _keep(self, entry: SemanticCacheEntry, vector: Vector) -> None:
        scope = Scope(entry.tenant_id, entry.epoch, f"{entry.provider}:{entry.request_model}")
        scoped = self._by_scope.get(scope)
        if scoped is None or scoped.index.width != len(vector) or scoped.model != entry.response_model:
            # The endpoint now returns a different response model; responses of the previous one are not reused.
            scoped = self._by_scope[scope] = _ScopeEntries(VectorIndex(len(vector)), model=entry.response_model)
        self._drop_duplicates(scoped, entry, vector)
        scoped.add(entry, vector, most=self._policy.most_entries)

    def _drop_duplicates(self, scoped: _ScopeEntries, entry: SemanticCacheEntry, vector: Vector) -> None:
        """Removes equal responses to the same question: copies would displace all other entries in a search."""
        compared = self._compared(entry.output)
        for number, similarity in list(scoped.index.nearest(vector)):
            if similarity < SAME_QUESTION:
                break
            if self._compared(scoped.entries[number].output) == compared:
                scoped.remove(number)

    def _near(self, scoped: _ScopeEntries, vector: Vector) -> Iterator[tuple[SemanticCacheEntry, float]]:
        """Yields the nearest entries that may be reused, nearest first; removes expired ones."""
        now = self._now()
        oldest = max(now - self._policy.ttl_s, self._policy.not_before)
        for number, similarity in list(scoped.index.nearest(vector)):
            entry = scoped.entries[number]
            if entry.expires_at.timestamp() <= now:
                scoped.remove(number)
            elif entry.occurred_at.timestamp() >= oldest:
                yield entry, similarity

    def _lead(self, near: list[tuple[SemanticCacheEntry, float]]) -> float:
        """Similarity of the nearest entry, minus that of the nearest one with a different response.

        If all responses are equal, the last neighbor's similarity is subtracted.
        """
        if not self._policy.margin:
            return 0.0
        compared = self._compared(near[0][0].output)
        rival = next(
            (similarity for entry, similarity in near if self._compared(entry.output) != compared), near[-1][1]
        )
        return near[0][1] - rival

    def _compared(self, output: str) -> bytes:
        """The part of a response that is compared with other responses."""
        content = orjson.loads(output)
        if self._policy.compare and isinstance(content, dict):
            content = {name: content.get(name) for name in self._policy.compare}
        return orjson.dumps(content, option=orjson.OPT_SORT_KEYS)

    def _fits(self, entry: SemanticCacheEntry) -> bool:
        return (
            (entry.task, entry.inference_version) == (self._facts.task, self._facts.inference_version)
            and (entry.embedding_provider, entry.embedding_model)
            == (self._policy.embedding_provider, self._policy.embedding_model)
            and entry.expires_at.timestamp() > self._now()
            and len(entry.embedding) > 0
        )

    def _entry(self, request: Request, answer: PaidAnswer, vector: Vector) -> SemanticCacheEntry:
        provider, _, model = answer.lane.partition(":")
        now = self._now()
        return SemanticCacheEntry(
            data_date=self._facts.data_date,
            occurred_at=datetime.fromtimestamp(now, UTC),
            tenant_id=request.tenant_id,
            entry_id=content_hash(answer.call_id, self._policy.embedding_provider, self._policy.embedding_model),
            run_id=self._facts.run_id,
            task=self._facts.task,
            record_id=request.record_id,
            epoch=request.epoch,
            inference_version=self._facts.inference_version,
            provider=provider,
            request_model=model,
            response_model=answer.response_model,
            embedding_provider=self._policy.embedding_provider,
            embedding_model=self._policy.embedding_model,
            embedding=tuple(vector.tolist()),
            output=answer.output,
            confidence=answer.confidence,
            route=answer.route,
            call_id=answer.call_id,
            expires_at=datetime.fromtimestamp(now + self._policy.ttl_s, UTC),
            subject_key=request.subject_key,
            masking_version=self._facts.masking_version,
        )


def question(fields: Mapping[str, str]) -> str:
    """The text that is embedded: a single field as it is; several fields on one line each, with their names."""
    if len(fields) == 1:
        return next(iter(fields.values()))
    return "\n".join(f"{name}: {fields[name]}" for name in sorted(fields))


def _scope(request: Request, lane: str) -> Scope:
    return Scope(request.tenant_id, request.epoch, lane)


def _placeholders(text: str) -> set[str]:
    """Placeholders of personal values; those in a response must also occur in its question, or they cannot be restored."""
    return {name.upper() for name in PLACEHOLDER.findall(text)}  # restoring ignores letter case too


def _answer(entry: SemanticCacheEntry, similarity: float) -> CachedAnswer:
    return CachedAnswer(
        output=entry.output,
        route=entry.route,
        call_id=entry.call_id,
        response_model=entry.response_model,
        source=SEMANTIC,
        similarity=similarity,
        confidence=entry.confidence,
    )
