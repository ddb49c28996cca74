"""Access control of the HTTP servers on a person's machine: emulator, model server, Dagster and labeling page.

The token keeps out other users of the machine. The Host check prevents DNS rebinding. The checks of Origin and
Sec-Fetch-Site keep out other sites that are open in the browser, and the content type keeps out their forms.
"""

from __future__ import annotations

import hashlib
import hmac
import html
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection, Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

LOOPBACK = ("127.0.0.1", "localhost", "[::1]")
WEEK_S = 7 * 86_400
JSON = "application/json"
UPLOADS = (JSON, "multipart/related", "application/octet-stream", "*/*")
"""Content types of an upload to BigQuery; a form of a browser cannot send any of them."""
FOREIGN = ("cross-site", "same-site")
"""Values of Sec-Fetch-Site for a request of another page; `same-site` is a page on another port of this machine."""
HEADERS = {"x-content-type-options": "nosniff", "x-frame-options": "DENY", "referrer-policy": "no-referrer"}
POLICY_VIOLATION = 1008
MAX_BODY_BYTES = 16_000_000


@dataclass(frozen=True, slots=True)
class Refusal:
    """Status and message of the response to a request that must not reach the application."""

    status: int
    message: str


@dataclass(frozen=True, slots=True)
class RequestGuard:
    """ASGI middleware that passes only authorized requests to `app`, and adds `headers` to every response.

    A program sends the token as `Authorization: Bearer TOKEN`. If there is a `cookie` (its name), a browser may open an
    address whose query parameter `parameter` holds what `opens` accepts, and is then known by that cookie; the value of
    the cookie is derived from the token and does not reveal it. `hosts` are the accepted host names, with any port,
    because a person may reach the server through a tunnel. Bodies must be JSON, or one of `UPLOADS` on paths that start
    with `upload_path`, of at most `max_body_bytes`.
    """

    app: ASGIApp
    token: str
    cookie: str | None = None
    parameter: str = "code"
    opens: Callable[[str], bool] = lambda _: False
    hosts: tuple[str, ...] = LOOPBACK
    headers: Mapping[str, str] = field(default_factory=lambda: HEADERS)
    upload_path: str | None = None
    max_body_bytes: int = MAX_BODY_BYTES
    how: str = "Send the header `Authorization: Bearer TOKEN`, with the token in .assay/local_token."

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes the request to the application or, if it is unauthorized, responds with an error."""
        if scope["type"] == "websocket":
            await self._websocket(scope, receive, send)
        elif scope["type"] == "http":
            await self._http(scope, receive, send)
        else:
            await self.app(scope, receive, send)

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                given = Headers(raw=message.get("headers", []))
                own = [(name.encode(), value.encode()) for name, value in self.headers.items() if name not in given]
                message["headers"] = [*message.get("headers", []), *own]
            await send(message)

        request = Request(scope, receive)
        response: ASGIApp | None = None
        if refusal := self._misplaced(request):
            response = self._refused(refusal)
        elif self._opens(request):
            response = self._opened(request)
        elif refusal := self._foreign(request) or self._unknown(request) or self._unfit(request):
            response = self._refused(refusal)
        await (response or self.app)(scope, self._bounded(receive), send_with_headers)

    async def _websocket(self, scope: Scope, receive: Receive, send: Send) -> None:
        connection = HTTPConnection(scope)
        refusal = self._misplaced(connection) or self._foreign(connection) or self._unknown(connection, writes=True)
        if refusal is None:
            await self.app(scope, receive, send)
            return
        await receive()  # the client's request to connect
        await send({"type": "websocket.close", "code": POLICY_VIOLATION, "reason": refusal.message})

    def _misplaced(self, request: HTTPConnection) -> Refusal | None:
        """A request for another host name, which a name server of a foreign site may have pointed here."""
        host = request.headers.get("host", "")
        if _name(host) in self.hosts:
            return None
        return Refusal(421, f"Unknown host {host!r}: expected one of {', '.join(self.hosts)}. {self.how}")

    def _opens(self, request: Request) -> bool:
        given = request.query_params.get(self.parameter)
        return self.cookie is not None and request.method == "GET" and given is not None and self.opens(given)

    def _opened(self, request: Request) -> Response:
        """A page that sets the cookie and opens the same address without the code.

        It is no redirect, because a browser omits a strict cookie in a redirect of a link from another site (a chat).
        """
        address = request.url.remove_query_params(self.parameter)
        path = "/" + address.path.lstrip("/")  # two slashes would be the start of another host's address
        shown = html.escape(path + (f"?{address.query}" if address.query else ""))
        head = f'<link rel="icon" href="data:,"><meta http-equiv="refresh" content="0; url={shown}">'
        page = f'<!doctype html><title>Assay</title>{head}<a href="{shown}">Continue</a>'
        response = HTMLResponse(page, headers={"cache-control": "no-store"})
        name, value = self._cookie(request)
        response.set_cookie(name, value, max_age=WEEK_S, httponly=True, samesite="strict")
        return response

    def _foreign(self, request: HTTPConnection) -> Refusal | None:
        origin = request.headers.get("origin")
        if origin is not None and origin.partition("://")[2] != request.headers["host"]:
            return Refusal(403, "The request comes from another site.")
        if request.headers.get("sec-fetch-site") in FOREIGN:
            return Refusal(403, f"The request comes from a page of another site. {self.how}")
        return None

    def _unknown(self, request: HTTPConnection, *, writes: bool | None = None) -> Refusal | None:
        """A request without the token; a browser, known by its cookie, states the origin of whatever may change."""
        scheme, _, given = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer" and same_secret(given.strip(), self.token):
            return None
        name, value = self._cookie(request)
        if self.cookie is None or not same_secret(request.cookies.get(name, ""), value):
            return Refusal(403, f"The token is missing or wrong. {self.how}")
        may_change = request.scope.get("method") not in ("GET", "HEAD") if writes is None else writes
        if may_change and "origin" not in request.headers:
            return Refusal(403, "The request does not come from this page. Reload the page and try again.")
        return None

    def _unfit(self, request: Request) -> Refusal | None:
        length = request.headers.get("content-length", "0")
        has_body = length != "0" or "transfer-encoding" in request.headers
        given = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        uploads = self.upload_path is not None and request.url.path.startswith(self.upload_path)
        if (has_body or given) and given not in (UPLOADS if uploads else (JSON,)):
            return Refusal(415, f"Expected a body of the content type {JSON}, found {given or 'none'}.")
        if not length.isdecimal() or int(length) > self.max_body_bytes:
            return Refusal(413, f"Expected a body of at most {self.max_body_bytes:,} bytes.")
        return None

    def _bounded(self, receive: Receive) -> Receive:
        """Counts the bytes of a body, because a chunked one does not state its length."""
        received = 0

        async def counted() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > self.max_body_bytes:
                raise HTTPException(413, f"Expected a body of at most {self.max_body_bytes:,} bytes.")
            return message

        return counted

    def _cookie(self, request: HTTPConnection) -> tuple[str, str]:
        # Browsers send a cookie to all ports of a host, so the port is part of the name.
        name = f"{self.cookie}_{_port(request)}"
        return name, hmac.new(self.token.encode(), name.encode(), hashlib.sha256).hexdigest()

    def _refused(self, refusal: Refusal) -> Response:
        if self.cookie is not None:
            return PlainTextResponse(refusal.message, refusal.status)
        # The shape of errors of BigQuery and of OpenAI, so that their clients show the message.
        error = {"code": refusal.status, "message": refusal.message}
        return JSONResponse({"error": error}, refusal.status)


def same_secret(given: str, secret: str) -> bool:
    """True if both are equal; the time that the comparison takes does not depend on how many characters are."""
    return hmac.compare_digest(given.encode(), secret.encode())


def _name(host: str) -> str:
    """Returns the host without its port."""
    name, colon, port = host.rpartition(":")
    return name if colon and (port.isdecimal() or not port) else host


def _port(connection: HTTPConnection) -> int:
    server = connection.scope.get("server")
    return int(server[1]) if server and server[1] else 0
