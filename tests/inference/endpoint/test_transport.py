"""The fast transport and the reference send the same and make the same of every kind of answer and fault."""

from __future__ import annotations

import asyncio
import gzip
import json
import zlib
from collections.abc import Callable
from typing import Any

import pytest

from assay.inference.dialects.openai_chat import OpenAIChat
from assay.inference.endpoint.client import ModelClient, ReferenceClient
from assay.inference.endpoint.failures import CallFailure, FailureKind
from assay.inference.endpoint.replies import Reply
from assay.inference.endpoint.transport import LeanClient
from tests.fakes.wire import Asked, End, Played, WireEndpoint, answer, closed_port, head

TRANSPORTS_WITH_KEY: dict[str, Callable[[str, str], ModelClient]] = {
    "reference": lambda url, key: ReferenceClient(OpenAIChat(), base_url=url, api_key=key),
    "lean": lambda url, key: LeanClient(OpenAIChat(), base_url=url, api_key=key),
}
BODY = '{"model": "m", "messages": [{"role": "user", "content": "é \\ud83d\\ude00 \\u0000"}]}'.encode()
USAGE = {"prompt_tokens": 3, "completion_tokens": 2}
ASKED_OF_BOTH = ("authorization", "content-type", "content-length", "accept", "accept-encoding")
Outcome = Reply | CallFailure
TIMEOUT_S = 30.0
"""Longer than a busy machine can keep a call that is answered."""
LATE_S = 1.0
TRANSPORTS: dict[str, Callable[[str], ModelClient]] = {
    "reference": lambda url: ReferenceClient(OpenAIChat(), base_url=url, api_key="sk-1"),
    "lean": lambda url: LeanClient(OpenAIChat(), base_url=url, api_key="sk-1"),
}


def completion(content: object = "hi", *, finish_reason: str = "stop", **parts: Any) -> str:
    choice = {"index": 0, "finish_reason": finish_reason, "message": {"role": "assistant", "content": content}}
    return json.dumps({"id": "c-1", "model": "m-1", "choices": [choice], "usage": USAGE, **parts})


def said(text: str | None = "hi", **parts: Any) -> Reply:
    fields: dict[str, Any] = {"finish_reason": "stop", "usage": USAGE, "response_id": "c-1", "response_model": "m-1"}
    return Reply(text=text, **{"refusal": None, "service_tier": None, **fields, **parts})


def stated(status: str, code: str | None = "some_code", *, message: str = "so it is", **headers: str) -> Played:
    return answer(json.dumps({"error": {"message": message, "code": code}}), status=status, **headers)


def page(status: str, kind: str = "text/html; charset=utf-8") -> Played:
    return answer("<html>no</html>", status=status, kind=kind)


def chunked(*pieces: str, end: bytes = b"0\r\n\r\n") -> bytes:
    sized = (f"{len(piece.encode()):x}\r\n{piece}\r\n".encode() for piece in pieces)
    return head(Content_Type="application/json", Transfer_Encoding="chunked") + b"".join(sized) + end


def cut(body: str, *, at: int) -> bytes:
    return head(Content_Type="application/json", Content_Length=str(len(body))) + body[:at].encode()


def both(
    *answers: Played, head_only: bool = False, calls: int = 1, timeout_s: float = TIMEOUT_S
) -> list[tuple[list[Outcome], WireEndpoint]]:
    """What each transport made of the answers, and the endpoint that gave them."""

    async def one(make: Callable[[str], ModelClient]) -> tuple[list[Outcome], WireEndpoint]:
        async with WireEndpoint(*answers, head_only=head_only).listening() as endpoint:
            client = make(endpoint.url)
            outcomes = []
            for _ in range(calls):
                outcomes.append(await client.complete(BODY, model="m", timeout_s=timeout_s))
                await all_sent(endpoint)
            await client.close()
        return outcomes, endpoint

    async def all_of_them() -> list[tuple[list[Outcome], WireEndpoint]]:
        return list(await asyncio.gather(*(one(make) for make in TRANSPORTS.values())))

    return asyncio.run(all_of_them())


async def all_sent(endpoint: WireEndpoint) -> None:
    """What the endpoint sends after its answer has arrived; one that is late or silent is not waited for."""
    for _ in range(50):
        if endpoint.played == len(endpoint.asked):
            break
        await asyncio.sleep(0.002)
    await asyncio.sleep(0.02)


def outcome_of(*answers: Played, **how: Any) -> Outcome:
    """The outcome of one call, the same with both transports, of one request each."""
    ([reference], asked), ([lean], asked_lean) = both(*answers, **how)
    assert lean == reference
    assert (len(asked.asked), len(asked_lean.asked)) == (1, 1)
    return lean


def in_common(asked: Asked) -> tuple[str, bytes, dict[str, str | None]]:
    return asked.line, asked.body, {name: asked.headers.get(name) for name in ASKED_OF_BOTH}


def test_both_send_the_same_request() -> None:
    (_, reference), (_, lean) = both(answer(completion()))

    assert in_common(lean.asked[0]) == in_common(reference.asked[0])
    line, body, headers = in_common(lean.asked[0])
    assert (line, body) == ("POST /v1/chat/completions HTTP/1.1", BODY)
    assert (headers["authorization"], headers["content-type"]) == ("Bearer sk-1", "application/json")


@pytest.mark.parametrize("path", ["", "/", "/v1", "/v1/", "/openai/deployments/a%20b%2Fc/v1", "/é", "//v1"])
def test_both_send_it_to_the_same_address(path: str) -> None:
    async def line(make: Callable[[str], ModelClient]) -> str:
        async with WireEndpoint(answer(completion())).listening() as endpoint:
            client = make(endpoint.url.removesuffix("/v1") + path)
            await client.complete(BODY, model="m", timeout_s=TIMEOUT_S)
            await client.close()
            return endpoint.asked[0].line

    async def lines() -> set[str]:
        return {await line(make) for make in TRANSPORTS.values()}

    assert len(asyncio.run(lines())) == 1


@pytest.mark.parametrize(
    ("played", "reply"),
    {
        "plain": (answer(completion()), said()),
        "without usage": (answer(completion(usage=None)), said(usage=None)),
        "without choices' content": (answer(completion(None)), said(None)),
        "a refusal": (
            answer(json.dumps({"choices": [{"message": {"content": None, "refusal": "I cannot"}}]})),
            Reply(None, None, "I cannot", None, None, None, None),
        ),
        "filtered": (answer(completion("", finish_reason="content_filter")), said("", finish_reason="content_filter")),
        "cut by length": (answer(completion("h", finish_reason="length")), said("h", finish_reason="length")),
        "half a surrogate pair": (answer(completion("a\ud800b")), said("a\N{REPLACEMENT CHARACTER}b")),
        "not a number": (answer(completion(logprobs=float("nan"))), said()),
        "other status of success": (answer(completion(), status="299 Odd"), said()),
        "compressed": (answer(gzip.compress(completion().encode()), Content_Encoding="gzip"), said()),
        "bare deflate": (answer(zlib.compress(completion().encode())[2:-4], Content_Encoding="deflate"), said()),
        "of an unknown coding": (answer(completion(), Content_Encoding="other"), said()),
        "in chunks": (Played((chunked(completion()[:7], completion()[7:]),)), said()),
        "byte by byte": (Played(tuple(bytes([byte]) for byte in answer(completion()).pieces[0])), said()),
        "old HTTP": (Played((b"HTTP/1.0 200 OK\r\n\r\n" + completion().encode(),), End.CLOSED), said()),
        "after a hint": (
            Played((b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n", *answer(completion()).pieces)),
            said(),
        ),
        "huge": (answer(completion("a" * 8_000_000)), said("a" * 8_000_000)),
        "with a long header": (answer(completion(), X_Policy="a" * 20_000), said()),
        "with many headers": (answer(completion(), **{f"X_{number}": "v" for number in range(300)}), said()),
    }.values(),
)
def test_an_answer_is_the_same_reply(played: Played, reply: Reply) -> None:
    assert outcome_of(played) == reply


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("<html>busy</html>", "the endpoint's response is not JSON (JSONDecodeError)"),
        ("", "the endpoint's response is not JSON (JSONDecodeError)"),
        (b"\xff\xfe\xfa", "the endpoint's response is not JSON (UnicodeDecodeError)"),
        ("[" * 100_000, "the endpoint's response is not JSON (RecursionError)"),
        ("[]", "the endpoint's response is not a JSON object"),
        ('{"choices": []}', "the endpoint's response has no choices"),
        ('{"error": {"message": "busy"}}', "HTTP 200: busy"),
    ],
)
def test_a_success_that_cannot_be_read_is_a_failure_of_the_server(body: str | bytes, message: str) -> None:
    assert outcome_of(answer(body)) == CallFailure(FailureKind.SERVER, message, http_status=200)


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        ("400 Bad Request", FailureKind.BAD_REQUEST),
        ("401 Unauthorized", FailureKind.AUTH),
        ("402 Payment Required", FailureKind.OUT_OF_QUOTA),
        ("403 Forbidden", FailureKind.AUTH),
        ("404 Not Found", FailureKind.BAD_REQUEST),
        ("408 Request Timeout", FailureKind.TIMEOUT),
        ("409 Conflict", FailureKind.BAD_REQUEST),
        ("413 Content Too Large", FailureKind.BAD_REQUEST),
        ("422 Unprocessable Content", FailureKind.BAD_REQUEST),
        ("429 Too Many Requests", FailureKind.RATE_LIMITED),
        ("500 Internal Server Error", FailureKind.SERVER),
        ("502 Bad Gateway", FailureKind.SERVER),
        ("503 Service Unavailable", FailureKind.SERVER),
        ("504 Gateway Timeout", FailureKind.TIMEOUT),
        ("524 A Timeout Occurred", FailureKind.TIMEOUT),
        ("529 Overloaded", FailureKind.SERVER),
        ("999 Odd", FailureKind.SERVER),
    ],
)
def test_an_error_has_the_kind_of_its_status(status: str, kind: FailureKind) -> None:
    number = int(status[:3])

    assert outcome_of(stated(status)) == CallFailure(kind, f"HTTP {number}: so it is", http_status=number)


@pytest.mark.parametrize("kind", ["text/html", "Text/HTML; charset=utf-8"])
@pytest.mark.parametrize(
    ("status", "failure"),
    [
        ("403 Forbidden", FailureKind.BAD_REQUEST),  # a firewall's word about the text, not the provider's on the key
        ("401 Unauthorized", FailureKind.AUTH),
        ("502 Bad Gateway", FailureKind.SERVER),
    ],
)
def test_a_page_is_an_error_without_words(status: str, failure: FailureKind, kind: str) -> None:
    number = int(status[:3])

    assert outcome_of(page(status, kind)) == CallFailure(failure, f"HTTP {number}", http_status=number)


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("insufficient_quota", FailureKind.OUT_OF_QUOTA),
        ("content_filter", FailureKind.CONTENT_FILTER),
        ("rate_limit_exceeded", FailureKind.RATE_LIMITED),
        (None, FailureKind.RATE_LIMITED),
    ],
)
def test_the_code_of_an_error_says_more_than_its_status(code: str | None, kind: FailureKind) -> None:
    failure = outcome_of(stated("429 Too Many Requests", code))

    assert isinstance(failure, CallFailure)
    assert failure.kind is kind


@pytest.mark.parametrize(
    ("headers", "pause_s"),
    [
        ({"Retry_After": "7"}, 7.0),
        ({"retry_after_ms": "1500", "Retry_After": "7"}, 1.5),
        ({"Retry_After": "Wed, 21 Oct 2026 07:28:30 GMT", "Date": "Wed, 21 Oct 2026 07:28:00 GMT"}, 30.0),
        ({"Retry_After": "soon"}, None),
        ({}, None),
    ],
)
def test_a_refusal_tells_how_long_to_wait(headers: dict[str, str], pause_s: float | None) -> None:
    failure = outcome_of(stated("429 Too Many Requests", **headers))

    assert isinstance(failure, CallFailure)
    assert failure.retry_after_s == pause_s


def test_an_error_without_a_body_that_is_called_compressed_is_that_error() -> None:
    failure = outcome_of(answer("", status="429 Too Many Requests", Content_Encoding="gzip"))

    assert failure == CallFailure(FailureKind.RATE_LIMITED, "HTTP 429", http_status=429)


@pytest.mark.parametrize("status", ["200 OK", "429 Too Many Requests", "500 Internal Server Error"])
def test_limits_are_read_from_every_answer_whatever_its_status(status: str) -> None:
    limits = {"x_ratelimit_limit_requests": "100", "X_RateLimit_Remaining_Requests": "99"}
    outcome = outcome_of(answer(completion(), status=status, **limits))

    assert outcome.headers is not None
    assert (outcome.headers.limit_requests, outcome.headers.remaining_requests) == (100, 99)


def test_of_a_header_that_comes_twice_the_first_counts() -> None:
    twice = b"x-ratelimit-limit-requests: 100\r\nX-RateLimit-Limit-Requests: 50\r\n"
    body = completion().encode()
    outcome = outcome_of(Played((b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n" % len(body) + twice + b"\r\n" + body,)))

    assert outcome.headers is not None
    assert outcome.headers.limit_requests == 100


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_not_followed_and_says_where_it_leads(status: int) -> None:
    failure = outcome_of(answer("moved", status=f"{status} Moved", Location="https://other.example/v1"))

    message = f"HTTP {status}: the endpoint redirects to https://other.example/v1; check base_url in providers.yml"
    assert failure == CallFailure(FailureKind.BAD_REQUEST, message, http_status=status)


@pytest.mark.parametrize(
    "played",
    {
        "reset before a byte": Played((), End.RESET),
        "closed before a byte": Played((), End.CLOSED),
        "closed in the head": Played((b"HTTP/1.1 200 OK\r\nContent-",), End.CLOSED),
        "reset in the body": Played((cut(completion(), at=20), 0.02), End.RESET),
        "closed in the body": Played((cut(completion(), at=20),), End.CLOSED),
        "a length too long": Played((cut(completion() + " ", at=len(completion())),), End.CLOSED),
        "cut off in a chunk": Played((chunked(end=b"40\r\n" + completion()[:20].encode()),), End.CLOSED),
        "without the last chunk": Played((chunked(completion(), end=b""),), End.CLOSED),
        "no chunk's length": Played((chunked(end=b"zz\r\n"),), End.CLOSED),
        "an error cut off": Played((head("500 Error", Content_Length="50") + b'{"error"',), End.CLOSED),
        "no compressed body": answer(b"none", Content_Encoding="gzip"),
        "no HTTP": Played((b"SSH-2.0-OpenSSH_9.6\r\n\r\n",), End.CLOSED),
    }.values(),
)
def test_an_answer_that_is_not_whole_is_a_connection_that_broke_off(played: Played) -> None:
    message = "the connection was lost before the response was complete"

    assert outcome_of(played) == CallFailure(FailureKind.CONNECT, message, broke_off=True)


@pytest.mark.parametrize(
    "played",
    {
        "silent": Played((), End.SILENT),
        "silent in the body": Played((cut(completion(), at=20),), End.SILENT),
        "a slow drip": Played((cut(completion(), at=20), *(0.03, b" ") * 100)),
        "hints without end": Played((b"HTTP/1.1 100 Continue\r\n\r\n", 0.03) * 100),
    }.values(),
)
def test_an_answer_that_is_late_is_a_timeout(played: Played) -> None:
    failure = CallFailure(FailureKind.TIMEOUT, f"no response within {LATE_S:g} s", broke_off=True)

    assert outcome_of(played, timeout_s=LATE_S) == failure


def alone(make: Callable[[str], ModelClient], url: str) -> Outcome:
    async def called() -> Outcome:
        client = make(url)
        try:
            return await client.complete(BODY, model="m", timeout_s=TIMEOUT_S)
        finally:
            await client.close()

    return asyncio.run(called())


@pytest.mark.parametrize("make", TRANSPORTS.values(), ids=TRANSPORTS)
@pytest.mark.parametrize(
    "url",
    [closed_port(), "http://nowhere.invalid/v1", "http://a..b/v1"],
    ids=["closed port", "no such host", "no host's name"],
)
def test_where_nobody_listens_nothing_was_sent(make: Callable[[str], ModelClient], url: str) -> None:
    assert alone(make, url) == CallFailure(FailureKind.CONNECT, "no connection could be made")


@pytest.mark.parametrize("make", TRANSPORTS.values(), ids=TRANSPORTS)
def test_an_endpoint_without_tls_where_it_is_wanted_is_sent_nothing(make: Callable[[str], ModelClient]) -> None:
    async def called() -> tuple[Outcome, list[Asked]]:
        async with WireEndpoint(answer(completion())).listening() as endpoint:
            client = make(endpoint.url.replace("http:", "https:"))
            outcome = await client.complete(BODY, model="m", timeout_s=LATE_S)
            await client.close()
            return outcome, endpoint.asked

    assert asyncio.run(called()) == (CallFailure(FailureKind.CONNECT, "no connection could be made"), [])


KEY = "sk-1234567890abcdef"
ESCAPED = KEY.replace("s", "\\u0073")


@pytest.mark.parametrize("key", [KEY, ESCAPED])
@pytest.mark.parametrize("make", TRANSPORTS_WITH_KEY.values(), ids=TRANSPORTS_WITH_KEY)
def test_a_key_that_the_endpoint_echoes_is_removed(make: Callable[[str, str], ModelClient], key: str) -> None:
    usage = f', "usage": {{"prompt_tokens": 3, "note": "{KEY}"}}'
    answered = f'{{"id": "{key}", "model": "{key}", "choices": [{{"message": {{"content": "a {key} b"}}}}]{usage}}}'
    played = (
        answer(answered),
        answer(f'{{"error": {{"message": "bad key {key}"}}}}', status="401 No"),
        answer(f"no {KEY}", status="500 Error", kind="text/plain"),
        answer("", status="307 Moved", Location=f"http://127.0.0.1/{KEY}"),
    )

    async def outcomes() -> list[Outcome]:
        async with WireEndpoint(*played).listening() as endpoint:
            client = make(endpoint.url, KEY)
            found = [await client.complete(BODY, model="m", timeout_s=TIMEOUT_S) for _ in played]
            await client.close()
        return found

    found = asyncio.run(outcomes())
    assert [KEY in repr(outcome) for outcome in found] == [False] * 4
    assert isinstance(found[0], Reply)
    assert found[0].text == "a <API_KEY> b"
    assert ["<API_KEY>" in repr(outcome) for outcome in found] == [True] * 4


def test_control_characters_in_the_message_of_an_endpoint_are_replaced() -> None:
    hostile = "a\x1b[31m\x1b]0;title\x07b\r\x00\u202ec\x9b"
    outcome = outcome_of(answer(json.dumps({"error": {"message": hostile}}), status="400 Bad"))
    assert isinstance(outcome, CallFailure)
    assert outcome.message.replace("\ufffd", "").isprintable()
    assert "a\ufffd[31m" in outcome.message
