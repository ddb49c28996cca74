"""Rate limiter of one process; its lanes are in memory, and each lane adapts to the responses this process receives.

Workers that share a limit use `shared.py`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from assay.inference.limits.control import Controller
from assay.inference.limits.lane import Lane
from assay.inference.limits.protocol import LaneState
from assay.inference.providers import LaneLimits

if TYPE_CHECKING:
    from assay.inference.endpoint.failures import CallFailure
    from assay.inference.endpoint.replies import Reply


class InProcessLimiter:
    """See `Limiter`; must be used in one event loop. `stated` returns a lane's stated limits when it is first used."""

    def __init__(self, stated: Callable[[str], LaneLimits], *, clock: Callable[[], float] = time.monotonic) -> None:
        self._stated = stated
        self._clock = clock
        self._lanes: dict[str, Lane] = {}

    async def acquire(self, lane: str, tokens: int) -> float:
        """See `Limiter.acquire`."""
        place = self._lanes.get(lane)
        if place is None:
            place = self._lanes[lane] = Lane(Controller(self._stated(lane), now=self._clock()), clock=self._clock)
        return 0.0 if place.enter(tokens) else await place.wait(tokens)

    def release(self, lane: str, *, held_tokens: int, used_tokens: int | None, outcome: Reply | CallFailure) -> None:
        """See `Limiter.release`."""
        self._lanes[lane].leave(held_tokens=held_tokens, used_tokens=used_tokens, outcome=outcome)

    def states(self) -> Mapping[str, LaneState]:
        """See `Limiter.states`."""
        now = self._clock()
        return {name: lane.state(now) for name, lane in self._lanes.items()}

    async def close(self) -> None:
        """See `Limiter.close`."""
        for lane in self._lanes.values():
            lane.stop()
