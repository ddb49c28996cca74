"""Embeddings over the wire: each text has its own vector of length 1, or a fault that says why; every call is told of."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

import httpx2
import numpy as np
import pytest

from assay.inference.caches.embeddings import (
    BATCH_TEXTS,
    REST_SECONDS,
    EmbeddingCall,
    EmbeddingEndpoint,
    EmbeddingFailed,
    OpenAIEmbedder,
)
from tests.fakes import embedding_endpoint
from tests.fakes.embedding_endpoint import NgramVectors
from tests.inference.caches.asked import SetClock

NOW = datetime(2026, 11, 23, tzinfo=UTC)
Alter = Callable[[dict[str, Any]], Any]


class Wire:
    """An embedder whose endpoint is behind the wire; `calls` are those it told of."""

    def __init__(self, alter: Alter = lambda content: content) -> None:
        self.endpoint = embedding_endpoint.EmbeddingEndpoint()
        self.endpoint.alter = alter
        self.clock = SetClock()
        self.calls: list[EmbeddingCall] = []

    def run(self, work: Callable[[OpenAIEmbedder], Awaitable[Any]]) -> Any:
        async def run() -> Any:
            place = EmbeddingEndpoint(
                provider="openai",
                base_url="http://e.test/v1",
                api_key="secret-key",
                model="text-embedding-3-small",
                http_client=self.endpoint.http_client(),
            )
            embedder = OpenAIEmbedder(place, note=self.calls.append, clock=self.clock, now=lambda: NOW)
            try:
                return await work(embedder)
            finally:
                await embedder.close()

        return asyncio.run(run())

    def embed(self, *texts: str) -> list[Any]:
        """Vectors, or what was raised, of texts that are asked for at once."""
        return self.run(lambda one: asyncio.gather(*(one.embed(text) for text in texts), return_exceptions=True))  # type: ignore[no-any-return]


def data(change: Callable[[list[dict[str, Any]]], object]) -> Alter:
    def alter(content: dict[str, Any]) -> dict[str, Any]:
        change(content["data"])
        return content

    return alter


def raising(error: Exception) -> Alter:
    def alter(_: dict[str, Any]) -> Any:
        raise error

    return alter


FAULTS: dict[str, tuple[Alter, str]] = {
    "an error status": (lambda _: httpx2.Response(500, json={"error": {"message": "no"}}), "HTTP 500"),
    "too many requests": (lambda _: httpx2.Response(429, json={}), "HTTP 429"),
    "a wrong key": (lambda _: httpx2.Response(401, json={}), "HTTP 401"),
    "a broken line": (raising(httpx2.ConnectError("no line")), "APIConnectionError"),
    "no answer in time": (raising(httpx2.ReadTimeout("late")), "APITimeoutError"),
    "one vector too few": (data(lambda rows: rows.pop()), "1 embeddings for 2 texts"),
    "one vector too many": (data(lambda rows: rows.append({**rows[0], "index": 2})), "3 embeddings for 2 texts"),
    "an index twice": (data(lambda rows: rows[1].update(index=0)), "2 embeddings for 2 texts"),
    "no vectors": (data(lambda rows: rows.clear()), "0 embeddings for 2 texts"),
    "unequal lengths": (data(lambda rows: rows[1]["embedding"].pop()), "different numbers of dimensions"),
    "vectors of length zero": (data(lambda rows: [row.update(embedding=[]) for row in rows]), "0 or not finite"),
    "a NaN": (data(lambda rows: rows[0]["embedding"].__setitem__(3, float("nan"))), "0 or not finite"),
    "an infinity": (data(lambda rows: rows[0]["embedding"].__setitem__(3, float("inf"))), "0 or not finite"),
    "a null": (data(lambda rows: rows[0]["embedding"].__setitem__(3, None)), "0 or not finite"),
    "a vector of zeros": (data(lambda rows: rows[1].update(embedding=[0.0] * 1024)), "0 or not finite"),
    "a text for a number": (data(lambda rows: rows[0]["embedding"].__setitem__(3, "one")), "non-numeric values"),
    "no vector": (data(lambda rows: rows[0].pop("embedding")), "contains no list of embeddings"),
    "null for a vector": (data(lambda rows: rows[0].update(embedding=None)), "contains no list of embeddings"),
    "no index": (data(lambda rows: [row.pop("index") for row in rows]), "contains no list of embeddings"),
    "an index that is no number": (data(lambda rows: rows[0].update(index=None)), "contains no list of embeddings"),
    "an entry that is none": (data(lambda rows: rows.__setitem__(0, None)), "contains no list of embeddings"),
    "an answer of another kind": (lambda _: ["a", "list"], "contains no list of embeddings"),
    "a page": (lambda _: httpx2.Response(200, html="<h1>Sign in</h1>"), "contains no list of embeddings"),
    "what is no JSON": (
        lambda _: httpx2.Response(200, content=b'{"data": [', headers={"Content-Type": "application/json"}),
        "openai",
    ),
}


def test_a_vector_has_length_one_and_the_direction_that_the_endpoint_gave() -> None:
    [vector] = Wire().embed("Where is my card?")
    given = NgramVectors().vector("Where is my card?")
    assert vector.dtype == np.float32
    assert np.allclose(vector, given / np.linalg.norm(given), atol=1e-6)


def test_texts_that_come_together_share_calls_of_64() -> None:
    wire = Wire()
    wire.embed(*(f"text {number}" for number in range(2 * BATCH_TEXTS + 1)))
    assert [len(texts) for texts in wire.endpoint.texts] == [BATCH_TEXTS, BATCH_TEXTS, 1]
    assert [call.texts for call in wire.calls] == [BATCH_TEXTS, BATCH_TEXTS, 1]


def test_each_text_gets_its_own_vector_in_whatever_order_they_come() -> None:
    texts = ["a card", "a pin", "a refund", "a loan"]
    turned = Wire(data(lambda rows: rows.reverse())).embed(*texts)
    for text, vector in zip(texts, turned, strict=True):
        assert float(vector @ Wire().embed(text)[0]) == pytest.approx(1.0, abs=1e-6)


@pytest.mark.parametrize("name", FAULTS)
def test_what_is_no_embedding_is_a_fault_for_all_who_asked_and_is_told_of(name: str) -> None:
    alter, reason = FAULTS[name]
    wire = Wire(alter)
    failed = wire.embed("a card", "a pin")
    assert [type(error) for error in failed] == [EmbeddingFailed] * 2, failed
    [call] = wire.calls
    assert call.error == str(failed[0]) and reason in call.error
    assert "secret-key" not in call.error


def test_an_endpoint_that_failed_is_left_alone_for_a_while() -> None:
    wire = Wire()

    async def work(embedder: OpenAIEmbedder) -> Any:
        wire.endpoint.broken = True
        for _ in range(3):
            with pytest.raises(EmbeddingFailed):
                await embedder.embed("a card")
        wire.endpoint.broken = False
        wire.clock.at += REST_SECONDS
        return await embedder.embed("a card")

    assert wire.run(work).shape == (1024,)
    assert [call.error is None for call in wire.calls] == [False, True]


def test_texts_that_waited_while_the_endpoint_failed_are_not_sent_after_it() -> None:
    wire = Wire()
    wire.endpoint.broken = True
    failed = wire.embed(*(f"text {number}" for number in range(3 * BATCH_TEXTS)))
    assert {type(error) for error in failed} == {EmbeddingFailed}
    assert (len(wire.endpoint.texts), len(wire.calls)) == (1, 1)


def test_a_call_is_told_of_with_its_tokens_and_an_id_of_its_own() -> None:
    wire = Wire()
    wire.embed(*(f"text {number}" for number in range(BATCH_TEXTS + 1)))
    first, second = wire.calls
    assert (first.provider, first.model, first.started_at) == ("openai", "text-embedding-3-small", NOW)
    assert (first.input_tokens, second.input_tokens) == (BATCH_TEXTS * 2, 2)
    assert first.call_id != second.call_id and first.latency_ms >= 0


@pytest.mark.parametrize(
    "usage", [None, {}, {"total_tokens": 3}, {"prompt_tokens": None}, {"prompt_tokens": "3"}, "none"]
)
def test_usage_that_the_endpoint_does_not_give_is_unknown_and_no_fault(usage: object) -> None:
    wire = Wire(lambda content: {**content, "usage": usage})
    [vector] = wire.embed("a card")
    assert vector.shape == (1024,)
    assert [(call.input_tokens, call.error) for call in wire.calls] == [(None, None)]


def test_a_call_that_was_answered_wrongly_still_tells_its_tokens() -> None:
    wire = Wire(data(lambda rows: rows.pop()))
    wire.embed("a card", "a pin")
    assert [(call.input_tokens, call.error is None) for call in wire.calls] == [(4, False)]
