"""Which caches answer a run, and what a whole run makes of them: no call for a repeat, and every cent explained."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from assay.errors import UsageError
from assay.inference.caches.exact import ExactCache
from assay.inference.caches.layered import LayeredCache
from assay.inference.caches.protocol import NoCache
from assay.inference.caches.redis_store import RedisStore
from assay.inference.caches.semantic import SemanticCache
from assay.runs.requests.cache import CacheSinks, answer_store, kept_entries, open_cache
from assay.runs.summary import RunSummary
from assay.tasks.issues import TaskValidationError
from assay.warehouse.landing import LandingWriter
from tests.end_to_end.workplace import Workplace
from tests.fakes.embedding_model_endpoint import EmbeddingModelEndpoint
from tests.fakes.model_endpoint import Asked, Reaction
from tests.redis_server import needs_redis, running_redis
from tests.runs.bench import Bench

EXACT = {"exact": {"ttl": "7 days"}}
EMBEDDED = {"provider": "openai", "model": "text-embedding-3-small"}
SEMANTIC = {"semantic": {**EMBEDDED, "threshold": 0.9}}
TEXTS = ("Where is my new card?", "I want my money back", "Your app is wonderful")
ALIKE = ("where is my new card", "I want my money back!", "your app is wonderful...")
"""The same words: vectors of words and n-grams cannot tell them from `TEXTS`, an exact cache can."""


@pytest.fixture
def model() -> Iterator[EmbeddingModelEndpoint]:
    with EmbeddingModelEndpoint() as endpoint:
        yield endpoint


def rows(place: Workplace, texts: tuple[str, ...] = TEXTS, *, prefix: str = "a") -> str:
    return place.rows("in.csv", [{"id": f"{prefix}{number}", "text": text} for number, text in enumerate(texts)])


def opened(bench: Bench, task: str, **options: Any) -> str:
    """The kind of cache that a run with these options has."""
    run = bench.admit(task, input=rows(bench.place), **options)
    cache = open_cache(bench.project, run, CacheSinks(land=pytest.fail, warn=pytest.fail))
    asyncio.run(cache.close())
    if isinstance(cache, LayeredCache):
        return " and ".join(_kind(layer) for layer in cache._layers)
    return _kind(cache)


def _kind(cache: object) -> str:
    return {ExactCache: "exact", SemanticCache: "semantic", NoCache: "none"}[type(cache)]


def predictions(place: Workplace, summary: RunSummary) -> list[dict[str, Any]]:
    return place.query("select * from predictions where run_id = @run order by record_id", run=summary.run_id)


def sources(place: Workplace, summary: RunSummary) -> list[tuple[str, int]]:
    return [(row["answer_source"], row["calls"]) for row in predictions(place, summary)]


def by_text(asked: Asked) -> Reaction:
    """An answer that names its question, so that a wrong one shows."""
    return Reaction(text=json.dumps({"label": "question", "note": asked.prompt}))


@pytest.mark.parametrize(
    ("cache", "kind"),
    [
        ({}, "none"),
        (EXACT, "exact"),
        (SEMANTIC, "semantic"),
        ({**SEMANTIC, **EXACT}, "exact and semantic"),
        ({"semantic": EMBEDDED}, "none"),
        ({**EXACT, "semantic": EMBEDDED}, "exact"),
    ],
    ids=["nothing", "exact", "semantic", "both", "semantic not tuned", "exact, semantic not tuned"],
)
def test_a_task_has_the_caches_it_names_the_surest_first(
    bench: Bench, name: str, cache: dict[str, Any], kind: str
) -> None:
    assert opened(bench, bench.place.task(name, cache=cache)) == kind


@pytest.mark.parametrize(
    "options", [{"purpose": "shadow"}, {"purpose": "canary"}, {"purpose": "latency"}, {"reuse": "never"}]
)
def test_a_run_that_measures_the_present_or_may_reuse_nothing_has_none(
    bench: Bench, name: str, options: dict[str, str]
) -> None:
    task = bench.place.task(name, cache={**EXACT, **SEMANTIC})
    assert opened(bench, task, **options) == "none"
    assert opened(bench, task, purpose="score") == "exact and semantic"


def test_embeddings_of_an_unknown_provider_are_refused_with_the_task(bench: Bench, name: str) -> None:
    task = bench.place.task(name, cache={"semantic": {**EMBEDDED, "provider": "nobody"}})
    with pytest.raises(TaskValidationError, match=r"provider of providers\.yml"):
        bench.project.task(task)


def test_embeddings_without_a_key_stop_the_run_before_a_call(
    bench: Bench, model: EmbeddingModelEndpoint, name: str
) -> None:
    place = bench.place
    embedded = {"base_url": model.url, "api_key_env": "EMBEDDINGS_API_KEY", "concurrency": 1}
    providers = yaml.safe_load((place.root / "providers.yml").read_text())
    place.write("providers.yml", yaml.safe_dump({**providers, "embedded": embedded}))
    run = bench.admit(
        place.task(name, cache={"semantic": {**SEMANTIC["semantic"], "provider": "embedded"}}), input=rows(place)
    )
    with pytest.raises(UsageError, match="EMBEDDINGS_API_KEY"):
        bench.end(run)
    assert model.count == 0


def test_a_cache_file_that_cannot_be_opened_stops_the_run_before_a_call(
    bench: Bench, model: EmbeddingModelEndpoint, name: str
) -> None:
    run = bench.admit(bench.place.task(name, cache=EXACT), input=rows(bench.place))
    bench.place.write(".assay/cache", "a file where the folder should be")
    with pytest.raises(UsageError, match=r"answers\.sqlite cannot be opened"):
        bench.end(run)
    assert model.count == 0


@needs_redis
def test_answers_are_kept_in_redis_where_there_is_one(bench: Bench, tmp_path: Path) -> None:
    with running_redis(tmp_path) as server:
        settings = replace(bench.place.settings(), redis_url=server.url)
        store = answer_store(settings, warn=pytest.fail)
        assert isinstance(store, RedisStore)
        asyncio.run(store.close())


@needs_redis
def test_a_run_is_answered_from_redis_and_goes_on_when_it_is_away(
    bench: Bench, model: EmbeddingModelEndpoint, name: str, tmp_path: Path
) -> None:
    place, task = bench.place, bench.place.task(name, cache=EXACT)
    with running_redis(tmp_path) as server:
        place.environment["ASSAY_REDIS_URL"] = server.url
        bench.run(task, input=rows(place))
        assert sources(place, bench.run(task, input=rows(place, prefix="b"))) == [("exact_cache", 0)] * 3
        assert list(place.root.rglob("answers.sqlite")) == []
        server.stop()
        away = bench.run(task, input=rows(place, prefix="c"))
    assert (away.status, sources(place, away)) == ("completed", [("wire", 1)] * 3)


def test_the_same_text_under_another_id_is_answered_from_the_exact_cache(
    bench: Bench, model: EmbeddingModelEndpoint, name: str
) -> None:
    place, task = bench.place, bench.place.task(name, cache=EXACT)
    model.react = by_text
    first = predictions(place, bench.run(task, input=rows(place)))
    summary = bench.run(task, input=rows(place, prefix="b"))
    again = predictions(place, summary)
    assert (model.count, summary.calls, summary.cost_usd or 0, summary.reused) == (3, 0, 0, 0)
    assert sources(place, summary) == [("exact_cache", 0)] * 3
    for old, new in zip(first, again, strict=True):
        assert (new["status"], new["output"], new["call_id"]) == ("ok", old["output"], old["call_id"])
        assert new["request_key"] != old["request_key"]


def test_a_repeat_within_a_run_is_never_taken_for_another_epoch(
    bench: Bench, model: EmbeddingModelEndpoint, name: str
) -> None:
    place, task = bench.place, bench.place.task(name, cache={**EXACT, **SEMANTIC})
    bench.run(task, input=rows(place), epochs=2)
    assert set(model.prompts.values()) == {2}
    summary = bench.run(task, input=rows(place, prefix="b"), epochs=3)
    assert sorted(sources(place, summary)) == [("exact_cache", 0)] * 6 + [("wire", 1)] * 3


def test_a_run_that_may_not_reuse_neither_asks_the_cache_nor_fills_it(
    bench: Bench, model: EmbeddingModelEndpoint, name: str
) -> None:
    place, task = bench.place, bench.place.task(name, cache=EXACT)
    bench.run(task, input=rows(place), reuse="never")
    summary = bench.run(task, input=rows(place, prefix="b"))
    assert sources(place, summary) == [("wire", 1)] * 3


def test_a_changed_prompt_finds_nothing_in_either_cache(bench: Bench, model: EmbeddingModelEndpoint, name: str) -> None:
    place = bench.place
    bench.run(place.task(name, cache={**EXACT, **SEMANTIC}), input=rows(place))
    changed = place.task(name, cache={**EXACT, **SEMANTIC}, prompt="Sort: {{ text }}")
    assert sources(place, bench.run(changed, input=rows(place, prefix="b"))) == [("wire", 1)] * 3


def test_a_text_that_means_the_same_is_answered_by_the_next_process_from_the_warehouse(
    bench: Bench, model: EmbeddingModelEndpoint, name: str
) -> None:
    place, task = bench.place, bench.place.task(name, cache=SEMANTIC)
    model.react = by_text
    first = predictions(place, bench.run(task, input=rows(place)))
    summary = bench.run(task, input=rows(place, ALIKE, prefix="b"))
    again = predictions(place, summary)
    assert model.count == 3
    assert sources(place, summary) == [("semantic_cache", 0)] * 3
    for old, new in zip(first, again, strict=True):
        assert (new["output"], new["call_id"], new["route"]) == (old["output"], old["call_id"], "first")


def test_texts_that_mean_something_else_are_asked(bench: Bench, model: EmbeddingModelEndpoint, name: str) -> None:
    place, task = bench.place, bench.place.task(name, cache=SEMANTIC)
    bench.run(task, input=rows(place))
    others = ("Please close the account", "Which exchange rate do you take", "The cash machine ate it")
    assert sources(place, bench.run(task, input=rows(place, others, prefix="b"))) == [("wire", 1)] * 3


def test_every_paid_answer_has_one_entry_in_the_warehouse_with_its_call(
    bench: Bench, model: EmbeddingModelEndpoint, name: str
) -> None:
    place, task = bench.place, bench.place.task(name, cache={**EXACT, **SEMANTIC})
    first = bench.run(task, input=rows(place))
    bench.run(task, input=rows(place, prefix="b"))
    entries = place.query("select * from semantic_cache where task = @task", task=task)
    assert {row["call_id"] for row in entries} == {row["call_id"] for row in predictions(place, first)}
    assert len(entries) == 3 and {row["run_id"] for row in entries} == {first.run_id}
    assert [sum(number**2 for number in row["embedding"]) for row in entries] == pytest.approx([1.0] * 3, abs=1e-5)


def test_embedding_calls_are_landed_as_calls_and_counted_in_the_runs_cost(
    bench: Bench, model: EmbeddingModelEndpoint, name: str
) -> None:
    place, task = bench.place, bench.place.task(name, cache=SEMANTIC)
    summary = bench.run(task, input=rows(place))
    sql = "select * from responses where run_id = @run and purpose = @purpose"
    calls = {purpose: place.query(sql, run=summary.run_id, purpose=purpose) for purpose in ("answer", "embedding")}
    assert len(calls["answer"]) == 3
    assert len(calls["embedding"]) == len(model.embeddings.texts)
    assert sum(row["input_tokens"] for row in calls["embedding"]) == sum(len(text) // 4 + 1 for text in TEXTS)
    assert all(row["cost_usd"] > 0 and row["billing"] == "known" for row in calls["embedding"])
    assert summary.calls == 3 + len(calls["embedding"])
    assert summary.cost_usd == sum(row["cost_usd"] for rows_of in calls.values() for row in rows_of)


def test_a_run_answered_from_the_semantic_cache_costs_its_embeddings(
    bench: Bench, model: EmbeddingModelEndpoint, name: str
) -> None:
    place, task = bench.place, bench.place.task(name, cache=SEMANTIC)
    paid = bench.run(task, input=rows(place))
    again = bench.run(task, input=rows(place, ALIKE, prefix="b"))
    assert paid.cost_usd is not None and again.cost_usd is not None
    assert 0 < again.cost_usd < paid.cost_usd / 2


def test_a_run_goes_on_without_embeddings_and_lands_the_call_that_failed(
    bench: Bench, model: EmbeddingModelEndpoint, name: str
) -> None:
    place, task = bench.place, bench.place.task(name, cache=SEMANTIC)
    model.has_embeddings = False
    summary = bench.run(task, input=rows(place))
    assert (summary.status, summary.statuses) == ("completed", {"ok": 3})
    sql = "select status, error_message, billing, cost_usd from responses where run_id = @run and purpose = 'embedding'"
    failed = place.query(sql, run=summary.run_id)
    assert failed[0] == {
        "status": "error",
        "error_message": "HTTP 503 from openai",
        "billing": "unknown",
        "cost_usd": None,
    }
    assert summary.unknown_billing_calls == len(failed) == len(model.embeddings.texts)


def test_a_damaged_cache_file_costs_calls_and_not_the_run(
    bench: Bench, model: EmbeddingModelEndpoint, name: str
) -> None:
    place, task = bench.place, bench.place.task(name, cache=EXACT)
    bench.run(task, input=rows(place))
    [file] = place.root.rglob("answers.sqlite")
    file.write_bytes(b"this is no database\n" * 500)
    summary = bench.run(task, input=rows(place, prefix="b"))
    assert (summary.status, sources(place, summary)) == ("completed", [("wire", 1)] * 3)
    assert sources(place, bench.run(task, input=rows(place, prefix="c"))) == [("exact_cache", 0)] * 3


def test_entries_come_from_the_warehouse_oldest_first_once_each_and_unexpired(bench: Bench, name: str) -> None:
    place, task = bench.place, bench.place.task(name, cache=SEMANTIC)
    run = bench.admit(task, input=rows(place))
    bench.end(run)
    spec = run.task.spec.cache.semantic
    assert spec is not None
    entries = list(kept_entries(bench.project.warehouse, run.facts, spec))
    now = datetime.now(UTC)
    later = replace(entries[0], entry_id="later", occurred_at=now + timedelta(hours=1))
    expired = replace(entries[0], entry_id="expired", expires_at=now - timedelta(seconds=1))
    other = replace(entries[0], entry_id="other", embedding_model="large")
    LandingWriter(bench.project.warehouse).append([later, entries[1], expired, other])
    found = list(kept_entries(bench.project.warehouse, run.facts, spec))
    assert found == [*entries, later]
    assert [entry.occurred_at for entry in found] == sorted(entry.occurred_at for entry in found)
