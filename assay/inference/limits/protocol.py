"""Protocol of a rate limiter, and the state of a lane that it reports.

A lane is one model at one provider, written "provider:model"; limits apply to a lane.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from assay.inference.endpoint.failures import CallFailure
    from assay.inference.endpoint.replies import Reply


@dataclass(frozen=True, slots=True, kw_only=True)
class LaneState:
    """State of a lane at one moment, for the progress display.

    Limits are None if unknown; `rate_rpm` is the current rate in calls per minute; `concurrency` is the maximum number
    of calls in flight; `paused_s` is the remaining time of a pause that the provider requested; `share` is this worker's
    share of the limits.
    """

    limit_rpm: float | None
    limit_tpm: float | None
    limit_rpd: float | None
    rate_rpm: float
    in_flight: int
    concurrency: int
    waiting: int
    paused_s: float
    share: float = 1.0


class Limiter(Protocol):
    """Schedules the calls of each lane; after each successful `acquire`, `release` must be called once."""

    async def acquire(self, lane: str, tokens: int) -> float:
        """Waits until a call may be sent, and reserves a slot and `tokens` for it; returns the milliseconds waited.

        Does not suspend if there is nothing to wait for. If the wait is cancelled, nothing is reserved.
        """
        ...

    def release(self, lane: str, *, held_tokens: int, used_tokens: int | None, outcome: Reply | CallFailure) -> None:
        """Releases the call's slot and its unused tokens, and records the outcome.

        `used_tokens` is None if usage is unknown; all held tokens then count as used.
        """
        ...

    def states(self) -> Mapping[str, LaneState]:
        """The state of every lane used so far."""
        ...

    async def close(self) -> None:
        """Closes connections and releases this worker's share of the rate limits."""
        ...
