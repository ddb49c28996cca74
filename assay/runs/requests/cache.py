"""Builds the caches of a run: which are enabled, where their entries are stored, and their initial content.

Each cache is imported only if it is used, because most runs have none and would wait for the import.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import orjson

from assay.inference.caches.layered import LayeredCache
from assay.inference.caches.protocol import AnswerCache, NoCache
from assay.inference.request import RunFacts
from assay.project import StageContext
from assay.records import Response, SemanticCacheEntry
from assay.records.statuses import RunPurpose
from assay.runs.requests.queries import SEMANTIC_ENTRIES
from assay.runs.run import Run
from assay.settings import Settings
from assay.tasks.spec import ExactCacheSpec, SemanticCacheSpec
from assay.warehouse.client import Warehouse

if TYPE_CHECKING:
    from assay.inference.caches.embeddings import EmbeddingCall, OpenAIEmbedder
    from assay.inference.caches.exact import ExactCache
    from assay.inference.caches.key_value import KeyValue
    from assay.inference.caches.semantic import SemanticCache

CACHE_FILE = "cache/answers.sqlite"

Land = Callable[[SemanticCacheEntry | Response], None]
"""Adds a row to the next flush."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheSinks:
    """Callbacks of the caches: `land` receives rows for the warehouse, `warn` problems that reduce cache hits."""

    land: Land
    warn: Callable[[str], None]


def open_cache(context: StageContext, run: Run, sinks: CacheSinks) -> AnswerCache:
    """Opens the cache of this run; `NoCache` if no cache is enabled or the run must not reuse predictions.

    Raises:
        UsageError: the cache file cannot be opened, or the API key of the embedding provider is missing.
        ServiceUnreachable: the warehouse, which holds the semantic cache's entries, does not respond.
    """
    now = datetime.now(UTC)
    since = run.reuse_since(now)
    if since is None:
        return NoCache()
    spec, layers = run.task.spec.cache, list[AnswerCache]()
    not_before = since.timestamp()
    # The exact cache is looked up first and opened last, so that nothing stays open if the other cannot be opened.
    # A perturbed text is similar to the original: the cache would return the answer that it is compared with.
    if spec.semantic is not None and spec.semantic.threshold is not None and run.purpose != RunPurpose.PERTURB:
        layers.append(_semantic_cache(context, run.facts, spec.semantic, sinks, not_before=not_before))
    if spec.exact is not None:
        exact = exact_cache(context.settings, run.task.name, spec.exact, warn=sinks.warn, not_before=not_before)
        layers.insert(0, exact)
    if not layers:
        return NoCache()
    return layers[0] if len(layers) == 1 else LayeredCache(layers)


def open_judge_cache(settings: Settings, run: Run, sinks: CacheSinks) -> AnswerCache:
    """Opens the exact cache for the run's judges, if the task has one; verdicts are never reused by similarity.

    Raises:
        UsageError: the cache file cannot be opened.
    """
    since, spec = run.reuse_since(datetime.now(UTC)), run.task.spec.cache.exact
    if since is None or spec is None:
        return NoCache()
    return exact_cache(settings, run.task.name, spec, warn=sinks.warn, not_before=since.timestamp())


def exact_cache(
    settings: Settings, task: str, spec: ExactCacheSpec, *, warn: Callable[[str], None], not_before: float = 0.0
) -> ExactCache:
    """Returns the exact cache of a task."""
    from assay.inference.caches.exact import ExactCache, ExactPolicy
    from assay.inference.caches.keys import CacheKeys

    policy = ExactPolicy(task=task, ttl_s=spec.ttl_s, not_before=not_before)
    return ExactCache(answer_store(settings, warn=warn), CacheKeys(settings.hash_key), policy=policy)


def answer_store(settings: Settings, *, warn: Callable[[str], None]) -> KeyValue:
    """Opens the store of responses: Redis if several machines share it, or a local file."""
    if settings.redis_url is not None:
        from assay.inference.caches.redis_store import RedisStore

        prefix = f"assay:{settings.project}:{settings.env}:cache:"
        return RedisStore(settings.redis_url, prefix=prefix, warn=warn)
    from assay.inference.caches.sqlite_store import SqliteStore

    return SqliteStore(settings.state_dir / CACHE_FILE, warn=warn)


def embedder(
    context: StageContext, spec: SemanticCacheSpec, *, note: Callable[[EmbeddingCall], None]
) -> OpenAIEmbedder:
    """Returns the client that requests embeddings from the semantic cache's provider."""
    from assay.inference.caches.embeddings import EmbeddingEndpoint, OpenAIEmbedder

    provider = context.providers[spec.provider]
    endpoint = EmbeddingEndpoint(
        provider=spec.provider,
        base_url=provider.base_url,
        api_key=provider.api_key(context.settings),
        model=spec.model,
    )
    return OpenAIEmbedder(endpoint, note=note)


def kept_entries(warehouse: Warehouse, facts: RunFacts, spec: SemanticCacheSpec) -> Iterator[SemanticCacheEntry]:
    """Yields the entries of the semantic cache of this task and version in the warehouse, oldest first."""
    parameters = {
        "task": facts.task,
        "inference_version": facts.inference_version,
        "embedding_provider": spec.provider,
        "embedding_model": spec.model,
        "now": datetime.now(UTC),
    }
    for row in warehouse.stream(SEMANTIC_ENTRIES.sql, parameters):
        yield _entry(row)


def _semantic_cache(
    context: StageContext, facts: RunFacts, spec: SemanticCacheSpec, sinks: CacheSinks, *, not_before: float
) -> SemanticCache:
    from assay.inference.caches.embedding_rows import embedding_row
    from assay.inference.caches.semantic import SemanticCache, SemanticPolicy

    assert spec.threshold is not None  # without a threshold, the semantic cache is off
    policy = SemanticPolicy(
        embedding_provider=spec.provider,
        embedding_model=spec.model,
        threshold=spec.threshold,
        ttl_s=spec.ttl_s,
        margin=spec.margin,
        compare=spec.compare,
        not_before=not_before,
    )

    def note(call: EmbeddingCall) -> None:
        sinks.land(embedding_row(call, facts=facts, prices=context.prices))

    cache = SemanticCache(embedder(context, spec, note=note), facts=facts, policy=policy, land=sinks.land)
    cache.load(kept_entries(context.warehouse, facts, spec))
    return cache


def _entry(row: dict[str, Any]) -> SemanticCacheEntry:
    output = row["output"] if isinstance(row["output"], str) else orjson.dumps(row["output"]).decode()
    return SemanticCacheEntry(**{**row, "output": output, "embedding": tuple(row["embedding"])})
