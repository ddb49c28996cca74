"""Embeddings for the semantic cache's benchmark that need no network: word vectors from a package, and the local model."""

from __future__ import annotations

import importlib.util
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from assay.local.model_server import PATIENT_THREADS
from assay.local.part import get_json

WEIGHTS, TOKENS = "weights/l2_supercat_256.safetensors", "tokenizers/l2_supercat_tokenizer_config.json"
START_SECONDS = 60.0
SERVE = """
import sys
from xllamacpp import llama_pooling_type
from assay.local.model_server import parameters, serve, weights_file
given = parameters(weights_file(), port=int(sys.argv[1]))
given.embedding, given.pooling_type = True, llama_pooling_type.LLAMA_POOLING_TYPE_MEAN
serve(given)
"""


class WordVectors:
    """The mean of the vectors of a text's tokens, from the files in the wordllama package, whose own code looks for them online."""

    def __init__(self) -> None:
        from safetensors.numpy import load_file
        from tokenizers import Tokenizer

        spec = importlib.util.find_spec("wordllama")
        assert spec is not None and spec.submodule_search_locations is not None, "run `uv sync`"
        folder = Path(spec.submodule_search_locations[0])
        self._weights = next(iter(load_file(folder / WEIGHTS).values())).astype(np.float32)
        self._tokens: Any = Tokenizer.from_file(str(folder / TOKENS))

    def vector(self, text: str) -> NDArray[np.float32]:
        """The text's vector, not yet of length 1."""
        numbers = self._tokens.encode(text, add_special_tokens=False).ids
        mean: NDArray[np.float32] = self._weights[numbers].mean(axis=0)
        return mean


@contextmanager
def local_embeddings() -> Iterator[str]:
    """The base URL of the local stack's model, started for embeddings, while the context lasts."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = {**os.environ, **PATIENT_THREADS}
    with subprocess.Popen(
        [sys.executable, "-c", SERVE, str(port)], env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as server:
        try:
            deadline = time.monotonic() + START_SECONDS
            while get_json(port, "/health") is None:
                assert server.poll() is None and time.monotonic() < deadline, "the local model did not start"
                time.sleep(0.2)
            yield f"http://127.0.0.1:{port}/v1"
        finally:
            server.kill()
