"""Codes that open a page of the local stack once: the address that a person sees does not contain the token."""

from __future__ import annotations

import hashlib
import hmac
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field

VALID_S = 3600
DAGSTER_PAGE = "dagster-webserver"
"""The page's name, which is that of its service."""


def new_code(token: str, *, page: str, clock: Callable[[], float] = time.time) -> str:
    """Returns a code that opens the page once within `VALID_S` seconds; the token cannot be derived from it."""
    stated = f"{_milliseconds(clock())}.{secrets.token_urlsafe(9)}"
    return f"{stated}.{_signature(token, page, stated)}"


@dataclass(slots=True)
class OneTimeCodes:
    """The codes of a page in its server's process: each is accepted once, and none that was issued before `started`."""

    token: str
    page: str
    clock: Callable[[], float] = time.time
    started: float = field(init=False)
    used: dict[str, float] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        """Notes the start of the server, because it does not know which codes were used before."""
        self.started = _milliseconds(self.clock()) / 1000

    def accept(self, code: str) -> bool:
        """True if the code is valid and was not used before; afterwards it is used."""
        stated, _, signature = code.rpartition(".")
        if not hmac.compare_digest(signature.encode(), _signature(self.token, self.page, stated).encode()):
            return False
        issued, now = int(stated.partition(".")[0]) / 1000, self.clock()
        oldest = max(self.started, now - VALID_S)
        self.used = {each: at for each, at in self.used.items() if at >= oldest}
        if issued < oldest or code in self.used:
            return False
        self.used[code] = issued
        return True


def _milliseconds(seconds: float) -> int:
    """Returns the time as a code states it, so that a code of the same millisecond is not earlier than the start."""
    return int(seconds * 1000)


def _signature(token: str, page: str, stated: str) -> str:
    return hmac.new(token.encode(), f"open\x1f{page}\x1f{stated}".encode(), hashlib.sha256).hexdigest()[:32]
