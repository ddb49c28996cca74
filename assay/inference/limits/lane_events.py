"""Logs changes of a lane: a limit that was learned or has changed, and the start of a pause.

The lanes are polled, so that logging adds no overhead per call.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping

from assay.inference.limits.protocol import LaneState
from assay.inference.telemetry.protocol import Events

LOOK_SECONDS = 1.0
CHANGE = 0.05
"""Relative change from which a new limit is logged; estimated limits increase continuously."""


async def report_lanes(
    events: Events, states: Callable[[], Mapping[str, LaneState]], *, every_s: float = LOOK_SECONDS
) -> None:
    """Logs the changes of all lanes until cancelled."""
    logged: dict[str, LaneState] = {}
    while True:
        await asyncio.sleep(every_s)
        for lane, state in states().items():
            logged[lane] = report_lane(events, lane, logged.get(lane), state)


def report_lane(events: Events, lane: str, logged: LaneState | None, state: LaneState) -> LaneState:
    """Logs what changed, and returns the state to compare with next.

    This is `state` if something was logged or a pause ended, otherwise `logged`.
    """
    pause_began = state.paused_s > 0 and (logged is None or logged.paused_s <= 0)
    pause_ended = logged is not None and logged.paused_s > 0 >= state.paused_s
    reason = _reason(logged, state)
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
    return state if logged is None or pause_began or pause_ended or reason is not None else logged


def _reason(logged: LaneState | None, state: LaneState) -> str | None:
    """`learned`, `lowered` or `raised`, depending on the first limit that changed; None without a change."""
    before = (None, None) if logged is None else (logged.limit_rpm, logged.limit_tpm)
    for old, new in zip(before, (state.limit_rpm, state.limit_tpm), strict=True):
        if new is None or (old is not None and abs(new - old) <= CHANGE * old):
            continue
        return "learned" if old is None else "lowered" if new < old else "raised"
    return None


def _whole(number: float | None) -> int | None:
    return None if number is None else round(number)
