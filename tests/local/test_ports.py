"""Every port of the stack, by raw sockets: who sends what is let in, and nobody else."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest

from assay.local import processes, stack
from assay.settings import Settings
from tests.emulator import TOKEN
from tests.endless_heads import HEADERS, http2_head, http_head, pipelined, resident_bytes, sent_until_closed
from tests.local.conftest import end
from tests.local.guarded import BEARER, TARGETS, Sent, Target, exchange, send, started

WITHOUT_TOKEN = (None, "", "Bearer", "Bearer x", f"Bearer {TOKEN}x", f"Basic {TOKEN}", f"Bearer {TOKEN[:-1]}")
FOREIGN = {
    **{
        f"host {host}": (421, Sent(host=host))
        for host in ("evil.example:{port}", "127.0.0.1.evil.example", "192.0.2.1")
    },
    "no host": (0, Sent(host=None)),
    **{
        f"origin {origin}": (403, Sent(headers={"Origin": origin}))
        for origin in ("http://evil.example", "null", "http://127.0.0.1:1", "http://localhost:{port}", "file://")
    },
    **{f"site {site}": (403, Sent(headers={"Sec-Fetch-Site": site})) for site in ("cross-site", "same-site")},
}
FORMS = (
    "text/plain",
    "application/x-www-form-urlencoded",
    "multipart/form-data; boundary=x",
    "text/plain;application/json",
)
MAX_SENT_BYTES = 16_000_000
"""More than the buffers of both sockets hold after the server has stopped reading."""
MAX_GROWTH_BYTES = 10_000_000
EVERY = [pytest.param(target, id=f"{target.name} {target.method} {target.path[:28]}") for target in TARGETS]


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    settings = started(tmp_path_factory.mktemp("ports"))
    yield settings
    end(settings)


@pytest.mark.parametrize("target", EVERY)
def test_a_request_without_the_token_is_refused_on_every_path(running: Settings, target: Target) -> None:
    for token in WITHOUT_TOKEN:
        status, text = send(running, target, Sent(), token=token)
        assert (status, TOKEN in text) == (403, False), text


@pytest.mark.parametrize("target", EVERY)
@pytest.mark.parametrize("case", FOREIGN)
def test_a_request_of_another_site_is_refused_even_with_the_token(running: Settings, target: Target, case: str) -> None:
    expected, sent = FOREIGN[case]
    status = send(running, target, sent, token=BEARER)[0]
    assert status == expected or (expected == 0 and status in (400, 421))


@pytest.mark.parametrize("target", [each for each in EVERY if each.values[0].body])  # type: ignore[attr-defined]
def test_a_form_is_refused_even_with_the_token(running: Settings, target: Target) -> None:
    assert [send(running, target, Sent(content_type=form), token=BEARER)[0] for form in FORMS] == [415] * len(FORMS)


@pytest.mark.parametrize("target", EVERY)
def test_the_same_request_with_the_token_reaches_the_server(running: Settings, target: Target) -> None:
    status, text = send(running, target, Sent(), token=BEARER)
    assert status not in (0, 400, 403, 413, 415, 421), text


def test_two_host_headers_or_a_smuggled_request_reach_nothing(running: Settings) -> None:
    port = running.ports.bigquery_rest
    query = '{"query": "create schema smuggled"}'
    inner = f"POST /bigquery/v2/projects/assay-local/queries HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n"
    inner += f"Content-Type: application/json\r\nContent-Length: {len(query)}\r\n\r\n{query}"
    both = f"Content-Length: {len(inner)}\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n0\r\n\r\n{inner}"
    answers = [
        exchange(port, f"GET / HTTP/1.1\r\nHost: evil.example\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\r\n"),
        exchange(port, f"POST / HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Type: text/plain\r\n{both}"),
    ]
    assert all(status in (0, 400, 403, 415, 421) for status, _ in answers)
    listing = send(running, TARGETS[0], Sent(), token=BEARER)[1]
    assert "smuggled" not in listing


@pytest.mark.parametrize("token", [None, "", f"Bearer {TOKEN}x", f"Basic {TOKEN}", TOKEN])
@pytest.mark.parametrize(
    "method",
    [
        *(f"/google.cloud.bigquery.storage.v1.BigQueryRead/{name}" for name in ("CreateReadSession", "ReadRows")),
        *(f"/google.cloud.bigquery.storage.v1.BigQueryWrite/{name}" for name in ("AppendRows", "CreateWriteStream")),
        *("/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo", "/grpc.health.v1.Health/Check", "/x.Y/Z"),
    ],
)
def test_no_call_of_the_storage_api_is_answered_without_the_token(
    running: Settings, token: str | None, method: str
) -> None:
    metadata = [] if token is None else [("authorization", token)]
    options = [("grpc.enable_http_proxy", 0)]
    with grpc.insecure_channel(f"127.0.0.1:{running.ports.bigquery_grpc}", options=options) as channel:
        call = channel.stream_stream(method)
        with pytest.raises(grpc.RpcError) as refused:
            list(call(iter([b""]), metadata=metadata, timeout=20))
    assert refused.value.code() is grpc.StatusCode.UNAUTHENTICATED
    assert TOKEN not in str(refused.value)


@pytest.mark.parametrize("kind", HEADERS)
@pytest.mark.parametrize("server", ["warehouse", "model", "dagster"])
def test_no_program_without_the_token_fills_the_memory_with_a_head(running: Settings, server: str, kind: str) -> None:
    port = Target(server, "GET", "/").port(running)
    before = resident_bytes(_pids(running))
    assert sent_until_closed(port, http_head(kind)) < MAX_SENT_BYTES
    assert resident_bytes(_pids(running)) - before < MAX_GROWTH_BYTES


@pytest.mark.parametrize("server", ["warehouse", "model", "dagster"])
def test_pipelined_requests_are_not_kept_in_memory(running: Settings, server: str) -> None:
    before = resident_bytes(_pids(running))
    sent_until_closed(Target(server, "GET", "/").port(running), pipelined())
    assert resident_bytes(_pids(running)) - before < MAX_GROWTH_BYTES


def test_the_metadata_of_a_call_of_the_storage_api_is_bounded(running: Settings) -> None:
    before = resident_bytes(_pids(running))
    sent_until_closed(running.ports.bigquery_grpc, http2_head())  # gRPC reads it all and keeps none of it
    assert resident_bytes(_pids(running)) - before < 10 * MAX_GROWTH_BYTES


def test_every_port_listens_on_the_loopback_only(running: Settings) -> None:
    ports = running.ports
    listening = [address for pid in _pids(running) for address in _listening(pid)]
    assert {port for _, port in listening} == {
        *(ports.bigquery_rest, ports.bigquery_grpc, ports.model_server, ports.dagster),
    }
    assert {address for address, _ in listening} <= {"0100007F", "0000000000000000FFFF00000100007F"}


def test_no_socket_or_file_of_the_stack_is_open_to_other_users(running: Settings) -> None:
    assert _mode(running.state_dir) & 0o077 == 0
    assert {_mode(path) & 0o077 for path in (running.state_dir / "bigquery").rglob("*")} == {0}
    sockets = [path for pid in _pids(running) for path in _unix_sockets(pid)]
    assert sockets, "the model server and the code server listen on Unix sockets"
    for path in sockets:
        assert _mode(path) & 0o022 == 0 or _mode(path.parent) & 0o077 == 0, path


def test_the_token_is_in_no_argument_log_state_or_status(running: Settings) -> None:
    for pid in _pids(running):
        assert TOKEN.encode() not in Path(f"/proc/{pid}/cmdline").read_bytes()
    files = [*(running.state_dir / "logs").iterdir(), *(running.state_dir / "run").glob("*.json")]
    assert files
    assert not [path for path in files if TOKEN in path.read_text(errors="replace")]
    assert not [part for part in stack.status(running) if TOKEN in f"{part.url}{part.page}"]


def test_the_address_of_the_status_opens_dagster_once(running: Settings) -> None:
    address = next(part.page for part in stack.status(running) if part.page)
    port, path = running.ports.dagster, address.partition(f":{running.ports.dagster}")[2]
    ask = f"HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n"
    status, text = exchange(port, f"GET {path} {ask}\r\n")
    assert (status, TOKEN in text) == (200, False)
    cookie = next(line for line in text.split("\r\n") if line.lower().startswith("set-cookie"))
    pair = cookie.partition(": ")[2].partition(";")[0]
    assert exchange(port, f"GET /server_info {ask}Cookie: {pair}\r\n\r\n")[0] == 200
    assert exchange(port, f"GET {path} {ask}\r\n")[0] == 403


def _pids(settings: Settings) -> set[int]:
    markers = (settings.state_dir / "run").glob("*.json")
    return {member.pid for marker in markers for member in processes.members(str(marker), None)}


def _inodes(pid: int) -> set[str]:
    found = set()
    for descriptor in Path(f"/proc/{pid}/fd").iterdir():
        target = str(descriptor.readlink()) if descriptor.is_symlink() else ""
        if target.startswith("socket:["):
            found.add(target[8:-1])
    return found


def _listening(pid: int) -> list[tuple[str, int]]:
    own, rows = _inodes(pid), []
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/{pid}/net/{table}").read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == "0A" and fields[9] in own:
                address, port = fields[1].split(":")
                rows.append((address, int(port, 16)))
    return rows


def _unix_sockets(pid: int) -> list[Path]:
    own = _inodes(pid)
    lines = [line.split() for line in Path("/proc/net/unix").read_text().splitlines()[1:]]
    return [Path(each[7]) for each in lines if len(each) > 7 and each[6] in own and each[5] == "01"]


def _mode(path: Path) -> int:
    return path.stat().st_mode
