"""A model behind the wire that also has a Batch API: files and batches beside `/v1/chat/completions`, over real HTTP.

Belongs here: keeping files, answering their lines as `react` says, ending batches when a test says so, and the ways a
provider or the line to it fails. Output lines come back to front, as real ones come in any order.
"""

from __future__ import annotations

import json
import re
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from email.parser import BytesParser
from email.policy import HTTP
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.fakes.model_endpoint import Asked, ModelEndpoint, React, Reaction, content_of, handler_of, well

OF_BATCHES = ("/v1/files", "/v1/batches")
NUMBER = re.compile(r"(?<=file-|atch_)\d+")
PAGE = 2
"""Batches on a page of the list: few, so that a search has to turn pages."""
EXPIRED = Reaction(status=0, code="batch_expired", message="This request could not be executed in time.")
NO_LINE = Reaction(hangs=True)


@dataclass
class HeldBatch:
    """A batch as the provider keeps it."""

    content: dict[str, Any]
    lines: list[dict[str, Any]]


@dataclass
class Fault:
    """What goes wrong with the next `times` requests to `path`: an error status, or no answer (None).

    With `after` the request is carried out all the same: only its answer is lost.
    """

    path: str
    status: int | None = None
    times: int = 1
    after: bool = False


class BatchEndpoint(ModelEndpoint):
    """`line` reacts to each line of a batch, `react` to calls on the wire; batches end at once unless `holds`.

    `told` sees every request to files and batches as it arrives, e.g. to kill who sent it.
    """

    def __init__(self, react: React = well, *, line: React = well, holds: bool = False) -> None:
        super().__init__(react)
        self.line = line
        self.holds = holds
        self.files: dict[str, bytes] = {}
        self.batches: dict[str, HeldBatch] = {}
        self.faults: list[Fault] = []
        self.requests: Counter[str] = Counter()
        self.told: Callable[[str], None] = lambda _: None
        self.has_batches = True
        self._sent = 0

    @property
    def chunks(self) -> list[str]:
        """The chunk hash of each batch that was ever created."""
        return [held.content["metadata"]["assay_chunk"] for held in self.batches.values()]

    @property
    def custom_ids(self) -> list[str]:
        """The name of each line of each batch."""
        return [line["custom_id"] for held in self.batches.values() for line in held.lines]

    def handler(self) -> type[BaseHTTPRequestHandler]:
        """See `ModelEndpoint.handler`."""
        return _batch_handler_of(self)

    def create(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        """A batch over an uploaded file."""
        number = len(self.batches) + 1
        content = {
            "id": f"batch_{number}",
            "object": "batch",
            "endpoint": asked["endpoint"],
            "completion_window": asked["completion_window"],
            "input_file_id": asked["input_file_id"],
            "status": "in_progress",
            "created_at": int(time.time()),
            "metadata": asked.get("metadata"),
        }
        lines = [json.loads(line) for line in self.files[asked["input_file_id"]].splitlines()]
        self.batches[content["id"]] = HeldBatch(content, lines)
        if not self.holds:
            self.finish(content["id"])
        return content

    def finish(self, batch_id: str, status: str = "completed", *, answered: int | None = None) -> None:
        """The batch ends with that status; only the first `answered` lines were worked on, all without."""
        held = self.batches[batch_id]
        output, errors = [], []
        for line in held.lines[:answered]:
            self._sent += 1
            reaction = self.line(Asked(line["body"], {}, self._sent))
            if not reaction.hangs:
                (output if reaction.status == 200 else errors).append(_result(line, reaction, self._sent))
        for name, lines in (("output_file_id", output), ("error_file_id", errors)):
            held.content[name] = self.keep(_jsonl(reversed(lines))) if lines else None
        held.content |= {"status": status, f"{status}_at": int(time.time())}

    def finish_all(self, status: str = "completed", *, answered: int | None = None) -> None:
        """Every batch that is under way ends."""
        for batch_id, held in self.batches.items():
            if held.content["status"] == "in_progress":
                self.finish(batch_id, status, answered=answered)

    def fail(self, batch_id: str, code: str, message: str) -> None:
        """The batch was refused as a whole."""
        errors = {"object": "list", "data": [{"code": code, "message": message, "line": None, "param": None}]}
        self.batches[batch_id].content |= {"status": "failed", "failed_at": int(time.time()), "errors": errors}

    def keep(self, content: bytes) -> str:
        """The id of a new file with the content."""
        file_id = f"file-{len(self.files) + 1}"
        self.files[file_id] = content
        return file_id

    def listed(self, after: str | None) -> dict[str, Any]:
        """A page of batches, newest first."""
        newest = [held.content for held in self.batches.values()][::-1]
        start = next((place for place, batch in enumerate(newest, 1) if batch["id"] == after), 0)
        page = newest[start : start + PAGE]
        return {"object": "list", "data": page, "has_more": start + PAGE < len(newest)}

    def respond(
        self, method: str, url: str, content_type: str, body: bytes
    ) -> tuple[int, dict[str, Any] | bytes] | None:
        """Status and content of the answer to a request to files or batches; None when its answer is lost."""
        place = urlsplit(url)
        name = f"{method} {NUMBER.sub('N', place.path.removeprefix('/v1'))}"
        self.requests[name] += 1
        self.told(name)
        fault = next((fault for fault in self.faults if fault.path == name and fault.times > 0), None)
        if fault is None:
            return self._answer(method, url, content_type, body)
        fault.times -= 1
        if fault.after:
            self._answer(method, url, content_type, body)
        return (fault.status, {"error": {"message": "as the test wants it"}}) if fault.status else None

    def _answer(self, method: str, url: str, content_type: str, body: bytes) -> tuple[int, dict[str, Any] | bytes]:
        place = urlsplit(url)
        kind, *names = place.path.removeprefix("/v1/").split("/")
        if self.has_batches and method == "POST":
            return 200, self.create(json.loads(body)) if kind == "batches" else self._uploaded(content_type, body)
        if self.has_batches and not names:
            return 200, self.listed(parse_qs(place.query).get("after", [None])[0])
        if kind == "batches" and names[0] in self.batches:
            return 200, self.batches[names[0]].content
        if kind == "files" and names[0] in self.files:
            return 200, self.files[names[0]]
        return 404, {"error": {"message": f"no {place.path} here"}}

    def _uploaded(self, content_type: str, body: bytes) -> dict[str, Any]:
        message = BytesParser(policy=HTTP).parsebytes(f"Content-Type: {content_type}\r\n\r\n".encode() + body)
        parts = {part.get_param("name", header="content-disposition"): part for part in message.iter_parts()}
        assert parts["purpose"].get_payload(decode=True) == b"batch"
        content = parts["file"].get_payload(decode=True)
        return {
            "id": self.keep(content),
            "object": "file",
            "bytes": len(content),
            "created_at": int(time.time()),
            "filename": parts["file"].get_filename(),
            "purpose": "batch",
            "status": "processed",
        }


def _batch_handler_of(endpoint: BatchEndpoint) -> type[BaseHTTPRequestHandler]:
    class Handler(handler_of(endpoint)):  # type: ignore[misc]
        def do_GET(self) -> None:  # noqa: N802 - the library's name
            self._through("GET")

        def do_POST(self) -> None:  # noqa: N802 - the library's name
            if self.path.startswith(OF_BATCHES):
                self._through("POST")
            else:
                super().do_POST()

        def _through(self, method: str) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            answer = endpoint.respond(method, self.path, self.headers.get("Content-Type", ""), body)
            if answer is None:
                self.close_connection = True
                return
            status, content = answer
            text = content if isinstance(content, bytes) else json.dumps(content).encode()
            kind = "application/octet-stream" if isinstance(content, bytes) else "application/json"
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

    return Handler


def _result(line: Mapping[str, Any], reaction: Reaction, number: int) -> dict[str, Any]:
    named = {"id": f"batch_req_{number}", "custom_id": line["custom_id"]}
    if reaction.status == 0:
        return {**named, "response": None, "error": {"code": reaction.code, "message": reaction.message}}
    body = content_of(Asked(line["body"], {}, number), reaction)
    response = {"status_code": reaction.status, "request_id": f"req_{number}", "body": body}
    return {**named, "response": response, "error": None}


def _jsonl(lines: Iterator[dict[str, Any]]) -> bytes:
    return b"".join(json.dumps(line).encode() + b"\n" for line in lines)
