"""What the engine asks of a limiter, and what a limiter tells about itself.

A lane is one provider's one model, written "provider:model"; limits hold for a lane.
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
    """A lane at one moment, for progress: limits per minute (None: not known), `rate_rpm` calls now leaving.

    `paused_s` is what is left of a pause that the provider asked for; `share` is this worker's part of the limits.
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
    """Says when the next call of a lane may leave; each `acquire` that returned is followed by one `release`."""

    async def acquire(self, lane: str, tokens: int) -> float:
        """The call may leave now and holds a place in flight and `tokens` of quota; gives the milliseconds waited.

        Does not suspend when nothing has to be waited for. A cancelled wait holds nothing.
        """
        ...

    def release(self, lane: str, *, held_tokens: int, used_tokens: int | None, outcome: Reply | CallFailure) -> None:
        """The place in flight is free, tokens held too many are back, and the controller has seen the outcome.

        `used_tokens` is None where usage is not known: what was held counts as used.
        """
        ...

    def states(self) -> Mapping[str, LaneState]:
        """Every lane used so far."""
        ...

    async def close(self) -> None:
        """Nothing of this worker is held any longer, neither here nor where limits are shared."""
        ...
