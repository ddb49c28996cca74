"""Who reaches an application behind the guard: programs by the token, browsers by the page's cookie, other sites never."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route, WebSocketRoute
from starlette.testclient import TestClient
from starlette.websockets import WebSocket, WebSocketDisconnect

from assay.one_time_codes import VALID_S, OneTimeCodes, new_code
from assay.request_guard import RequestGuard

TOKEN = "t" * 40
BEARER = {"authorization": f"Bearer {TOKEN}"}
HERE, SOCKET = "http://127.0.0.1:9050", "ws://127.0.0.1:9050/socket"
JSON = {"content-type": "application/json"}


async def echo(request: Request) -> PlainTextResponse:
    return PlainTextResponse((await request.body()).decode() or "in")


async def talk(socket: WebSocket) -> None:
    await socket.accept()
    await socket.send_text("in")


APP = Starlette(
    routes=[Route("/{path:path}", echo, methods=["GET", "POST", "DELETE"]), WebSocketRoute("/socket", talk)]
)


def codes() -> OneTimeCodes:
    return OneTimeCodes(TOKEN, "page")


@pytest.fixture
def api() -> Iterator[TestClient]:
    """The way to a server for programs."""
    with TestClient(RequestGuard(APP, TOKEN, upload_path="/upload/", max_body_bytes=100), base_url=HERE) as made:
        yield made


@pytest.fixture
def page() -> Iterator[TestClient]:
    """The way to a server with a page, before it was opened."""
    with TestClient(RequestGuard(APP, TOKEN, cookie="assay_page", opens=codes().accept), base_url=HERE) as made:
        yield made


@pytest.fixture
def opened(page: TestClient) -> TestClient:
    """A browser that has opened the page's address."""
    assert page.get("/", params={"code": new_code(TOKEN, page="page")}).status_code == 200
    return page


@pytest.mark.parametrize(
    "sent", ["", "Bearer", "Bearer ", f"Bearer {TOKEN[:-1]}", f"Bearer {TOKEN}x", f"Basic {TOKEN}", TOKEN, "Bearer é"]
)
def test_a_program_without_the_token_is_refused(api: TestClient, sent: str) -> None:
    refused = api.get("/", headers={"authorization": sent.encode()})
    assert refused.status_code == 403
    assert "Authorization: Bearer" in refused.json()["error"]["message"]
    assert TOKEN not in refused.text


def test_a_program_with_the_token_is_let_in(api: TestClient) -> None:
    assert api.get("/", headers=BEARER).text == "in"
    assert api.post("/", content=b"{}", headers={**BEARER, **JSON}).text == "{}"
    assert api.delete("/", headers={"authorization": f"bearer {TOKEN}"}).text == "in"


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:9050",
        "127.0.0.1.evil.example",
        "",
        "0.0.0.0:9050",
        "[::1].x",
        "localhost.",
        "127.0.0.1:x",
    ],
)
def test_another_name_for_this_machine_is_refused_even_with_the_token(api: TestClient, host: str) -> None:
    assert api.get("/", headers={**BEARER, "host": host}).status_code == 421


@pytest.mark.parametrize("host", ["localhost:9050", "127.0.0.1", "[::1]:9050", "localhost:1"])
def test_the_names_of_the_loopback_are_known_with_any_port_of_a_tunnel(api: TestClient, host: str) -> None:
    assert api.get("/", headers={**BEARER, "host": host}).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        *({"origin": origin} for origin in ("null", "", "http://evil.example", "http://127.0.0.1:9999")),
        *({"origin": origin} for origin in ("http://localhost:9050", "http://127.0.0.1:9050.evil.example")),
        *({"sec-fetch-site": site} for site in ("cross-site", "same-site")),
    ],
)
def test_a_page_of_another_site_is_refused_even_with_the_token_or_the_cookie(
    api: TestClient, opened: TestClient, headers: dict[str, str]
) -> None:
    for client, sent in ((api, {**BEARER, **headers}), (opened, headers)):
        assert client.get("/", headers=sent).status_code == 403
        assert client.post("/", content=b"{}", headers={**sent, **JSON}).status_code == 403


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""])
def test_the_content_types_of_a_form_are_refused(api: TestClient, kind: str) -> None:
    for path in ("/", "/upload/x"):
        assert api.post(path, content=b"{}", headers={**BEARER, "content-type": kind}).status_code == 415


def test_an_upload_may_have_the_content_types_of_the_client_library(api: TestClient) -> None:
    sent = {**BEARER, "content-type": "multipart/related; boundary=x"}
    assert api.post("/upload/x", content=b"{}", headers=sent).status_code == 200
    assert api.post("/", content=b"{}", headers=sent).status_code == 415


def test_a_body_is_bounded_whether_it_states_its_length_or_not(api: TestClient) -> None:
    sent = {**BEARER, **JSON}
    assert api.post("/", content=b"x" * 100, headers=sent).status_code == 200
    assert api.post("/", content=b"x" * 101, headers=sent).status_code == 413
    assert api.post("/", content=iter([b"x" * 60, b"x" * 60]), headers=sent).status_code == 413
    assert api.post("/", content=b"x", headers={**sent, "content-length": "-1"}).status_code == 413


def test_a_code_opens_the_page_once_and_leaves_a_strict_cookie_without_the_token(page: TestClient) -> None:
    code = new_code(TOKEN, page="page")
    answer = page.get("/a/b?x=1", params={"x": "1", "code": code})
    cookie = answer.headers["set-cookie"]
    assert answer.status_code == 200
    assert 'content="0; url=/a/b?x=1"' in answer.text
    assert "HttpOnly" in cookie
    assert "SameSite=strict" in cookie
    assert TOKEN not in cookie + answer.text + code
    assert page.get("/").text == "in"
    page.cookies.clear()
    assert page.get("/", params={"code": code}).status_code == 403
    assert page.get("/").status_code == 403


def test_a_code_cannot_name_another_host_or_add_markup(page: TestClient) -> None:
    answer = page.get(f'{HERE}//evil.example/"><script>', params={"code": new_code(TOKEN, page="page")})
    assert "url=/evil.example/" in answer.text
    assert "<script>" not in answer.text


def test_what_is_no_code_of_the_page_opens_nothing(page: TestClient) -> None:
    others = new_code("u" * 40, page="page"), new_code(TOKEN, page="other")
    for given in ("", "1", TOKEN, "1.x.y", "é.y", *others):
        assert page.get("/", params={"code": given}).status_code == 403


def test_a_code_opens_nothing_later_or_after_a_restart() -> None:
    now = [1000.0]
    accepting = OneTimeCodes(TOKEN, "page", clock=lambda: now[0])
    early, late = (new_code(TOKEN, page="page", clock=lambda at=at: at) for at in (999.0, 1000.0))
    assert not accepting.accept(early)
    now[0] += VALID_S + 1
    assert not accepting.accept(late)
    assert accepting.accept(new_code(TOKEN, page="page", clock=lambda: now[0]))


def test_a_code_of_the_millisecond_in_which_the_server_started_opens_the_page() -> None:
    accepting = OneTimeCodes(TOKEN, "page", clock=lambda: 1000.0007)
    assert accepting.accept(new_code(TOKEN, page="page", clock=lambda: 1000.0009))


def test_a_browser_states_its_origin_when_it_writes(opened: TestClient) -> None:
    assert opened.post("/", content=b"{}", headers=JSON).status_code == 403
    assert opened.post("/", content=b"{}", headers={**JSON, "origin": HERE}).status_code == 200


def test_the_cookie_of_one_port_is_none_of_another(opened: TestClient) -> None:
    sent = {"cookie": "; ".join(f"{name}={value}" for name, value in opened.cookies.items())}
    other = TestClient(RequestGuard(APP, TOKEN, cookie="assay_page"), base_url="http://127.0.0.1:9051")
    assert opened.get("/", headers=sent).status_code == 200
    assert other.get("/", headers=sent).status_code == 403


@pytest.mark.parametrize(
    "headers", [{}, {"origin": "http://evil.example"}, {"origin": HERE, "host": "evil.example"}, {"origin": "null"}]
)
def test_a_websocket_of_another_site_is_closed(opened: TestClient, headers: dict[str, str]) -> None:
    with pytest.raises(WebSocketDisconnect) as closed, opened.websocket_connect(SOCKET, headers=headers):
        raise AssertionError("the connection was accepted")
    assert closed.value.code == 1008


def test_a_websocket_of_the_page_or_with_the_token_is_accepted(opened: TestClient, api: TestClient) -> None:
    for client, headers in ((opened, {"origin": HERE}), (api, BEARER)):
        with client.websocket_connect(SOCKET, headers=headers) as socket:
            assert socket.receive_text() == "in"


def test_every_answer_forbids_being_framed_and_guessed_at(api: TestClient) -> None:
    for answer in (api.get("/"), api.get("/", headers=BEARER)):
        assert answer.headers["x-frame-options"] == "DENY"
        assert answer.headers["x-content-type-options"] == "nosniff"
