"""No client follows an endpoint to another host: the texts are for the host that providers.yml names."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path

import pytest

from assay.inference.caches.embeddings import EmbeddingEndpoint, EmbeddingFailed, OpenAIEmbedder
from assay.inference.dialects.openai_chat import OpenAIChat
from assay.inference.endpoint.batch_dialect import BatchCallFailed
from assay.inference.endpoint.client import ReferenceClient
from assay.inference.endpoint.transport import LeanClient
from tests.fakes.wire import WireEndpoint, answer

KEY = "sk-1234567890abcdef"
BODY = b'{"model": "m", "messages": [{"role": "user", "content": "secret text"}]}'


async def lean(url: str, _: Path) -> None:
    client = LeanClient(OpenAIChat(), base_url=url, api_key=KEY)
    await client.complete(BODY, model="m", timeout_s=30)
    await client.close()


async def reference(url: str, _: Path) -> None:
    client = ReferenceClient(OpenAIChat(), base_url=url, api_key=KEY)
    await client.complete(BODY, model="m", timeout_s=30)
    await client.close()


async def upload(url: str, folder: Path) -> None:
    (folder / "chunk.jsonl").write_bytes(BODY)
    transport = OpenAIChat().batches.connect(base_url=url, api_key=KEY)
    with pytest.raises(BatchCallFailed) as failed:
        await transport.upload(folder / "chunk.jsonl", chunk_hash="c")
    await transport.close()
    assert "redirects" in failed.value.failure.message and "base_url" in failed.value.failure.message


async def download(url: str, folder: Path) -> None:
    transport = OpenAIChat().batches.connect(base_url=url, api_key=KEY)
    with pytest.raises(BatchCallFailed):
        await transport.download("file-1", folder / "results.jsonl")
    await transport.close()


async def embedding(url: str, _: Path) -> None:
    stated = EmbeddingEndpoint(provider="p", base_url=url, api_key=KEY, model="m")
    embedder = OpenAIEmbedder(stated, note=lambda _: None)
    with suppress(EmbeddingFailed):
        await embedder.embed("secret text")
    await embedder.close()


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("call", [lean, reference, upload, download, embedding])
def test_a_redirect_is_not_followed(call: Callable[[str, Path], Awaitable[None]], status: int, tmp_path: Path) -> None:
    async def asked_of_other() -> tuple[int, int]:
        async with WireEndpoint(answer("{}")).listening() as other:
            moved = answer("", status=f"{status} Moved", Location=f"{other.url}/x")
            async with WireEndpoint(moved).listening() as stated:
                await call(stated.url, tmp_path)
                return len(stated.asked), other.connections

    assert asyncio.run(asked_of_other()) == (1, 0)
