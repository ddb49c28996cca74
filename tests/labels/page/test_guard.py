"""The key of the labeling page and the headers of its responses; tests/test_request_guard.py tests who is let in."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from assay.labels.page.guard import MAX_BODY_BYTES, guarded_page, page_key
from assay.request_guard import LOOPBACK

KEY = page_key(b"k" * 32, "sorting")
HERE = "http://127.0.0.1:8765"
JSON = {"content-type": "application/json"}


@pytest.fixture
def client() -> Iterator[TestClient]:
    """A browser that has opened the address with the key."""
    app = Starlette(routes=[Route("/", lambda _: PlainTextResponse("in"), methods=["GET", "POST"])])
    with TestClient(guarded_page(app, key=KEY, hosts=LOOPBACK, task="sorting"), base_url=HERE) as made:
        assert made.get("/", params={"key": KEY}).status_code == 200
        yield made


def test_the_page_is_there_for_who_has_opened_the_address_with_the_key(client: TestClient) -> None:
    assert client.get("/").text == "in"
    client.cookies.clear()
    refused = client.get("/")
    assert (refused.status_code, "Open the address that `assay review` printed" in refused.text) == (403, True)


@pytest.mark.parametrize("key", ["", "wrong", KEY[:-1]])
def test_another_key_opens_nothing(client: TestClient, key: str) -> None:
    client.cookies.clear()
    assert client.get("/", params={"key": key}).status_code == 403
    assert client.get("/").status_code == 403


def test_the_page_itself_can_save_and_a_body_has_its_limit(client: TestClient) -> None:
    headers = {**JSON, "origin": HERE}
    assert client.post("/", content=b"{}", headers=headers).status_code == 200
    assert client.post("/", content=b"x" * (MAX_BODY_BYTES + 1), headers=headers).status_code == 413


def test_every_answer_forbids_scripts_of_others_and_being_framed(client: TestClient) -> None:
    for answer in (client.get("/"), client.get("/", headers={"host": "evil.example"})):
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy and "script-src 'self'" in policy and "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
        assert answer.headers["cache-control"] == "no-store"


def test_the_key_is_that_of_the_project_and_the_task() -> None:
    made: list[Callable[[], str]] = [
        lambda: page_key(b"k" * 32, "sorting"),
        lambda: page_key(b"k" * 32, "other"),
        lambda: page_key(b"j" * 32, "sorting"),
    ]
    assert len({make() for make in made}) == 3
    assert page_key(b"", "sorting") != page_key(b"", "sorting"), "a secret that is not there protects nothing"
