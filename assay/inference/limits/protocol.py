"""Protocol of a rate limiter, and the state it reports.

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
    """A lane at one moment, for progress: limits per minute (None: unknown), `rate_rpm` calls per minute now sent.

    `paused_s` is the remaining time of a pause that the provider requested; `share` is this worker's part of the
    limits.
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
    """Schedules the calls of each lane; each `acquire` that returns is followed by one `release`."""

    async def acquire(self, lane: str, tokens: int) -> float:
        """The call may be sent and holds a place in flight and `tokens` of quota; returns the milliseconds waited.

        Does not suspend if there is nothing to wait for. A cancelled wait holds nothing.
        """
        ...

    def release(self, lane: str, *, held_tokens: int, used_tokens: int | None, outcome: Reply | CallFailure) -> None:
        """Releases the place in flight and unused tokens, and reports the outcome to the controller.

        `used_tokens` is None where usage is unknown: the held tokens then count as used.
        """
        ...

    def states(self) -> Mapping[str, LaneState]:
        """State of every lane used so far."""
        ...

    async def close(self) -> None:
        """Releases everything this worker holds, here and where limits are shared."""
        ...
