"""Tunes the semantic cache of a task: masks and embeds labeled pairs as in a run, then chooses the threshold."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING

from assay.errors import ServiceUnreachable, UsageError
from assay.inference.caches.embeddings import Embedder, EmbeddingCall, EmbeddingFailed
from assay.inference.caches.semantic import question
from assay.inference.caches.vectors import NEIGHBORS
from assay.inference.usage import TokenUsage
from assay.project import StageContext, masker
from assay.runs.requests.cache import embedder
from assay.tasks.spec import SemanticCacheSpec
from assay.tasks.task import Task
from assay.tuning.cache.pairs import QuestionPair
from assay.tuning.cache.threshold import CachedQuestion, Neighbor, ThresholdChoice, choose_threshold
from assay.tuning.queries import ANSWER_COST
from assay.warehouse.client import Warehouse

if TYPE_CHECKING:
    from assay.inference.caches.embeddings import Vector

SEED = 1
"""The seed is fixed, because redrawing the halves until a rule qualifies would invalidate the test."""
MIN_QUESTIONS = 2
TEXTS_AT_ONCE = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class Tuning:
    """The result of tuning; `identical` of the `pairs` in the file have two identical questions and are not used.

    `answer_usd` is the mean cost of a call of the task, None without a priced call; `embedding_usd` is the cost of
    embedding one question, None without a price.
    """

    pairs: int
    identical: int
    choice: ThresholdChoice
    answer_usd: Decimal | None
    embedding_usd: Decimal | None
    embedding_tokens: int | None

    @property
    def questions(self) -> int:
        """Total number of questions in both halves."""
        return self.choice.chosen.questions + self.choice.held_out.questions

    @property
    def saving_usd_per_1000(self) -> Decimal | None:
        """Saving on 1,000 questions like these: cost of avoided calls minus cost of embeddings; None if unknown."""
        if self.choice.rule is None or self.answer_usd is None or self.embedding_usd is None:
            return None
        hits = Decimal(str(self.choice.held_out.hit_rate))
        return 1000 * (hits * self.answer_usd - self.embedding_usd)


def tune(context: StageContext, task: Task, pairs: Sequence[QuestionPair]) -> Tuning:
    """Returns the threshold that the labeled pairs support, or the reason why no threshold qualifies.

    Raises:
        UsageError: the task has no `cache.semantic`, or there are too few distinct questions.
        ServiceUnreachable: the endpoint returned no embeddings.
    """
    spec = task.spec.cache.semantic
    if spec is None:
        raise UsageError(
            f"tasks/{task.name}/task.yml has no `cache.semantic`, which sets the provider and model of the embeddings",
            next_step="add it without a threshold, for example "
            "`cache: {semantic: {provider: openai, model: text-embedding-3-small}}`.",
        )
    calls: list[EmbeddingCall] = []
    task_embedder = embedder(context, spec, note=calls.append)
    measured, identical = asyncio.run(_measured(task, pairs, task_embedder))
    if len(measured) < MIN_QUESTIONS:
        raise UsageError(
            f"Too few distinct questions: the {len(pairs)} pairs contain {len(measured)} (pairs of identical "
            f"questions, not counted: {identical}), expected at least {MIN_QUESTIONS}",
            next_step="label more pairs; a threshold usually requires several hundred.",
        )
    choice = choose_threshold(measured, rng=random.Random(SEED))
    tokens = [call.input_tokens for call in calls]
    texts = sum(call.texts for call in calls)
    known = sum(count for count in tokens if count is not None) if None not in tokens else None
    return Tuning(
        pairs=len(pairs),
        identical=identical,
        choice=choice,
        answer_usd=_answer_usd(context.warehouse, task),
        embedding_usd=_embedding_usd(context, spec, known, texts),
        embedding_tokens=known,
    )


async def _measured(
    task: Task, pairs: Sequence[QuestionPair], task_embedder: Embedder
) -> tuple[list[CachedQuestion], int]:
    """Returns each distinct question with its neighbors, and the number of pairs of identical questions."""
    guard = masker(task)
    masked = [(question(guard.mask(pair.a).texts), question(guard.mask(pair.b).texts), pair) for pair in pairs]
    different = [(a, b, pair) for a, b, pair in masked if a != b]
    try:
        vectors = await embed_all({text for a, b, _ in different for text in (a, b)}, task_embedder)
    except EmbeddingFailed as error:
        raise ServiceUnreachable(
            f"Computing embeddings for task '{task.name}' failed: {error}",
            next_step="check the provider in providers.yml; for the local one, run `assay status`.",
        ) from error
    finally:
        await task_embedder.close()
    return neighborhoods(different, vectors), len(pairs) - len(different)


async def embed_all(texts: Iterable[str], task_embedder: Embedder) -> dict[str, Vector]:
    """Returns the embedding of each text, with at most `TEXTS_AT_ONCE` concurrent requests.

    Raises:
        EmbeddingFailed: the endpoint returned no embedding for a text.
    """
    ordered, vectors = sorted(texts), dict[str, "Vector"]()
    for start in range(0, len(ordered), TEXTS_AT_ONCE):
        batch = ordered[start : start + TEXTS_AT_ONCE]
        vectors.update(zip(batch, await asyncio.gather(*(task_embedder.embed(text) for text in batch)), strict=True))
    return vectors


def neighborhoods(masked: Iterable[tuple[str, str, QuestionPair]], vectors: dict[str, Vector]) -> list[CachedQuestion]:
    """Returns each distinct question with its neighbors, nearest first, as a cache would find them.

    Every question counts only once, because pairs that share a question are not independent.
    """
    found: dict[str, dict[str, Neighbor]] = {}
    for a, b, pair in masked:
        known = found.setdefault(a, {})
        # A pair can have contradicting labels, for example because masking made two pairs equal; it is then a false hit.
        same = pair.same and (b not in known or known[b].same)
        known[b] = Neighbor(min(1.0, float(vectors[a] @ vectors[b])), same, pair.answer)
    return [
        tuple(sorted(near.values(), key=lambda neighbor: -neighbor.similarity)[:NEIGHBORS]) for near in found.values()
    ]


def _answer_usd(warehouse: Warehouse, task: Task) -> Decimal | None:
    row = next(warehouse.stream(ANSWER_COST.sql, {"task": task.name}))
    return Decimal(str(row["cost_usd"])) if row["cost_usd"] is not None else None


def _embedding_usd(context: StageContext, spec: SemanticCacheSpec, tokens: int | None, texts: int) -> Decimal | None:
    if tokens is None or not texts:
        return None
    usage = TokenUsage(uncached_input=tokens, cached_input=0, cache_write=0, answer=0, reasoning=0)
    price = context.prices.price(usage, provider=spec.provider, model=spec.model, on=datetime.now(UTC).date())
    return price.usd / texts if price.usd is not None else None
