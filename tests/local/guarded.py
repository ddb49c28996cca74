"""A local stack that answers on every port, and a raw way to talk to it."""

from __future__ import annotations

import socket
from dataclasses import dataclass, field
from pathlib import Path

from assay.local import stack
from assay.settings import Settings
from tests.emulator import TOKEN
from tests.local.conftest import local_settings

DEFINITIONS = "import dagster\n\n@dagster.asset\ndef one() -> None: ...\n\ndefs = dagster.Definitions(assets=[one])\n"
LOAD = (
    '{"configuration": {"load": {"destinationTable": {"projectId": "assay-local", "datasetId": "d", "tableId": "t"}}}}'
)
BEARER = f"Bearer {TOKEN}"


@dataclass(frozen=True)
class Target:
    """A request that would do something on one of the ports, if it were let in."""

    name: str
    method: str
    path: str
    body: str = ""
    content_type: str = "application/json"

    def port(self, settings: Settings) -> int:
        ports = settings.ports
        return {"warehouse": ports.bigquery_rest, "model": ports.model_server, "dagster": ports.dagster}[self.name]


@dataclass(frozen=True)
class Sent:
    """What is changed in an ordinary request; None leaves a header out."""

    host: str | None = "127.0.0.1:{port}"
    headers: dict[str, str] = field(default_factory=dict)
    content_type: str | None = None


TARGETS = (
    Target("warehouse", "GET", "/bigquery/v2/projects/assay-local/datasets"),
    Target("warehouse", "POST", "/bigquery/v2/projects/assay-local/queries", '{"query": "select 1"}'),
    Target("warehouse", "POST", "/upload/bigquery/v2/projects/assay-local/jobs?uploadType=resumable", LOAD),
    Target("warehouse", "GET", "/healthz"),
    Target("warehouse", "GET", "/metrics"),
    Target("warehouse", "GET", "/openapi.json"),
    Target("model", "GET", "/v1/models"),
    Target("model", "GET", "/health"),
    Target("model", "GET", "/slots"),
    Target(
        "model", "POST", "/v1/chat/completions", '{"messages": [{"role": "user", "content": "a"}], "max_tokens": 1}'
    ),
    Target("model", "POST", "/tokenize", '{"content": "a"}'),
    Target("dagster", "GET", "/"),
    Target("dagster", "GET", "/server_info"),
    Target("dagster", "POST", "/graphql", '{"query": "{ __schema { queryType { name } } }"}'),
    Target("dagster", "GET", "/graphql?query=%7B__typename%7D"),
    Target("dagster", "GET", "/graphiql"),
    Target("dagster", "GET", "/logs/x/y/stdout"),
    Target("dagster", "POST", "/report_asset_materialization/one", "{}"),
)


def started(root: Path) -> Settings:
    """The settings of a running stack with one asset."""
    settings = local_settings(root)
    (root / "tiny_defs.py").write_text(DEFINITIONS)
    options = stack.StackOptions(definitions_module="tiny_defs")
    stack.up(settings, parts=("warehouse", "model", "dagster-webserver"), report=lambda _: None, options=options)
    return settings


def exchange(port: int, text: str) -> tuple[int, str]:
    """Status and text of the answer to a raw request; the server's address is the IPv4 loopback."""
    with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
        connection.sendall(text.encode())
        answer = b""
        while received := connection.recv(65_536):
            answer += received
    head = answer.partition(b"\r\n")[0].split()
    return (int(head[1]) if len(head) > 1 else 0), answer.decode(errors="replace")


def send(settings: Settings, target: Target, sent: Sent, *, token: str | None) -> tuple[int, str]:
    """The answer to the target's request with these changes."""
    port = target.port(settings)
    headers = {name: value.replace("{port}", str(port)) for name, value in sent.headers.items()}
    if sent.host is not None:
        headers["Host"] = sent.host.replace("{port}", str(port))
    if token is not None:
        headers["Authorization"] = token
    if target.body:
        headers["Content-Type"] = sent.content_type or target.content_type
        headers["Content-Length"] = str(len(target.body))
    lines = "".join(f"{name}: {value}\r\n" for name, value in {**headers, "Connection": "close"}.items())
    return exchange(port, f"{target.method} {target.path} HTTP/1.1\r\n{lines}\r\n{target.body}")
