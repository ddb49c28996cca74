"""Precision and hit rate of the semantic cache on BANKING77: real customers' questions, 77 intents, an intent is the answer.

    python -m tests.benchmarks.semantic_cache [--embeddings sentences|ngrams|local] [--cached N] [--tuned N] [--asked N]

Part of the training set is answered and cached, another part tunes the rule as `assay cache tune` does, and the test set,
unseen so far, is asked of the real cache. A hit is false when the cached answer is not the question's own intent.
Embeddings come over the wire from `sentences` (all-MiniLM-L6-v2, from a package), `ngrams` (TF-IDF of character n-grams) or
`local` (SmolLM2 of the local stack, mean-pooled; about 12 texts a second on two cores, so take few).
"""

from __future__ import annotations

import argparse
import asyncio
import csv
import random
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
import orjson

from assay.inference.caches.embeddings import EmbeddingCall, EmbeddingEndpoint, OpenAIEmbedder
from assay.inference.caches.protocol import PaidAnswer
from assay.inference.caches.semantic import SemanticCache, SemanticPolicy
from assay.inference.caches.vectors import VectorIndex
from assay.inference.request import Request, RunFacts
from assay.statistics.conventions import ERROR
from assay.tuning.cache.threshold import CachedQuestion, Neighbor, ThresholdChoice, choose_threshold, upper_bound
from assay.tuning.cache.tune import SEED, embed_all
from tests.benchmarks.sentence_vectors import SentenceVectors, local_embeddings
from tests.emulator import TOKEN
from tests.fakes import embedding_endpoint
from tests.paths import SHARED

INTENTS = SHARED / "data" / "intent"
LANE = "openai:gpt-5-nano"


@dataclass(frozen=True, slots=True)
class Asked:
    """One question with its intent."""

    text: str
    intent: str


@dataclass(frozen=True, slots=True)
class Sets:
    """What is cached, what tunes, and what is asked afterwards."""

    cached: Sequence[Asked]
    tuned: Sequence[Asked]
    asked: Sequence[Asked]


async def measure(sets: Sets, embedder: OpenAIEmbedder) -> dict[str, Any]:
    """The figures of one sitting."""
    began = time.perf_counter()
    cached = await embed_all({one.text for one in sets.cached}, embedder)
    tuned = await embed_all({one.text for one in sets.tuned}, embedder)
    embedded_s = time.perf_counter() - began
    choice = choose_threshold(neighborhoods(sets, cached, tuned), rng=random.Random(SEED))
    tuning = {
        "status": choice.status,
        "threshold": choice.looked_at.threshold,
        "margin": choice.looked_at.margin,
        "held_out": counts(choice),
        "questions_needed": choice.questions_needed,
        "texts_per_s": round((len(cached) + len(tuned)) / embedded_s),
    }
    if choice.rule is None:
        return {"tuning": tuning, "test_set": None}
    return {"tuning": tuning, "test_set": await tested(sets, choice, embedder)}


async def tested(sets: Sets, choice: ThresholdChoice, embedder: OpenAIEmbedder) -> dict[str, Any]:
    """What the cache does with the test set; a miss is not stored, so that every question meets the same cache."""
    cache = SemanticCache(embedder, facts=FACTS, policy=policy(choice), land=lambda _: None)
    for number, one in enumerate(sets.cached):
        output = orjson.dumps({"intent": one.intent}).decode()
        answer = PaidAnswer(output=output, route="r", lane=LANE, call_id=f"c{number}", response_model="m")
        await cache.store(request(one, f"cached-{number}"), b"", answer)
    hits = false_hits = 0
    began = time.process_time()
    for number, one in enumerate(sets.asked):
        found = await cache.find(request(one, f"asked-{number}"), b"", lane=LANE)
        hits += found is not None
        false_hits += found is not None and orjson.loads(found.output)["intent"] != one.intent
    took_ms = (time.process_time() - began) / len(sets.asked) * 1000
    return {
        "questions": len(sets.asked),
        "hits": hits,
        "false_hits": false_hits,
        "hit_rate": round(hits / len(sets.asked), 4),
        "precision": round(1 - false_hits / hits, 4) if hits else None,
        "false_hit_rate_at_most": round(upper_bound(false_hits, hits, delta=ERROR), 4),
        "calls_saved": f"{hits / len(sets.asked):.1%}",
        "cpu_ms_per_question": round(took_ms, 2),
    }


def neighborhoods(sets: Sets, cached: dict[str, Any], tuned: dict[str, Any]) -> list[CachedQuestion]:
    """The tuning questions with their nearest cached ones, as the cache's own index finds them."""
    index = VectorIndex(len(next(iter(cached.values()))))
    for number, one in enumerate(sets.cached):
        index.add(number, cached[one.text])
    return [
        tuple(
            Neighbor(similarity, sets.cached[number].intent == one.intent, sets.cached[number].intent)
            for number, similarity in index.nearest(tuned[one.text])
        )
        for one in sets.tuned
    ]


def policy(choice: ThresholdChoice) -> SemanticPolicy:
    """The cache as it was tuned."""
    rule = choice.looked_at
    return SemanticPolicy(
        embedding_provider="e", embedding_model="e", threshold=rule.threshold, margin=rule.margin, ttl_s=86_400.0
    )


def counts(choice: ThresholdChoice) -> dict[str, Any]:
    """The held-out half in figures."""
    held = choice.held_out
    return {
        "questions": held.questions,
        "hits": held.hits,
        "false_hits": held.false_hits,
        "false_hit_rate_at_most": round(held.most_false, 4),
    }


def request(one: Asked, record_id: str) -> Request:
    """The question as the engine asks it."""
    return Request(
        record_id=record_id,
        position=0,
        epoch=0,
        key=record_id,
        fields={"message": one.text},
        input_hash=record_id,
        tenant_id="default",
        subject_key=None,
    )


FACTS = RunFacts(
    run_id="run",
    task="intents",
    data_date=date(2026, 11, 25),
    variant="default",
    stage="shadow",
    inference_version="v",
    masking_version="off",
)


def read(name: str) -> list[Asked]:
    """Every question of the file once."""
    with (INTENTS / name).open(encoding="utf-8", newline="") as file:
        rows = [Asked(row["text"].strip(), row["category"]) for row in csv.DictReader(file)]
    return list({row.text: row for row in rows}.values())


def chosen_sets(given: argparse.Namespace) -> Sets:
    """Random parts of the training set, and the test set without what is in them word for word: the exact cache has those."""
    train, test = read("banking77_train.csv"), read("banking77_test.csv")
    random.Random(SEED).shuffle(train)
    cached, tuned = train[: given.cached], train[given.cached : given.cached + given.tuned]
    seen = {one.text for one in cached}
    asked = [one for one in test if one.text not in seen]
    random.Random(SEED).shuffle(asked)
    return Sets(cached, tuned, asked[: given.asked])


def endpoint(kind: str, sets: Sets) -> embedding_endpoint.EmbeddingEndpoint:
    """The endpoint at the wire; what it knows of words it knows of cached questions only."""
    vectors = (
        SentenceVectors() if kind == "sentences" else embedding_endpoint.NgramVectors(one.text for one in sets.cached)
    )
    return embedding_endpoint.EmbeddingEndpoint(vectors)


async def run(given: argparse.Namespace) -> dict[str, Any]:
    """All of it."""
    sets = chosen_sets(given)
    if given.embeddings == "local":
        with local_embeddings() as url:
            return await measured_at(
                sets, EmbeddingEndpoint(provider="l", base_url=url, api_key=TOKEN, model="smollm2-135m")
            )
    client = endpoint(given.embeddings, sets).http_client()
    place = EmbeddingEndpoint(provider="e", base_url="http://e.test/v1", api_key="k", model="e", http_client=client)
    return await measured_at(sets, place)


async def measured_at(sets: Sets, place: EmbeddingEndpoint) -> dict[str, Any]:
    """The figures with this endpoint's embeddings."""
    faults: list[EmbeddingCall] = []
    embedder = OpenAIEmbedder(place, note=lambda call: faults.append(call) if call.fault else None)
    try:
        return {"sets": [len(sets.cached), len(sets.tuned), len(sets.asked)], **await measure(sets, embedder)}
    finally:
        await embedder.close()
        assert not faults, faults


def main() -> int:
    """Prints the figures as JSON; 1 if no rule could be tuned, or the tuned one is less precise than 99% on the test set."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--embeddings", choices=["sentences", "ngrams", "local"], default="sentences")
    parser.add_argument("--cached", type=int, default=5000)
    parser.add_argument("--tuned", type=int, default=5003)
    parser.add_argument("--asked", type=int, default=3080)
    given = parser.parse_args()
    if not INTENTS.is_dir():
        sys.stderr.write(f"{INTENTS} is not there: expected banking77_train.csv and banking77_test.csv in it.\n")
        return 3
    figures = {"embeddings": given.embeddings, **asyncio.run(run(given))}
    sys.stdout.write(orjson.dumps(figures, option=orjson.OPT_INDENT_2).decode() + "\n")
    test_set = figures["test_set"]
    return int(test_set is None or np.less(test_set["precision"] or 1.0, 0.99))


if __name__ == "__main__":
    sys.exit(main())
