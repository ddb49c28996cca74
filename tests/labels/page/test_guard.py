"""The keys of the labeling page and the headers of its responses; tests/test_request_guard.py tests who is let in."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from assay.labels.page.guard import ANYONE, MAX_BODY_BYTES, GuardedPage, PageKeys
from assay.request_guard import LOOPBACK

KEYS = PageKeys("sorting")
HERE = "http://127.0.0.1:8765"
JSON = {"content-type": "application/json"}


def page(keys: PageKeys) -> GuardedPage:
    def shown(request: Request) -> PlainTextResponse:
        return PlainTextResponse(request.url.path)

    routes = [Route("/{path:path}", shown, methods=["GET", "POST"])]
    return GuardedPage(Starlette(routes=routes), keys, LOOPBACK)


@pytest.fixture
def client() -> Iterator[TestClient]:
    """A browser that has opened Ana's address."""
    with TestClient(page(KEYS), base_url=HERE) as made:
        assert made.get(KEYS.address("ana")).status_code == 200
        yield made


def test_the_page_is_there_for_who_has_opened_the_address_with_the_key(client: TestClient) -> None:
    assert client.get("/label/ana").text == "/label/ana"
    client.cookies.clear()
    refused = client.get("/label/ana")
    assert (refused.status_code, "Open the address that `assay review` printed" in refused.text) == (403, True)


@pytest.mark.parametrize(
    "path",
    ["/label/ben", "/label/ben/save", "/label/Ben", "/label/%62en", "/label/ben%20", "//label/ben", "/label/%2562en",
     "/label/ana/../ben/save", "/label", "/label/", "/label/%00", "/", "/enter?name=ben", "/static/page.js"],
)  # fmt: skip
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_the_key_of_one_person_opens_the_pages_of_nobody_else(client: TestClient, path: str, method: str) -> None:
    headers = {} if method == "GET" else {**JSON, "origin": HERE}
    assert client.request(method, path, headers=headers).status_code == 403
    joined = "&" if "?" in path else "?"
    assert client.request(method, f"{path}{joined}key={KEYS.of('ana')}", headers=headers).status_code == 403


@pytest.mark.parametrize(
    "path", ["/label/ana", "/label/ANA", "/label/%61na", "/label/ana/save", "/label/ana/static/page.js"]
)
def test_the_key_of_a_person_opens_all_their_pages(client: TestClient, path: str) -> None:
    assert client.get(path).status_code == 200


def test_the_key_of_the_home_page_opens_nobodys_items() -> None:
    with TestClient(page(KEYS), base_url=HERE) as client:
        assert client.get(KEYS.address(ANYONE)).status_code == 200
        assert client.get("/enter?name=ana").status_code == 200
        assert client.get("/label/ana").status_code == 403
        assert client.get(f"/label/ana?key={KEYS.of(ANYONE)}").status_code == 403


def test_two_people_can_use_one_browser(client: TestClient) -> None:
    assert client.get(KEYS.address("ben")).status_code == 200
    assert [client.get(f"/label/{person}").status_code for person in ("ana", "ben", "cleo")] == [200, 200, 403]


def test_a_key_ends_with_its_session(client: TestClient) -> None:
    later = PageKeys("sorting")
    with TestClient(page(later), base_url=HERE, cookies=client.cookies) as again:
        assert again.get("/label/ana").status_code == 403
        assert again.get(KEYS.address("ana")).status_code == 403
        assert again.get(later.address("ana")).status_code == 200
    assert PageKeys("other", KEYS._secret).of("ana") != KEYS.of("ana")
    assert KEYS._secret.hex() not in repr(KEYS)


@pytest.mark.parametrize("key", ["", "wrong", KEYS.of("ana")[:-1]], ids=["none", "wrong", "cut"])
def test_another_key_opens_nothing(key: str) -> None:
    with TestClient(page(KEYS), base_url=HERE) as client:
        assert client.get("/label/ana", params={"key": key}).status_code == 403
        assert client.get("/label/ana").status_code == 403


def test_the_page_itself_can_save_and_a_body_has_its_limit(client: TestClient) -> None:
    headers = {**JSON, "origin": HERE}
    assert client.post("/label/ana/save", content=b"{}", headers=headers).status_code == 200
    assert client.post("/label/ana/save", content=b"x" * (MAX_BODY_BYTES + 1), headers=headers).status_code == 413


def test_every_answer_forbids_scripts_of_others_and_being_framed(client: TestClient) -> None:
    for answer in (client.get("/label/ana"), client.get("/label/ana", headers={"host": "evil.example"})):
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy and "script-src 'self'" in policy and "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
        assert answer.headers["cache-control"] == "no-store"
