"""Kinds of call failures, and the rules for retries and billing that apply to them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from assay.inference.endpoint.rate_headers import RateHeaders


class FailureKind(StrEnum):
    """The reason a call returned no usable response."""

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
    MODEL_NOT_FOUND = "model_not_found"
    PARAMETER_REFUSED = "parameter_refused"


ANSWERED = 200

RETRYABLE = frozenset({FailureKind.RATE_LIMITED, FailureKind.TIMEOUT, FailureKind.CONNECT, FailureKind.SERVER})
"""Kinds that are retried on the same route."""

STOPS_THE_RUN = frozenset(
    {FailureKind.AUTH, FailureKind.OUT_OF_QUOTA, FailureKind.MODEL_NOT_FOUND, FailureKind.PARAMETER_REFUSED}
)
"""Kinds that affect every record, so that all further records would fail as well."""


@dataclass(frozen=True, slots=True)
class CallFailure:
    """A call without a usable response; `broke_off` is True if it ended after the request was sent.

    `http_status` is 200 if a response was received but could not be parsed; `headers` contains the rate limits that the
    endpoint reported.
    """

    kind: FailureKind
    message: str
    http_status: int | None = None
    retry_after_s: float | None = None
    broke_off: bool = False
    headers: RateHeaders | None = None

    @property
    def billing_known(self) -> bool:
        """False if the provider may have charged for a response that could not be used."""
        return not (self.kind is FailureKind.TIMEOUT or self.broke_off or self.http_status == ANSWERED)
