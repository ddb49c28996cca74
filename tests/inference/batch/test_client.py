"""The Batch API over the wire: a batch is created once whatever breaks, files come whole, refusals say what to do."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any, TypeVar

import orjson
import pytest

from assay.errors import ServiceUnreachable, UsageError
from assay.inference.batch.client import ATTEMPTS, BatchClient
from assay.inference.dialects.openai_chat import OpenAIChat
from assay.inference.endpoint.batch_dialect import CustomId
from tests.fakes.batch_endpoint import BatchEndpoint, Fault
from tests.fakes.clock import Clock

BATCHES = OpenAIChat().batches
T = TypeVar("T")
Work = Callable[[BatchClient], Coroutine[Any, Any, T]]
CREATE, UPLOAD, LIST = "POST /batches", "POST /files", "GET /batches"
BODY = b'{"model":"m","messages":[{"role":"user","content":"hello"}],"response_format":{"json_schema":{"schema":{}}}}'


@pytest.fixture
def endpoint() -> Iterator[BatchEndpoint]:
    with BatchEndpoint(holds=True) as made:
        yield made


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "chunk.jsonl"
    path.write_bytes(BATCHES.request_line(CustomId(0, 0, "a"), BODY) + BATCHES.request_line(CustomId(1, 0, "b"), BODY))
    return path


def through(endpoint: BatchEndpoint, work: Work[T], *, clock: Clock | None = None) -> T:
    """The result of one conversation with the endpoint, in which nobody really waits."""

    async def conversation() -> T:
        transport = BATCHES.connect(base_url=endpoint.url, api_key="key")
        client = BatchClient("openai", transport, sleep=(clock or Clock()).sleep)
        try:
            return await work(client)
        finally:
            await client.close()

    return asyncio.run(conversation())


def submitted(endpoint: BatchEndpoint, file: Path, chunk: str = "c1") -> str:
    return through(endpoint, lambda client: client.submit(file, chunk_hash=chunk, run_id="r1")).batch_id


def test_a_batch_carries_its_chunk_and_its_lines_as_they_were_written(endpoint: BatchEndpoint, file: Path) -> None:
    batch_id = submitted(endpoint, file)
    held = endpoint.batches[batch_id]
    assert held.content["metadata"] == {"assay_chunk": "c1", "assay_run": "r1"}
    assert held.lines == [orjson.loads(line) for line in file.read_bytes().splitlines()]
    assert held.lines[1] == {
        "custom_id": "1.0.b",
        "method": "POST",
        "url": "/v1/chat/completions",
        "body": orjson.loads(BODY),
    }


@pytest.mark.parametrize("status", [429, 500, 503, None])
@pytest.mark.parametrize("path", [UPLOAD, CREATE])
def test_a_request_that_failed_is_sent_again(
    endpoint: BatchEndpoint, file: Path, path: str, status: int | None
) -> None:
    endpoint.faults = [Fault(path, status, times=2)]
    submitted(endpoint, file)
    assert (endpoint.requests[path], len(endpoint.batches)) == (3, 1)


@pytest.mark.parametrize("status", [500, 504, None])
def test_a_batch_whose_creation_was_not_confirmed_is_found_and_not_created_twice(
    endpoint: BatchEndpoint, file: Path, status: int | None
) -> None:
    endpoint.faults = [Fault(CREATE, status, after=True)]
    assert submitted(endpoint, file) == "batch_1"
    assert endpoint.requests[CREATE] == len(endpoint.batches) == 1


def test_a_batch_is_found_on_a_later_page_of_the_list(endpoint: BatchEndpoint, file: Path) -> None:
    for number in range(5):
        submitted(endpoint, file, f"c{number}")
    found = through(endpoint, lambda client: client.find("c0"))
    assert found is not None
    assert (found.batch_id, found.chunk_hash, found.has_ended) == ("batch_1", "c0", False)
    assert endpoint.requests[LIST] == 3


def test_a_batch_that_the_provider_does_not_have_is_not_found(endpoint: BatchEndpoint, file: Path) -> None:
    assert through(endpoint, lambda client: client.find("c1")) is None
    submitted(endpoint, file, "another")
    assert through(endpoint, lambda client: client.find("c1")) is None


def test_an_endpoint_that_keeps_failing_is_unreachable_after_growing_waits(endpoint: BatchEndpoint, file: Path) -> None:
    endpoint.faults = [Fault(UPLOAD, 500, times=100)]
    clock = Clock()
    with pytest.raises(
        ServiceUnreachable, match=r"'openai': uploading the file failed after 5 attempts \(HTTP 500: .*\); resume"
    ):
        through(endpoint, lambda client: client.submit(file, chunk_hash="c", run_id="r"), clock=clock)
    assert (len(clock.waits), endpoint.requests[UPLOAD]) == (ATTEMPTS - 1, ATTEMPTS)


@pytest.mark.parametrize(
    ("status", "advice"),
    [
        (401, "check the API key"),
        (402, "raise the account's quota"),
        (404, "has no Batch API"),
        (400, "without --batch"),
    ],
)
def test_a_refusal_is_told_at_once_with_what_to_do(
    endpoint: BatchEndpoint, file: Path, status: int, advice: str
) -> None:
    endpoint.faults = [Fault(UPLOAD, status, times=100)]
    with pytest.raises(UsageError, match=rf"'openai': uploading the file failed \(HTTP {status}: .*{advice}"):
        submitted(endpoint, file)
    assert endpoint.requests[UPLOAD] == 1


def test_an_endpoint_that_is_not_there_is_unreachable(endpoint: BatchEndpoint, file: Path) -> None:
    endpoint.close()
    with pytest.raises(ServiceUnreachable, match="connection"):
        submitted(endpoint, file)


def test_a_file_comes_whole_though_the_line_breaks_at_first(endpoint: BatchEndpoint, tmp_path: Path) -> None:
    content = b"x" * 3_000_000
    file_id, path = endpoint.keep(content), tmp_path / "result.jsonl"
    endpoint.faults = [Fault("GET /files/file-N/content", None, times=2)]
    through(endpoint, lambda client: client.download(file_id, path))
    assert path.read_bytes() == content
    assert [left.name for left in tmp_path.iterdir()] == ["result.jsonl"]


def test_a_batch_that_failed_as_a_whole_says_why(endpoint: BatchEndpoint, file: Path) -> None:
    batch_id = submitted(endpoint, file)
    endpoint.fail(batch_id, "token_limit_exceeded", "Enqueued token limit reached.")
    found = through(endpoint, lambda client: client.retrieve(batch_id))
    assert (found.status, found.has_ended, found.ended_at is None) == ("failed", True, False)
    assert found.reason == "token_limit_exceeded: Enqueued token limit reached."
