"""The page answers holders of its key who are on the page itself, and nobody else."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from assay.labels.page.guard import LOOPBACK, MAX_BODY_BYTES, Guard, page_key

KEY = page_key(b"k" * 32, "sorting")
JSON = {"content-type": "application/json"}


@pytest.fixture
def client() -> Iterator[TestClient]:
    """A browser that has opened the address with the key."""
    app = Starlette(routes=[Route("/", lambda _: PlainTextResponse("in"), methods=["GET", "POST"])])
    with TestClient(Guard(app, KEY, LOOPBACK, "assay_review_sorting"), base_url="http://127.0.0.1:8765") as made:
        assert made.get("/", params={"key": KEY}).text == "in"
        yield made


def post(client: TestClient, **headers: str) -> int:
    return client.post("/", content=b"{}", headers={**JSON, **headers}).status_code


def test_the_key_is_kept_in_a_cookie_that_scripts_cannot_read_and_leaves_the_address(client: TestClient) -> None:
    client.cookies.clear()
    answer = client.get("/", params={"key": KEY}, follow_redirects=False)
    assert (answer.status_code, answer.headers["location"]) == (303, "http://127.0.0.1:8765/")
    assert "HttpOnly" in answer.headers["set-cookie"]
    assert "SameSite=lax" in answer.headers["set-cookie"]
    assert client.get("/").text == "in"


@pytest.mark.parametrize("key", ["", "wrong", KEY[:-1]])
def test_without_the_key_there_is_no_page(client: TestClient, key: str) -> None:
    client.cookies.clear()
    assert client.get("/", params={"key": key}).status_code == 403
    assert client.get("/").status_code == 403


@pytest.mark.parametrize("host", ["evil.example", "evil.example:8765", "127.0.0.1.evil.example", ""])
def test_another_name_for_this_machine_is_refused(client: TestClient, host: str) -> None:
    assert client.get("/", headers={"host": host}).status_code == 421


@pytest.mark.parametrize("host", ["localhost:1", "127.0.0.1", "[::1]:8765"])
def test_the_names_of_the_loopback_are_known(client: TestClient, host: str) -> None:
    assert client.get("/", headers={"host": host, "cookie": f"assay_review_sorting={KEY}"}).status_code == 200


@pytest.mark.parametrize(
    "origin", ["", "null", "http://evil.example", "http://127.0.0.1:9999", "http://localhost:8765"]
)
def test_another_site_cannot_save(client: TestClient, origin: str) -> None:
    assert post(client, origin=origin) == 403


def test_the_page_itself_can_save(client: TestClient) -> None:
    assert post(client, origin="http://127.0.0.1:8765") == 200


def test_a_form_cannot_save_and_a_body_has_its_limit(client: TestClient) -> None:
    here = {"origin": "http://127.0.0.1:8765"}
    assert client.post("/", data={"a": "b"}, headers=here).status_code == 415
    assert client.post("/", content=b"x" * (MAX_BODY_BYTES + 1), headers={**here, **JSON}).status_code == 413


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
