"""A page of another site in a real browser, whose user has Dagster's page open, neither changes nor reads anything."""

from __future__ import annotations

import http.server
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest

from assay.local import stack
from assay.settings import Settings
from tests.labels.conftest import ARGUMENTS, CHROMIUM
from tests.local.conftest import end
from tests.local.guarded import BEARER, TARGETS, Sent, send, started

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Page

REBOUND = "rebound.example"
# New versions of Chromium keep public pages from this machine by themselves; here the servers must do it.
UNPROTECTED = "--disable-features=LocalNetworkAccessChecks,BlockInsecurePrivateNetworkRequests"
QUERIES = "/bigquery/v2/projects/assay-local/queries"
SQL = json.dumps({"query": "create schema pwned"})
REFUSED = (403, 415, 421)
RELOAD = json.dumps({"query": "mutation { reloadWorkspace { __typename } }"})
CHAT = json.dumps({"messages": [{"role": "user", "content": "a"}], "max_tokens": 1})
FETCHES = """async ([port, path, body]) => {
    const url = path.startsWith('http') ? path : `http://127.0.0.1:${port}${path}`;
    const read = [];
    for (const mode of ['no-cors', 'cors']) for (const type of ['text/plain', 'application/json'])
        for (const credentials of ['include', 'omit']) {
            const headers = {'content-type': type};
            for (const init of [{method: 'POST', body, headers}, {method: 'GET'}]) {
                const answer = await fetch(url, {mode, credentials, ...init}).catch(() => null);
                const text = answer ? await answer.text().catch(() => '') : '';
                if (answer && answer.ok && text) read.push(`${mode} ${type} ${init.method}: ${text.slice(0, 80)}`);
            }
        }
    navigator.sendBeacon(url, body);
    return read;
}"""
TAGS = """async ([port, path, body]) => {
    const url = `http://127.0.0.1:${port}${path}`;
    const seen = [];
    for (const tag of ['img', 'script', 'iframe', 'embed', 'link']) {
        const made = document.createElement(tag);
        const loaded = new Promise(done => { made.onload = () => done(true); made.onerror = () => done(false); });
        if (tag === 'link') { made.rel = 'stylesheet'; made.href = url } else { made.src = url }
        document.body.append(made);
        const came = await Promise.race([loaded, new Promise(done => setTimeout(() => done(false), 1000))]);
        let text = '';
        try { text = tag === 'iframe' ? made.contentDocument.body.innerText : '' } catch (error) { }
        if ((came && ['img', 'script'].includes(tag)) || text) seen.push(`${tag} ${text}`);
    }
    for (const type of ['text/plain', 'application/x-www-form-urlencoded', 'multipart/form-data']) {
        const frame = document.createElement('iframe'); frame.name = type;
        const form = document.createElement('form');
        form.method = 'POST'; form.action = url; form.enctype = type; form.target = type;
        const field = document.createElement('input');
        field.name = body.slice(0, -1) + ', "x": "'; field.value = '"}';
        form.append(field); document.body.append(frame, form);
        const sent = new Promise(done => frame.onload = done);
        form.submit();
        await Promise.race([sent, new Promise(done => setTimeout(done, 1000))]);
    }
    return seen;
}"""
SOCKET = """([url, protocol]) => new Promise(done => {
    const socket = new WebSocket(url, protocol);
    socket.onopen = () => done('opened');
    socket.onerror = () => done('refused');
})"""


class Evil(http.server.BaseHTTPRequestHandler):
    """Serves an empty page."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(b"<!doctype html><title>evil</title><body></body>")

    def log_message(self, *_: object) -> None:
        """Writes nothing."""


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    settings = started(tmp_path_factory.mktemp("browser"))
    yield settings
    end(settings)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed: make install")
    if CHROMIUM is None:
        pytest.skip("chromium is not installed: apt-get install chromium")
    rules = f"--host-resolver-rules=MAP *.{REBOUND} 127.0.0.1, MAP {REBOUND} 127.0.0.1"
    with playwright.sync_playwright() as driver:
        started_browser = driver.chromium.launch(executable_path=CHROMIUM, args=[*ARGUMENTS, UNPROTECTED, rules])
        yield started_browser
        started_browser.close()


@pytest.fixture
def victim(browser: Browser, running: Settings) -> Iterator[BrowserContext]:
    """A browser whose user has opened Dagster's page."""
    context = browser.new_context()
    context.set_default_timeout(20_000)
    page = context.new_page()
    page.goto(address(running))
    page.wait_for_url(lambda url: "code=" not in url)
    assert page.evaluate("fetch('/server_info').then(answer => answer.status)") == 200
    yield context
    context.close()


@pytest.fixture(scope="module")
def evil() -> Iterator[str]:
    """The address of a page on another port of this machine."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Evil)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def address(settings: Settings) -> str:
    return str(next(part.page for part in stack.status(settings) if part.page))


def attacks(settings: Settings) -> list[tuple[int, str, str]]:
    """Port, path and body of what a foreign page tries."""
    ports = settings.ports
    return [
        (ports.bigquery_rest, QUERIES, SQL),
        (ports.bigquery_rest, "/bigquery/v2/projects/assay-local/datasets", "{}"),
        (ports.model_server, "/v1/chat/completions", CHAT),
        (ports.model_server, "/v1/models", "{}"),
        (ports.dagster, "/graphql", RELOAD),
        (ports.dagster, "/graphql?query=%7B__typename%7D", "{}"),
        (ports.dagster, "/server_info", "{}"),
        (ports.dagster, "/", "{}"),
        (ports.bigquery_grpc, "/google.cloud.bigquery.storage.v1.BigQueryRead/CreateReadSession", "{}"),
    ]


@contextmanager
def answers(page: Page, ports: set[int | None]) -> Iterator[list[tuple[str, int]]]:
    """What the ports answered to the page's requests while the block ran."""
    seen: list[tuple[str, int]] = []
    note: Callable[[Any], None] = lambda answer: (  # noqa: E731
        seen.append((answer.url, answer.status)) if urlsplit(answer.url).port in ports else None
    )
    page.on("response", note)
    yield seen
    page.wait_for_timeout(200)
    page.remove_listener("response", note)


def unchanged(settings: Settings) -> bool:
    return "pwned" not in send(settings, TARGETS[0], Sent(), token=BEARER)[1]


def test_a_page_of_another_site_neither_writes_nor_reads(running: Settings, victim: BrowserContext, evil: str) -> None:
    given = attacks(running)
    neither_writes_nor_reads(running, victim.new_page(), f"http://{evil}/", [given[0], given[2], given[4]])


@pytest.mark.verify
@pytest.mark.parametrize("name", ["127.0.0.1", "localhost", REBOUND])
def test_no_page_of_another_site_writes_or_reads_on_any_port(
    running: Settings, victim: BrowserContext, evil: str, name: str
) -> None:
    home = f"http://{name}:{evil.rpartition(':')[2]}/"
    neither_writes_nor_reads(running, victim.new_page(), home, attacks(running))


def neither_writes_nor_reads(running: Settings, page: Page, home: str, given: list[tuple[int, str, str]]) -> None:
    page.goto(home)
    with answers(page, {port for port, *_ in given}) as seen:
        assert [page.evaluate(FETCHES, list(each)) for each in given] == [[]] * len(given)
        assert [page.evaluate(TAGS, list(each)) for each in given] == [[]] * len(given)
    assert len(seen) > 3 * len(given)  # the browser did send them
    assert {status for _, status in seen} <= {*REFUSED}, [each for each in seen if each[1] not in REFUSED]
    assert unchanged(running)


def test_a_page_whose_name_was_rebound_to_this_machine_neither_writes_nor_reads(
    running: Settings, victim: BrowserContext
) -> None:
    page = victim.new_page()
    for port, path, body in attacks(running):
        if port == running.ports.bigquery_grpc:
            continue  # it does not speak the browser's protocol
        home = f"http://{REBOUND}:{port}/"
        # Its own server answered once; from now on, its name is an address of this machine.
        page.route(home, lambda route: route.fulfill(body="<title>evil</title>", content_type="text/html"), times=1)
        page.goto(home)
        with answers(page, {port}) as seen:
            assert page.evaluate(FETCHES, [port, f"{home.rstrip('/')}{path}", body]) == []
        assert {status for _, status in seen} == {421}
    assert unchanged(running)


def test_a_page_of_another_site_opens_no_websocket(running: Settings, victim: BrowserContext, evil: str) -> None:
    page, port = victim.new_page(), running.ports.dagster
    for name in (evil, f"{REBOUND}:{evil.rpartition(':')[2]}"):
        page.goto(f"http://{name}/")
        for host in ("127.0.0.1", REBOUND):
            assert page.evaluate(SOCKET, [f"ws://{host}:{port}/graphql", "graphql-ws"]) == "refused"
    page.goto(f"http://127.0.0.1:{port}/server_info")
    assert page.evaluate(SOCKET, [f"ws://127.0.0.1:{port}/graphql", "graphql-ws"]) == "opened"


def test_dagsters_page_works_with_its_cookie_in_a_browser(running: Settings, browser: Browser) -> None:
    context = browser.new_context()
    page, opened = context.new_page(), address(running)
    sockets: list[str] = []
    page.on("websocket", lambda socket: sockets.append(socket.url))
    with answers(page, {running.ports.dagster}) as seen:
        page.goto(opened)
        page.wait_for_url(lambda url: "code=" not in url)
        page.goto(f"http://127.0.0.1:{running.ports.dagster}/assets/one")
        page.get_by_text("one", exact=True).first.wait_for(timeout=20_000)
    assert {status for _, status in seen if status >= 400} == set()
    assert sockets
    page.goto(opened)
    assert "each address opens the page once" not in page.content()  # the cookie is enough
    other = browser.new_context().new_page()
    other.goto(opened)
    assert "each address opens the page once" in other.content()
    other.context.close()
    context.close()
