"""Kinds of call failures, with their rules for retries and billing."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from assay.inference.endpoint.rate_headers import RateHeaders


class FailureKind(StrEnum):
    """The reason that a call gave no usable response."""

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
"""Kinds that are retried on the same route."""

STOPS_THE_RUN = frozenset({FailureKind.AUTH, FailureKind.OUT_OF_QUOTA})
"""Kinds that affect every record: continuing would only turn good records into failed ones."""


@dataclass(frozen=True, slots=True)
class CallFailure:
    """A call without a usable response; `broke_off`: the connection ended after the request had been sent.

    `http_status` 200 is a response that could not be parsed; `headers` are the limits that the endpoint reported.
    """

    kind: FailureKind
    message: str
    http_status: int | None = None
    retry_after_s: float | None = None
    broke_off: bool = False
    headers: RateHeaders | None = None

    @property
    def billing_known(self) -> bool:
        """False if the provider may have charged for a response that was not received."""
        return not (self.kind is FailureKind.TIMEOUT or self.broke_off or self.http_status == ANSWERED)
