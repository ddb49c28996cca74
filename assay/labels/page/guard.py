"""Access control of the labeling page.

The key, stored in a cookie, keeps out other users of the machine. The Host check prevents DNS rebinding, and the Origin
check prevents requests from other sites that are open in the browser.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

KEY_PARAMETER = "key"
WEEK_S = 7 * 86_400
MAX_BODY_BYTES = 64_000
LOOPBACK = ("127.0.0.1", "localhost", "[::1]")
HEADERS = {
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cache-control": "no-store",
}


def page_key(secret: bytes, task: str) -> str:
    """Returns the key of a task's page, which stays the same when the server restarts, so that open pages still work."""
    return hmac.new(secret or secrets.token_bytes(32), f"review\x1f{task}".encode(), hashlib.sha256).hexdigest()[:32]


@dataclass(frozen=True, slots=True)
class Guard:
    """ASGI middleware that passes only authorized requests to `app`, and adds security headers to every response."""

    app: ASGIApp
    key: str
    hosts: tuple[str, ...]
    cookie: str

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes the request to the application or, if it is unauthorized, responds with an error."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        request = Request(scope, receive)

        async def send_with_headers(message: dict[str, object]) -> None:
            if message["type"] == "http.response.start":
                headers = list(message.get("headers", ()))  # type: ignore[call-overload]
                message["headers"] = headers + [(name.encode(), value.encode()) for name, value in HEADERS.items()]
            await send(message)

        await (self.refusal(request) or self.app)(scope, receive, send_with_headers)  # type: ignore[arg-type]

    def refusal(self, request: Request) -> Response | None:
        """Returns the response (an error or a redirect) to a request that must not reach the application, or None."""
        host = request.headers.get("host", "")
        if _name(host) not in self.hosts:
            return PlainTextResponse(f"Unknown host {host!r}. Open the address that `assay review` printed.", 421)
        given = request.query_params.get(KEY_PARAMETER)
        if given is not None and request.method == "GET" and self._is_key(given):
            response = RedirectResponse(str(request.url.remove_query_params(KEY_PARAMETER)), 303)
            # Lax instead of Strict, because the address may be opened from a terminal, an email or a chat.
            response.set_cookie(self.cookie, self.key, max_age=WEEK_S, httponly=True, samesite="lax")
            return response
        if not self._is_key(request.cookies.get(self.cookie, "")):
            return PlainTextResponse("The page key is missing. Open the address that `assay review` printed.", 403)
        if request.method not in ("GET", "HEAD"):
            return self._refused_write(request, host)
        return None

    def _refused_write(self, request: Request, host: str) -> Response | None:
        origin = request.headers.get("origin", "")
        if origin.partition("://")[2] != host:
            return PlainTextResponse("The request does not come from this page. Reload the page and try again.", 403)
        if not request.headers.get("content-type", "").startswith("application/json"):
            return PlainTextResponse("Expected JSON.", 415)
        length = request.headers.get("content-length", "")
        if not length.isdecimal() or int(length) > MAX_BODY_BYTES:
            return PlainTextResponse(f"Expected a content-length of at most {MAX_BODY_BYTES:,} bytes.", 413)
        return None

    def _is_key(self, given: str) -> bool:
        return hmac.compare_digest(given.encode(), self.key.encode())


def _name(host: str) -> str:
    """Returns the host without its port."""
    return host[: host.rindex("]") + 1] if host.startswith("[") and "]" in host else host.partition(":")[0]
