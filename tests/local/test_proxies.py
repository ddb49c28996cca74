"""No connection to this machine goes through a proxy of the environment, and every other one does."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from assay.errors import AssayError
from assay.inference.caches.embeddings import EmbeddingEndpoint, EmbeddingFailed, OpenAIEmbedder
from assay.inference.dialects.registry import DEFAULT_DIALECT
from assay.inference.endpoint.client import ModelClient, ReferenceClient
from assay.inference.endpoint.replies import Reply
from assay.inference.endpoint.transport import LeanClient
from assay.settings import Settings, process_environment
from assay.settings.proxies import is_loopback, proxy_for, without_proxy_for_loopback
from assay.warehouse.client import Warehouse
from assay.warehouse.landing import LandingWriter
from assay.warehouse.migrate import migrate
from tests.emulator import TOKEN, Endpoints, running_emulator
from tests.local.test_emulator_server import _content
from tests.paths import ROOT

UPPER = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "GRPC_PROXY")
LOWER = tuple(name.lower() for name in UPPER)
CASES = {
    "upper case": dict.fromkeys(UPPER),
    "lower case": dict.fromkeys(LOWER),
    "every case": dict.fromkeys((*UPPER, *LOWER)),
    "for all": {"ALL_PROXY": None, "all_proxy": None},
    "with exceptions": {**dict.fromkeys((*UPPER, *LOWER)), "no_proxy": "corp.example", "NO_PROXY": "corp.example"},
    "with an empty exception": {**dict.fromkeys((*UPPER, *LOWER)), "no_proxy": "", "NO_PROXY": ""},
}
BODY = b'{"model": "smollm2-135m", "messages": [{"role": "user", "content": "a"}], "max_tokens": 1}'


@dataclass(frozen=True)
class Proxy:
    """A running proxy and what it was asked for."""

    url: str
    record: Path

    def seen(self) -> list[str]:
        return self.record.read_text().splitlines() if self.record.exists() else []


@pytest.fixture(scope="module")
def endpoints(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Endpoints]:
    with running_emulator(tmp_path_factory.mktemp("proxies")) as running:
        settings = settings_for(running)
        migrate(Warehouse(settings), report=lambda _: None)
        yield running


@pytest.fixture
def proxy(tmp_path: Path) -> Iterator[Proxy]:
    record = tmp_path / "record"
    command = [sys.executable, "-m", "tests.local.recording_proxy", str(record)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
        assert process.stdout is not None
        yield Proxy(f"http://127.0.0.1:{int(process.stdout.readline())}", record)
        process.terminate()


@pytest.fixture
def company(proxy: Proxy, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Proxy]:
    """Sets the proxy as a company does."""

    def set_up(case: str) -> Proxy:
        for name in (*UPPER, *LOWER, "no_proxy", "NO_PROXY", "no_grpc_proxy"):
            monkeypatch.delenv(name, raising=False)
        for name, value in CASES[case].items():
            monkeypatch.setenv(name, proxy.url if value is None else value)
        return proxy

    return set_up


def settings_for(endpoints: Endpoints, *, host: str = "127.0.0.1") -> Settings:
    rest, grpc = (each.replace("127.0.0.1", host) for each in (endpoints.rest, endpoints.grpc))
    return Settings(
        root=Path("nowhere"), bigquery_endpoint=rest, bigquery_grpc_endpoint=grpc, local_token=endpoints.token
    )


async def completed(client: ModelClient) -> bool:
    try:
        return isinstance(await client.complete(BODY, model="smollm2-135m", timeout_s=20), Reply)
    finally:
        await client.close()


async def embedded(place: EmbeddingEndpoint) -> bool:
    embedder = OpenAIEmbedder(place, note=lambda _: None)
    try:
        await embedder.embed("a")
    except EmbeddingFailed:  # the proxy refuses whatever it has recorded
        return False
    finally:
        await embedder.close()
    return True


def clients(base_url: str) -> list[ModelClient]:
    return [kind(DEFAULT_DIALECT, base_url=base_url, api_key=TOKEN) for kind in (LeanClient, ReferenceClient)]


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
@pytest.mark.parametrize("case", CASES)
def test_the_warehouse_of_this_machine_is_reached_directly(
    company: Callable[[str], Proxy], endpoints: Endpoints, case: str, host: str
) -> None:
    proxy = company(case)
    warehouse = Warehouse(settings_for(endpoints, host=host))
    assert [row["n"] for row in warehouse.stream("select 1 as n")] == [1]
    assert LandingWriter(warehouse).append([_content(1)]) == 1
    assert proxy.seen() == []


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
@pytest.mark.parametrize("case", CASES)
def test_the_model_of_this_machine_is_reached_directly(
    company: Callable[[str], Proxy], model_port: int, case: str, host: str
) -> None:
    proxy = company(case)
    for client in clients(f"http://{host}:{model_port}/v1"):
        assert asyncio.run(completed(client))
    assert proxy.seen() == []


@pytest.mark.parametrize("host", ["[::1]", "127.0.0.2", "localhost"])
def test_no_client_turns_to_the_proxy_where_nothing_answers_on_this_machine(
    company: Callable[[str], Proxy], host: str
) -> None:
    proxy, nowhere = company("every case"), f"{host}:1"
    for client in clients(f"http://{nowhere}/v1"):
        assert not asyncio.run(completed(client))
    for work in workings(nowhere):
        with pytest.raises(AssayError):
            work()
    assert proxy.seen() == []


@pytest.mark.parametrize("case", ["upper case", "lower case", "for all", "with exceptions"])
def test_other_endpoints_are_reached_through_the_proxy(company: Callable[[str], Proxy], case: str) -> None:
    proxy = company(case)
    asyncio.run(completed(clients("http://models.example/v1")[1]))
    place = EmbeddingEndpoint(provider="e", base_url="http://vectors.example/v1", api_key="k", model="m")
    assert not asyncio.run(embedded(place))
    assert proxy_for("https://models.example/v1") == proxy.url
    assert any("models.example" in line for line in proxy.seen())
    assert any("vectors.example" in line for line in proxy.seen())


def test_another_warehouse_gets_its_rows_through_the_proxy(company: Callable[[str], Proxy]) -> None:
    proxy = company("every case")
    with pytest.raises(AssayError):
        workings("warehouse.example:1")[1]()
    assert any("CONNECT warehouse.example:1" in line for line in proxy.seen())


@pytest.mark.verify
def test_another_warehouse_is_queried_through_the_proxy(company: Callable[[str], Proxy]) -> None:
    proxy = company("every case")
    with pytest.raises(AssayError):  # after retries for half a minute
        workings("warehouse.example:1")[0]()
    assert any("http://warehouse.example:1" in line for line in proxy.seen())


def workings(place: str) -> list[Callable[[], object]]:
    """A query, and an append that skips the check of the port."""
    settings = Settings(root=Path("nowhere"), bigquery_endpoint=f"http://{place}", bigquery_grpc_endpoint=place)
    warehouse = Warehouse(replace(settings, local_token=TOKEN))
    return [
        lambda: list(warehouse.stream("select 1")),
        lambda: LandingWriter(warehouse).append([_content(2)]),
    ]


def test_dbt_reaches_the_warehouse_directly_with_the_token(
    company: Callable[[str], Proxy], endpoints: Endpoints, tmp_path: Path
) -> None:
    proxy = company("every case")
    project = tmp_path / "dbt"
    shutil.copytree(ROOT / "dbt_project", project, ignore=shutil.ignore_patterns("target", "logs", "dbt_packages"))
    environment = {**process_environment(settings_for(endpoints)), "DO_NOT_TRACK": "1"}
    command = [
        sys.executable,
        "-m",
        "dbt.cli.main",
        "debug",
        "--connection",
        "--project-dir",
        ".",
        "--profiles-dir",
        ".",
    ]
    done = subprocess.run(
        command, cwd=project, env=environment, capture_output=True, text=True, timeout=120, check=False
    )
    assert "All checks passed" in done.stdout, done.stdout
    assert TOKEN not in done.stdout + done.stderr
    assert proxy.seen() == []


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        *((f"http://{host}:9050", True) for host in ("127.0.0.1", "localhost", "[::1]", "127.3.2.1", "LOCALHOST")),
        *((address, True) for address in ("localhost:9060", "127.0.0.1:9060", "[::1]:9060", "http://a.localhost/v1")),
        *((f"http://{host}/", False) for host in ("127.0.0.1.example", "localhost.example", "10.0.0.1", "example.org")),
        *((address, False) for address in ("http://127.0.0.1@evil.example/", "bigquerystorage.googleapis.com:443", "")),
    ],
)
def test_the_addresses_of_this_machine_are_known(address: str, *, expected: bool) -> None:
    assert is_loopback(address) is expected


def test_a_child_process_keeps_the_exceptions_of_the_company() -> None:
    own = "127.0.0.1,localhost,::1"
    for stated, expected in {"corp.example, 10.0.0.0/8": f"corp.example,10.0.0.0/8,{own}", "": own, "*": "*"}.items():
        kept = without_proxy_for_loopback({"NO_PROXY": stated})
        assert kept == dict.fromkeys(("no_proxy", "NO_PROXY"), expected)
