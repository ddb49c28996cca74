"""A model behind the wire: a real HTTP server on a loopback port that speaks `/v1/chat/completions`.

Belongs here: receiving, recording, and answering as it was told to. What an answer is worth is for the tests to say.
"""

from __future__ import annotations

import contextlib
import json
import socket
import threading
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

PATH = "/v1/chat/completions"
CHARACTERS_PER_TOKEN = 4


@dataclass(frozen=True, slots=True)
class Asked:
    """One request as it arrived, the `number`-th of all."""

    body: Mapping[str, Any]
    headers: Mapping[str, str]
    number: int

    @property
    def prompt(self) -> str:
        """The first user message: the record's own words, also when the conversation went on."""
        return next(message["content"] for message in self.body["messages"] if message["role"] == "user")

    @property
    def schema(self) -> Mapping[str, Any]:
        """The JSON schema the answer must keep."""
        found: Mapping[str, Any] = self.body["response_format"]["json_schema"]["schema"]
        return found


@dataclass(frozen=True, slots=True)
class Reaction:
    """What the endpoint does with a request: answer with `text`, or with an error status; maybe late, maybe never."""

    text: str = ""
    status: int = 200
    code: str | None = None
    message: str = "as the test wants it"
    delay_s: float = 0.0
    hangs: bool = False
    finish_reason: str = "stop"
    tells_usage: bool = True
    headers: Mapping[str, str] = field(default_factory=dict)


React = Callable[[Asked], Reaction]


def well(asked: Asked) -> Reaction:
    """An answer that keeps the schema, the same for the same schema."""
    return Reaction(text=json.dumps(example_of(asked.schema)))


def late(delay_s: float) -> React:
    """Well, but not at once."""
    return lambda asked: Reaction(text=well(asked).text, delay_s=delay_s)


def failing(status: int, *, code: str | None = None, message: str = "as the test wants it") -> React:
    """An error for every request."""
    return lambda _: Reaction(status=status, code=code, message=message)


def hanging(_: Asked) -> Reaction:
    """No answer until the endpoint is closed."""
    return Reaction(hangs=True)


def example_of(schema: Mapping[str, Any], *, text: str = "text", root: Mapping[str, Any] | None = None) -> Any:
    """A value that keeps the schema: first choices, smallest numbers, `text` wherever text is free."""
    root = root or schema
    if "$ref" in schema:
        return example_of(root["$defs"][schema["$ref"].rsplit("/", 1)[-1]], text=text, root=root)
    if "enum" in schema or "const" in schema:
        return schema["const"] if "const" in schema else schema["enum"][0]
    if "anyOf" in schema:
        return example_of(schema["anyOf"][0], text=text, root=root)
    if schema.get("type") == "object":
        return {name: example_of(inner, text=text, root=root) for name, inner in schema.get("properties", {}).items()}
    plain = {"string": text, "boolean": True, "array": [], "null": None}
    return plain.get(schema.get("type", "null"), schema.get("minimum", 0))


class ModelEndpoint:
    """An endpoint that answers by `react`, records what it was asked, and can leave its port and come back to it."""

    def __init__(self, react: React = well) -> None:
        self.react = react
        self.asked: list[Asked] = []
        self.port = 0
        self.most_at_a_time = 0
        self._under_way = 0
        self._attempts: Counter[str] = Counter()
        self._lock = threading.Lock()
        self._closing = threading.Event()
        self._server: _Server | None = None

    def __enter__(self) -> Self:
        self.open()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def url(self) -> str:
        """The base URL as providers.yml wants it."""
        return f"http://127.0.0.1:{self.port}/v1"

    @property
    def prompts(self) -> Counter[str]:
        """How often each prompt was sent."""
        with self._lock:
            return Counter(self._attempts)

    @property
    def count(self) -> int:
        """Requests that arrived so far."""
        return len(self.asked)

    def open(self) -> None:
        """The port is open: a free one at first, later the same again."""
        self._closing.clear()
        self._server = _Server(("127.0.0.1", self.port), self.handler())
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def handler(self) -> type[BaseHTTPRequestHandler]:
        """What speaks to those who connect."""
        return handler_of(self)

    def close(self) -> None:
        """Nobody listens on the port any more; requests under way break off."""
        server, self._server = self._server, None
        if server is None:
            return
        self._closing.set()
        server.shutdown()
        server.server_close()
        server.hang_up()

    def record(self, body: Mapping[str, Any], headers: Mapping[str, str]) -> Asked:
        """The request is kept before anything becomes of it."""
        with self._lock:
            asked = Asked(body, headers, len(self.asked) + 1)
            self._attempts[asked.prompt] += 1
            self.asked.append(asked)
            self._under_way += 1
            self.most_at_a_time = max(self.most_at_a_time, self._under_way)
        return asked

    def ended(self) -> None:
        """A request is under way no more."""
        with self._lock:
            self._under_way -= 1

    def wait(self, seconds: float | None) -> bool:
        """Lets time pass; True when the endpoint was closed meanwhile."""
        return self._closing.wait(seconds)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    allow_reuse_address = True
    request_queue_size = 256

    def __init__(self, *arguments: Any) -> None:
        self._connections: set[socket.socket] = set()
        super().__init__(*arguments)

    def get_request(self) -> tuple[socket.socket, Any]:
        """The connection is remembered, so that it can be ended with the server."""
        connection, address = super().get_request()
        self._connections.add(connection)
        return connection, address

    def shutdown_request(self, request: Any) -> None:
        """The connection is over."""
        self._connections.discard(request)
        super().shutdown_request(request)

    def hang_up(self) -> None:
        """Connections that wait for a next request end too."""
        for connection in list(self._connections):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that hung up is no fault of the endpoint."""


def handler_of(endpoint: ModelEndpoint) -> type[BaseHTTPRequestHandler]:
    """Receives for the endpoint, and answers as it reacts."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            if self.path != PATH:
                self._send(404, {"error": {"message": f"no {self.path} here"}}, {})
                return
            asked = endpoint.record(body, dict(self.headers))
            reaction = endpoint.react(asked)
            broke_off = endpoint.wait(None if reaction.hangs else reaction.delay_s)
            endpoint.ended()
            if broke_off:
                self.close_connection = True
                return
            self._send(reaction.status, content_of(asked, reaction), reaction.headers)

        def _send(self, status: int, content: object, headers: Mapping[str, str]) -> None:
            text = json.dumps(content).encode()
            self.send_response(status)
            fixed = {"Content-Type": "application/json", "Content-Length": str(len(text))}
            for name, value in {**fixed, **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, format: str, *args: object) -> None:
            """Requests are recorded, not printed."""

    return Handler


def content_of(asked: Asked, reaction: Reaction) -> dict[str, Any]:
    """The body of the answer: a completion, or an error."""
    if reaction.status != 200:
        return {"error": {"message": reaction.message, "code": reaction.code, "type": "error"}}
    sent = sum(len(message["content"]) for message in asked.body["messages"]) // CHARACTERS_PER_TOKEN
    got = len(reaction.text) // CHARACTERS_PER_TOKEN
    usage = {"prompt_tokens": sent, "completion_tokens": got, "total_tokens": sent + got}
    return {
        "id": f"chatcmpl-{asked.number}",
        "object": "chat.completion",
        "model": asked.body["model"],
        "choices": [
            {
                "index": 0,
                "finish_reason": reaction.finish_reason,
                "message": {"role": "assistant", "content": reaction.text},
            }
        ],
        "usage": usage if reaction.tells_usage else None,
    }
