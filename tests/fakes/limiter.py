"""A limiter that lets every call through at once: for tests of what happens around it."""

from __future__ import annotations

from collections.abc import Mapping

from assay.inference.endpoint.failures import CallFailure
from assay.inference.endpoint.replies import Reply
from assay.inference.limits.protocol import LaneState


class FreeLimiter:
    """`outcomes` has what it was told of calls; `in_flight` is 0 once every call was released."""

    def __init__(self) -> None:
        self.in_flight = 0
        self.outcomes: list[Reply | CallFailure] = []

    async def acquire(self, lane: str, tokens: int) -> float:
        """At once."""
        self.in_flight += 1
        return 0.0

    def release(self, lane: str, *, held_tokens: int, used_tokens: int | None, outcome: Reply | CallFailure) -> None:
        """The outcome is kept."""
        self.in_flight -= 1
        self.outcomes.append(outcome)

    def states(self) -> Mapping[str, LaneState]:
        """It limits nothing."""
        return {}

    async def close(self) -> None:
        """It holds nothing."""
