"""Tells the run's log when a lane of the limiter changes: a limit is learnt or moved, a pause begins.

The limiter is looked at from time to time, so that watching it costs nothing a call.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping

from assay.inference.limits.protocol import LaneState
from assay.inference.telemetry.protocol import Events

LOOK_SECONDS = 1.0
CHANGE = 0.05
"""Part by which a limit must have moved since it was last told: found rates creep upwards all the time."""


async def report_lanes(
    events: Events, states: Callable[[], Mapping[str, LaneState]], *, every_s: float = LOOK_SECONDS
) -> None:
    """Every change is told, until this is cancelled."""
    told: dict[str, LaneState] = {}
    while True:
        await asyncio.sleep(every_s)
        for lane, state in states().items():
            told[lane] = report_lane(events, lane, told.get(lane), state)


def report_lane(events: Events, lane: str, told: LaneState | None, state: LaneState) -> LaneState:
    """What the log knows of the lane now: `state` where something was told or a pause ended, else what it knew before."""
    pause_began = state.paused_s > 0 and (told is None or told.paused_s <= 0)
    pause_ended = told is not None and told.paused_s > 0 >= state.paused_s
    reason = _reason(told, state)
    if pause_began:
        events.emit("lane_paused", lane=lane, paused_s=round(state.paused_s, 3))
    if reason is not None:
        events.emit(
            "limit_changed",
            lane=lane,
            reason=reason,
            rpm=_whole(state.limit_rpm),
            tpm=_whole(state.limit_tpm),
            rate=_whole(state.rate_rpm),
            concurrency=state.concurrency,
        )
    return state if told is None or pause_began or pause_ended or reason is not None else told


def _reason(told: LaneState | None, state: LaneState) -> str | None:
    """`learnt`, `lowered` or `raised`, by the first limit that moved; None where none did."""
    before = (None, None) if told is None else (told.limit_rpm, told.limit_tpm)
    for old, new in zip(before, (state.limit_rpm, state.limit_tpm), strict=True):
        if new is None or (old is not None and abs(new - old) <= CHANGE * old):
            continue
        return "learnt" if old is None else "lowered" if new < old else "raised"
    return None


def _whole(number: float | None) -> int | None:
    return None if number is None else round(number)
