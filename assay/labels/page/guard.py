"""Access control of the labeling page: keys per session and person; see `assay.request_guard`."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from dataclasses import dataclass, field
from functools import partial
from urllib.parse import quote

from starlette.types import ASGIApp, Receive, Scope, Send

from assay.errors import UsageError
from assay.labels.queue import annotator_name
from assay.request_guard import RequestGuard, same_secret

KEY_PARAMETER = "key"
MAX_BODY_BYTES = 64_000
HEADERS = {
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cache-control": "no-store",
}
ANYONE = ""
"""Stands for the home page, where people enter their names."""


@dataclass(frozen=True, slots=True)
class PageKeys:
    """The keys of one session: one for the home page, and one for each person, which opens only that person's pages.

    The secret is drawn for each session, so a key opens nothing after the server has stopped.
    """

    task: str
    _secret: bytes = field(default_factory=partial(secrets.token_bytes, 32), repr=False)

    def of(self, person: str) -> str:
        """Returns the key of a person, or of the home page for `ANYONE`."""
        return hmac.new(self._secret, f"review\x1f{self.task}\x1f{person}".encode(), hashlib.sha256).hexdigest()[:32]

    def address(self, person: str) -> str:
        """Returns the path that opens the person's page, or the home page for `ANYONE`, with its key."""
        path = f"/label/{quote(person, safe='')}" if person else "/"
        return f"{path}?{KEY_PARAMETER}={self.of(person)}"


@dataclass(frozen=True, slots=True)
class GuardedPage:
    """ASGI middleware that passes requests below /label/PERSON only with the key of that person.

    All other paths need the key of the home page. `hosts` lists the accepted host names.
    """

    app: ASGIApp
    keys: PageKeys
    hosts: tuple[str, ...]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes the request to the application or, if it is unauthorized, responds with an error."""
        person = _person(scope.get("path", ""))
        key = self.keys.of(person)
        # Each person has a cookie of their own, so that several people can share a browser.
        whose = hashlib.sha256(person.encode()).hexdigest()[:16] if person else "home"
        guard = RequestGuard(
            self.app,
            key,
            cookie=f"assay_review_{self.keys.task}_{whose}",
            parameter=KEY_PARAMETER,
            opens=lambda given: same_secret(given, key),
            hosts=self.hosts,
            headers=HEADERS,
            max_body_bytes=MAX_BODY_BYTES,
            how="Open the address that `assay review` printed for this person.",
        )
        await guard(scope, receive, send)


def _person(path: str) -> str:
    """Returns the normalized name of the person whose page the path belongs to; `ANYONE` for other paths."""
    first, _, rest = path.lstrip("/").partition("/")
    if first != "label":
        return ANYONE
    name = rest.partition("/")[0]  # already decoded, as the application's routes see it
    try:
        return annotator_name(name)
    except UsageError:
        return f"invalid {name}"  # nobody has the key of such a name, so the request is refused
