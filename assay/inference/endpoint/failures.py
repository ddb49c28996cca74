"""The kinds of failure a call can have, each with its rule.

What may be sent again and what may have been billed is decided here and nowhere else.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from assay.inference.endpoint.rate_headers import RateHeaders


class FailureKind(StrEnum):
    """Why a call gave no usable answer."""

    RATE_LIMITED = "rate_limited"
    TIMEOUT = "timeout"
    CONNECT = "connect"
    SERVER = "server"
    TRUNCATED = "truncated"
    REFUSED = "refused"
    CONTENT_FILTER = "content_filter"
    INVALID_OUTPUT = "invalid_output"
    BAD_REQUEST = "bad_request"
    AUTH = "auth"
    OUT_OF_QUOTA = "out_of_quota"


ANSWERED = 200

RETRYABLE = frozenset({FailureKind.RATE_LIMITED, FailureKind.TIMEOUT, FailureKind.CONNECT, FailureKind.SERVER})
"""Worth the same call again on the same route."""

STOPS_THE_RUN = frozenset({FailureKind.AUTH, FailureKind.OUT_OF_QUOTA})
"""True for every record alike: going on would only turn good records into failed ones."""


@dataclass(frozen=True, slots=True)
class CallFailure:
    """A call without an answer; `broke_off` says that the request had been sent when the connection ended.

    `http_status` 200 is an answer that could not be read; `headers` say what the endpoint told of its limits.
    """

    kind: FailureKind
    message: str
    http_status: int | None = None
    retry_after_s: float | None = None
    broke_off: bool = False
    headers: RateHeaders | None = None

    @property
    def billing_known(self) -> bool:
        """False when the provider may have charged for what was not read."""
        return not (self.kind is FailureKind.TIMEOUT or self.broke_off or self.http_status == ANSWERED)
