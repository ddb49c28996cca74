"""Measures the semantic cache of a task on labelled pairs: masks and embeds them as a run would, then chooses the threshold.

The choice itself is statistics, in `assay.tuning.cache.threshold`.
"""

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
from assay.inference.caches.vectors import NEIGHBOURS
from assay.inference.usage import TokenUsage
from assay.project import StageContext, masker
from assay.runs.requests.cache import embedder
from assay.tasks.spec import SemanticCacheSpec
from assay.tasks.task import Task
from assay.tuning.cache.pairs import QuestionPair
from assay.tuning.cache.threshold import CachedQuestion, Neighbour, ThresholdChoice, choose_threshold
from assay.tuning.queries import ANSWER_COST
from assay.warehouse.client import Warehouse

if TYPE_CHECKING:
    from assay.inference.caches.embeddings import Vector

SEED = 1
"""One seed for all: halves that may be drawn anew until they please prove nothing."""
LEAST_QUESTIONS = 2
AT_ONCE = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class Tuning:
    """What was measured; `pairs` in the file, `identical` of them an exact repeat, `questions` left, each with its neighbours.

    `answer_usd` is what a call of the task has cost on average, `embedding_usd` what one question's embedding costs;
    None where there is no price or no call yet.
    """

    pairs: int
    identical: int
    choice: ThresholdChoice
    answer_usd: Decimal | None
    embedding_usd: Decimal | None
    embedding_tokens: int | None

    @property
    def questions(self) -> int:
        """Questions in both halves."""
        return self.choice.chosen.questions + self.choice.held_out.questions

    @property
    def saving_usd_per_1000(self) -> Decimal | None:
        """What the cache saves on a thousand questions like these: calls not made less embeddings; None if unknown."""
        if self.choice.rule is None or self.answer_usd is None or self.embedding_usd is None:
            return None
        hits = Decimal(str(self.choice.held_out.hit_rate))
        return 1000 * (hits * self.answer_usd - self.embedding_usd)


def tune(context: StageContext, task: Task, pairs: Sequence[QuestionPair]) -> Tuning:
    """The threshold that the pairs vouch for, or why there is none.

    Raises:
        UsageError: the task names no embeddings, or there are too few different questions.
        Unreachable: the embeddings' endpoint gives none.
    """
    spec = task.spec.cache.semantic
    if spec is None:
        raise UsageError(
            f"tasks/{task.name}/task.yml has no cache.semantic: expected the provider and model of its embeddings, e.g. "
            "`cache: {semantic: {provider: openai, model: text-embedding-3-small}}`",
            next_step="add it, without a threshold.",
        )
    calls: list[EmbeddingCall] = []
    ready = embedder(context, spec, note=calls.append)
    measured, identical = asyncio.run(_measured(task, pairs, ready))
    if len(measured) < LEAST_QUESTIONS:
        raise UsageError(
            f"{len(measured)} different questions in {len(pairs)} pairs ({identical} exact repeats): expected at least "
            f"{LEAST_QUESTIONS}, and some hundreds for a threshold",
            next_step="label more pairs.",
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


async def _measured(task: Task, pairs: Sequence[QuestionPair], ready: Embedder) -> tuple[list[CachedQuestion], int]:
    """Each different question with its neighbours among the pairs, and how many pairs were exact repeats."""
    guard = masker(task)
    asked = [(question(guard.mask(pair.a).texts), question(guard.mask(pair.b).texts), pair) for pair in pairs]
    different = [(a, b, pair) for a, b, pair in asked if a != b]
    try:
        vectors = await embedded({text for a, b, _ in different for text in (a, b)}, ready)
    except EmbeddingFailed as error:
        raise ServiceUnreachable(
            f"No embeddings for task '{task.name}': {error}", next_step="see providers.yml and `assay status`."
        ) from error
    finally:
        await ready.close()
    return neighbourhoods(different, vectors), len(pairs) - len(different)


async def embedded(texts: Iterable[str], ready: Embedder) -> dict[str, Vector]:
    """The vector of each text, `AT_ONCE` asked for at a time.

    Raises:
        EmbeddingFailed: the endpoint gave none for a text.
    """
    ordered, vectors = sorted(texts), dict[str, "Vector"]()
    for start in range(0, len(ordered), AT_ONCE):
        some = ordered[start : start + AT_ONCE]
        vectors.update(zip(some, await asyncio.gather(*(ready.embed(text) for text in some)), strict=True))
    return vectors


def neighbourhoods(asked: Iterable[tuple[str, str, QuestionPair]], vectors: dict[str, Vector]) -> list[CachedQuestion]:
    """Each different question with its neighbours, nearest first, as a cache would see them.

    So every question counts once, and pairs that share it are not taken for independent ones.
    """
    found: dict[str, dict[str, Neighbour]] = {}
    for a, b, pair in asked:
        known = found.setdefault(a, {})
        # Labelled both ways, e.g. because masking made two pairs one: rather a false hit than one that is not counted.
        same = pair.same and (b not in known or known[b].same)
        known[b] = Neighbour(min(1.0, float(vectors[a] @ vectors[b])), same, pair.answer)
    return [
        tuple(sorted(near.values(), key=lambda neighbour: -neighbour.similarity)[:NEIGHBOURS])
        for near in found.values()
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
