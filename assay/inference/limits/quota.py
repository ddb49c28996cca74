"""Quota of one lane: requests, tokens, requests per day, and a pause if the provider requested one."""

from __future__ import annotations

from typing import NamedTuple

from assay.inference.limits.pacing import Bucket


class Flight(NamedTuple):
    """A call in flight: the time it was sent, and the lane's total requests and tokens up to and including it."""

    sent_at: float
    requests: int
    tokens: int


class Quota:
    """The buckets of a lane; a bucket is None if its limit is unknown."""

    __slots__ = ("day", "paused_until", "requests", "sent_requests", "sent_tokens", "tokens")

    def __init__(self) -> None:
        self.requests: Bucket | None = None
        self.tokens: Bucket | None = None
        self.day: Bucket | None = None
        self.paused_until = 0.0
        self.sent_requests = 0
        self.sent_tokens = 0

    def wait_s(self, tokens: int, now: float) -> float:
        """Seconds until a call with `tokens` tokens may be sent; infinity if the call needs a new lease."""
        wait = self.paused_until - now
        if self.requests is not None:
            wait = max(wait, self.requests.wait_s(1.0, now))
        if self.tokens is not None:
            wait = max(wait, self.tokens.wait_s(tokens, now))
        if self.day is not None:
            wait = max(wait, self.day.wait_s(1.0, now))
        return wait

    def take(self, tokens: int, now: float) -> Flight:
        """Takes the quota for a call that is sent now."""
        self.sent_requests += 1
        self.sent_tokens += tokens
        if self.requests is not None:
            self.requests.level -= 1.0
        if self.tokens is not None:
            self.tokens.level -= tokens
        if self.day is not None:
            self.day.level -= 1.0
        return Flight(now, self.sent_requests, self.sent_tokens)

    def settle(self, tokens: int) -> None:
        """Returns unused tokens to the bucket; a negative number takes tokens used beyond the reserved ones."""
        if self.tokens is not None:
            self.tokens.level += tokens

    def put_back(self, tokens: int) -> None:
        """Returns the quota of a call that never reached the provider."""
        for bucket, amount in ((self.requests, 1), (self.tokens, tokens), (self.day, 1)):
            if bucket is not None:
                bucket.level += amount

    def at_provider(self, flight: Flight, *, remaining: int, rate: float, now: float) -> float:
        """Requests that remain in the provider's bucket at `now`, computed from the headers of a response.

        Since the call of that response was sent, the bucket filled at `rate`, and later calls took quota from it.
        """
        return remaining + rate * (now - flight.sent_at) - (self.sent_requests - flight.requests)

    def tokens_at_provider(self, flight: Flight, *, remaining: int, rate: float, now: float) -> float:
        """Tokens that remain in the provider's bucket at `now`; see `at_provider`."""
        return remaining + rate * (now - flight.sent_at) - (self.sent_tokens - flight.tokens)
