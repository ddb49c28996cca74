"""Access control of the labeling page: its key and the headers of its responses; see `assay.request_guard`."""

from __future__ import annotations

import hashlib
import hmac
import secrets

from starlette.types import ASGIApp

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


def page_key(secret: bytes, task: str) -> str:
    """Returns the key of a task's page, which stays the same when the server restarts, so that open pages still work."""
    return hmac.new(secret or secrets.token_bytes(32), f"review\x1f{task}".encode(), hashlib.sha256).hexdigest()[:32]


def guarded_page(app: ASGIApp, *, key: str, hosts: tuple[str, ...], task: str) -> RequestGuard:
    """Returns the application behind the key of its page; `hosts` lists the accepted host names."""
    return RequestGuard(
        app,
        key,
        cookie=f"assay_review_{task}",
        parameter=KEY_PARAMETER,
        opens=lambda given: same_secret(given, key),
        hosts=hosts,
        headers=HEADERS,
        max_body_bytes=MAX_BODY_BYTES,
        how="Open the address that `assay review` printed.",
    )
