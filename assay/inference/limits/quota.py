"""What one lane may spend now: requests, tokens and the day's requests, and a pause if one was asked for.

Belongs here: asking all buckets at once, and estimating from a header what the provider's own bucket holds.
"""

from __future__ import annotations

from typing import NamedTuple

from assay.inference.limits.pacing import Bucket


class Flight(NamedTuple):
    """When a call left, and how much had left the lane up to and with it."""

    sent_at: float
    requests: int
    tokens: int


class Quota:
    """The buckets of a lane; None where no such limit is known."""

    __slots__ = ("day", "paused_until", "requests", "sent_requests", "sent_tokens", "tokens")

    def __init__(self) -> None:
        self.requests: Bucket | None = None
        self.tokens: Bucket | None = None
        self.day: Bucket | None = None
        self.paused_until = 0.0
        self.sent_requests = 0
        self.sent_tokens = 0

    def wait_s(self, tokens: int, now: float) -> float:
        """Seconds until a call of so many tokens may leave; infinity if only a new lease can let it."""
        wait = self.paused_until - now
        if self.requests is not None:
            wait = max(wait, self.requests.wait_s(1.0, now))
        if self.tokens is not None:
            wait = max(wait, self.tokens.wait_s(tokens, now))
        if self.day is not None:
            wait = max(wait, self.day.wait_s(1.0, now))
        return wait

    def take(self, tokens: int, now: float) -> Flight:
        """A call leaves."""
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
        """So many of the tokens taken were not used; a negative number was used beyond what was held."""
        if self.tokens is not None:
            self.tokens.level += tokens

    def put_back(self, tokens: int) -> None:
        """A call that was taken for, never reached the provider."""
        for bucket, amount in ((self.requests, 1), (self.tokens, tokens), (self.day, 1)):
            if bucket is not None:
                bucket.level += amount

    def at_provider(self, flight: Flight, *, remaining: int, rate: float, now: float) -> float:
        """Requests that the provider's bucket holds now, from what an answer said when its call came in.

        Since then the bucket filled at `rate` and was emptied by the calls that left after that one.
        """
        return remaining + rate * (now - flight.sent_at) - (self.sent_requests - flight.requests)

    def tokens_at_provider(self, flight: Flight, *, remaining: int, rate: float, now: float) -> float:
        """Tokens that the provider's bucket holds now; see `at_provider`."""
        return remaining + rate * (now - flight.sent_at) - (self.sent_tokens - flight.tokens)
