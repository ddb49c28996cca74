"""An OpenAI-compatible `/v1/embeddings` at the wire: real vectors of character n-grams, weighed as a fitted corpus says.

Weak beside a neural model, but deterministic, offline and fast; the real `openai` package speaks to it.
"""

from __future__ import annotations

import json
import math
import re
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import httpx2
import numpy as np
import orjson
from numpy.typing import NDArray

WIDTH = 1024
GRAMS = (3, 4, 5)
WORD_WEIGHT = 2.0


class NgramVectors:
    """TF-IDF of words and of character n-grams within words, hashed into `WIDTH` places with signs."""

    def __init__(self, corpus: Iterable[str] = ()) -> None:
        documents = [set(_grams(text)) for text in corpus]
        self._seen = Counter(gram for document in documents for gram in document)
        self._documents = len(documents)

    def vector(self, text: str) -> NDArray[np.float32]:
        """The text's vector, not yet of length 1."""
        vector = np.zeros(WIDTH, dtype=np.float32)
        for gram, count in Counter(_grams(text)).items():
            place = zlib.crc32(gram.encode())
            sign = 1.0 if place & 0x80000000 else -1.0
            vector[place % WIDTH] += sign * (1 + math.log(count)) * self._weight(gram)
        return vector

    def _weight(self, gram: str) -> float:
        rarity = math.log((1 + self._documents) / (1 + self._seen[gram])) + 1
        return rarity * (WORD_WEIGHT if gram.startswith("=") else 1.0)


class EmbeddingEndpoint:
    """Answers `/v1/embeddings`; `texts` has every batch it was sent, `broken` makes it answer HTTP 503.

    `alter` makes of each right answer what is sent instead: content, a response of its own, or a fault of the line.
    """

    def __init__(self, vectors: NgramVectors | None = None) -> None:
        self._vectors = vectors or NgramVectors()
        self.texts: list[Sequence[str]] = []
        self.broken = False
        self.alter: Callable[[dict[str, Any]], Any] = lambda content: content

    def http_client(self) -> httpx2.AsyncClient:
        """What the library sends its requests with."""
        return httpx2.AsyncClient(transport=httpx2.MockTransport(self._respond))

    async def _respond(self, request: httpx2.Request) -> httpx2.Response:
        content = orjson.loads(request.content)
        self.texts.append(content["input"])
        if self.broken:
            return httpx2.Response(503, json={"error": {"message": "overloaded"}})
        altered = self.alter(self.answer(content))
        # Written by a writer that lets NaN pass, as endpoints do.
        return altered if isinstance(altered, httpx2.Response) else httpx2.Response(200, **_json(altered))

    def answer(self, content: Mapping[str, Any]) -> dict[str, Any]:
        """The right answer to a request."""
        entries = [
            {"object": "embedding", "index": index, "embedding": self._vectors.vector(text).tolist()}
            for index, text in enumerate(content["input"])
        ]
        tokens = sum(len(text) // 4 + 1 for text in content["input"])
        usage = {"prompt_tokens": tokens, "total_tokens": tokens}
        return {"object": "list", "model": content["model"], "data": entries, "usage": usage}


def _json(content: object) -> dict[str, Any]:
    return {"content": json.dumps(content), "headers": {"Content-Type": "application/json"}}


def _grams(text: str) -> list[str]:
    words = re.findall(r"[a-z0-9']+", text.lower())
    inner = [
        f" {word} "[start : start + size] for word in words for size in GRAMS for start in range(len(word) + 3 - size)
    ]
    return [*(f"={word}" for word in words), *inner]
