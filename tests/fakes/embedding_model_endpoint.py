"""A model behind the wire that also gives embeddings: `/v1/embeddings` beside `/v1/chat/completions`, over real HTTP.

Belongs here: receiving texts and answering with the vectors of `embedding_endpoint.py`.
"""

from __future__ import annotations

import json
from http.server import BaseHTTPRequestHandler
from itertools import chain

from tests.fakes.embedding_endpoint import EmbeddingEndpoint
from tests.fakes.model_endpoint import ModelEndpoint, handler_of

PATH = "/v1/embeddings"


class EmbeddingModelEndpoint(ModelEndpoint):
    """`embeddings` answers requests for embeddings; `has_embeddings` False makes it answer 503 to them."""

    def __init__(self) -> None:
        super().__init__()
        self.embeddings = EmbeddingEndpoint()
        self.has_embeddings = True

    @property
    def embedded(self) -> list[str]:
        """Every text that was sent to be embedded."""
        return list(chain.from_iterable(self.embeddings.texts))

    def handler(self) -> type[BaseHTTPRequestHandler]:
        """See `ModelEndpoint.handler`."""
        endpoint = self

        class Handler(handler_of(self)):  # type: ignore[misc]
            def do_POST(self) -> None:  # noqa: N802 - the library's name
                if self.path != PATH:
                    super().do_POST()
                    return
                content = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                endpoint.embeddings.texts.append(content["input"])
                if endpoint.has_embeddings:
                    self._send(200, endpoint.embeddings.answer(content), {})
                else:
                    self._send(503, {"error": {"message": "overloaded"}}, {})

        return Handler
