"""The semantic cache: an answer is given again to a question that means the same.

Only above the similarity that `assay cache tune` measured, for the same task, tenant, epoch and model. A question is
the record's masked fields; everything else that reaches the wire is fixed by the inference version.
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
"""Vectors of questions under way, so that a miss is not embedded again when its answer comes."""
SHELF_ENTRIES = 50_000
"""Answers of one scope that are kept in the process, the newest: a vector of 1,536 numbers takes 6 KB."""
SAME_QUESTION = 1 - 1e-5
"""Similarity from which two questions are one: what float32 and an endpoint's own rounding leave of 1."""
PLACEHOLDER = re.compile(r"<[A-Z]+_\d+>", re.IGNORECASE)


class Scope(NamedTuple):
    """Where an answer may be given again: no answer leaves its scope."""

    tenant_id: str
    epoch: int
    lane: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SemanticPolicy:
    """When an answer is given again: to a question at least `threshold` similar (cosine) to one that was answered, and by
    `margin` more similar than to the nearest one with another answer.

    Answers are other ones where they differ in the fields `compare`, or in any if none is named. `not_before` is the
    oldest answer a run may reuse, in seconds since 1970. `most_entries` of a scope are kept, the newest.
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
class _Shelf:
    """The answers of one scope, oldest first, their vectors in the index only; `model` is the one that answered last."""

    index: VectorIndex
    entries: dict[int, SemanticCacheEntry] = field(default_factory=dict)
    model: str | None = None
    last: int = 0

    def add(self, entry: SemanticCacheEntry, vector: Vector, *, most: int) -> None:
        """The entry is found from now on; beyond `most` the oldest makes room."""
        self.last += 1
        self.entries[self.last] = replace(entry, embedding=())
        self.index.add(self.last, vector)
        if len(self.entries) > most:
            self.remove(next(iter(self.entries)))

    def remove(self, number: int) -> None:
        """The entry is not found any more."""
        self.index.remove(number)
        del self.entries[number]


class SemanticCache:
    """Answers of one run's task by meaning; `land` takes each new entry for the warehouse, from which the next run begins."""

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
        self._shelves: dict[Scope, _Shelf] = {}
        self._vectors: OrderedDict[str, Vector] = OrderedDict()

    def load(self, entries: Iterable[SemanticCacheEntry]) -> int:
        """The entries, oldest first, can be found; returns how many. Those of other versions or embeddings are passed over."""
        import numpy as np

        loaded = 0
        for entry in entries:
            if self._fits(entry):
                self._shelve(entry, np.asarray(entry.embedding, dtype=np.float32))
                loaded += 1
        return loaded

    async def find(self, request: Request, body: bytes, *, lane: str) -> CachedAnswer | None:
        """See `AnswerCache.find`."""
        if request.history:  # what a question means hangs on what was said before
            return None
        shelf = self._shelves.get(_scope(request, lane))
        vector = await self._vector(request)
        if vector is None or shelf is None or shelf.index.width != len(vector):
            return None
        near = list(self._near(shelf, vector))
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
        self._shelve(entry, vector)
        self._land(entry)

    async def close(self) -> None:
        """See `AnswerCache.close`."""
        await self._embedder.close()

    async def _vector(self, request: Request) -> Vector | None:
        """The question's vector, or None while the endpoint gives none: no cache is no fault."""
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

    def _shelve(self, entry: SemanticCacheEntry, vector: Vector) -> None:
        scope = Scope(entry.tenant_id, entry.epoch, f"{entry.provider}:{entry.request_model}")
        shelf = self._shelves.get(scope)
        if shelf is None or shelf.index.width != len(vector) or shelf.model != entry.response_model:
            # Another model answers under the name now: what the old one said is not given again.
            shelf = self._shelves[scope] = _Shelf(VectorIndex(len(vector)), model=entry.response_model)
        self._drop_twins(shelf, entry, vector)
        shelf.add(entry, vector, most=self._policy.most_entries)

    def _drop_twins(self, shelf: _Shelf, entry: SemanticCacheEntry, vector: Vector) -> None:
        """The same answer to the same question is kept once: many would hide all others from a search."""
        said = self._said(entry.output)
        for number, similarity in list(shelf.index.nearest(vector)):
            if similarity < SAME_QUESTION:
                break
            if self._said(shelf.entries[number].output) == said:
                shelf.remove(number)

    def _near(self, shelf: _Shelf, vector: Vector) -> Iterator[tuple[SemanticCacheEntry, float]]:
        """The nearest entries that may be given again, nearest first; those that expired are let go."""
        now = self._now()
        oldest = max(now - self._policy.ttl_s, self._policy.not_before)
        for number, similarity in list(shelf.index.nearest(vector)):
            entry = shelf.entries[number]
            if entry.expires_at.timestamp() <= now:
                shelf.remove(number)
            elif entry.occurred_at.timestamp() >= oldest:
                yield entry, similarity

    def _lead(self, near: list[tuple[SemanticCacheEntry, float]]) -> float:
        """How much more similar the nearest is than the first with another answer, or than the last that was looked at."""
        if not self._policy.margin:
            return 0.0
        said = self._said(near[0][0].output)
        rival = next((similarity for entry, similarity in near if self._said(entry.output) != said), near[-1][1])
        return near[0][1] - rival

    def _said(self, output: str) -> bytes:
        """What makes an answer another one."""
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
    """The text that is embedded: a lone field as it is, several each on a line with its name."""
    if len(fields) == 1:
        return next(iter(fields.values()))
    return "\n".join(f"{name}: {fields[name]}" for name in sorted(fields))


def _scope(request: Request, lane: str) -> Scope:
    return Scope(request.tenant_id, request.epoch, lane)


def _placeholders(text: str) -> set[str]:
    """Placeholders of personal details: an answer may only name those that its question has, or they could not be restored."""
    return {name.upper() for name in PLACEHOLDER.findall(text)}  # restoring does not look at letter case either


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
