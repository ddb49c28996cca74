"""Queue of one lane: first come, first served; each caller is resumed once, when its call may be sent."""

from __future__ import annotations

import asyncio
import math
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING

from assay.inference.endpoint.failures import CallFailure, FailureKind
from assay.inference.limits.control import Controller
from assay.inference.limits.protocol import LaneState
from assay.inference.limits.quota import Flight

if TYPE_CHECKING:
    from assay.inference.endpoint.replies import Reply

TICK_S = 0.001
"""Resolution of timers; calls that become due within it are sent together."""


class Lane:
    """The lane of one model at one provider in this process; `clock` returns seconds, as the event loop's timers do."""

    __slots__ = ("_clock", "_flights", "_queue", "_rings_at", "_timer", "control", "in_flight", "used_at")

    def __init__(self, control: Controller, *, clock: Callable[[], float]) -> None:
        self.control = control
        self.in_flight = 0
        self.used_at = clock()
        self._clock = clock
        self._flights: deque[Flight] = deque()
        self._queue: deque[tuple[asyncio.Future[None], int]] = deque()
        self._timer: asyncio.TimerHandle | None = None
        self._rings_at = math.inf

    def enter(self, tokens: int) -> bool:
        """True if the call may be sent immediately; it then counts as in flight."""
        control = self.control
        if self._queue or self.in_flight >= control.window:
            return False
        now = self._clock()
        if control.quota.wait_s(tokens, now) > 0.0:
            return False
        self._start(tokens, now)
        return True

    async def wait(self, tokens: int) -> float:
        """Waits until the call may be sent; it then counts as in flight. Returns the milliseconds waited."""
        began = self._clock()
        turn = asyncio.get_running_loop().create_future()
        self._queue.append((turn, tokens))
        self.advance()
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self._undo(tokens)
            self.advance()
            raise
        return (self._clock() - began) * 1000

    def leave(self, *, held_tokens: int, used_tokens: int | None, outcome: Reply | CallFailure) -> None:
        """Ends the call: releases its slot, settles its tokens and reports the outcome to the controller."""
        now = self._clock()
        self.in_flight -= 1
        # Calls end out of order; the oldest flight is used for this call, and the error averages out over a few calls.
        flight = self._flights.popleft()
        control = self.control
        if used_tokens is not None and used_tokens != held_tokens:
            control.quota.settle(held_tokens - used_tokens)
        if not isinstance(outcome, CallFailure):
            control.answered(flight, outcome.headers, now=now)
        elif outcome.kind is FailureKind.RATE_LIMITED:
            control.refused(flight, outcome.headers, retry_after_s=outcome.retry_after_s, now=now)
        elif outcome.kind is FailureKind.CONNECT and not outcome.broke_off:
            control.quota.put_back(held_tokens if used_tokens is None else used_tokens)
        if self._queue:
            self.advance()

    def advance(self) -> None:
        """Resumes every caller whose call may be sent; sets a timer if the next one only has to wait for quota."""
        queue, control = self._queue, self.control
        wait = math.inf
        while queue and self.in_flight < control.window:
            turn, tokens = queue[0]
            if turn.done():
                queue.popleft()
                continue
            now = self._clock()
            wait = control.quota.wait_s(tokens, now)
            if wait > 0.0:
                break
            queue.popleft()
            self._start(tokens, now)
            turn.set_result(None)
            wait = math.inf
        self._set_timer(wait)

    def state(self, now: float) -> LaneState:
        """See `LaneState`."""
        control = self.control
        return LaneState(
            limit_rpm=control.rpm,
            limit_tpm=control.tpm,
            limit_rpd=control.rpd,
            rate_rpm=control.meter.per_second(now) * 60,
            in_flight=self.in_flight,
            concurrency=control.window,
            waiting=self.waiting,
            paused_s=max(0.0, control.quota.paused_until - now),
            share=control.share,
        )

    @property
    def waiting(self) -> int:
        """Number of callers in the queue."""
        return sum(not turn.done() for turn, _ in self._queue)

    def next_tokens(self) -> int | None:
        """Tokens that the first caller in the queue needs; None if the queue is empty."""
        return next((tokens for turn, tokens in self._queue if not turn.done()), None)

    def stop(self) -> None:
        """Cancels the timer."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._rings_at = math.inf

    def _start(self, tokens: int, now: float) -> None:
        self.in_flight += 1
        self.used_at = now
        self._flights.append(self.control.quota.take(tokens, now))

    def _undo(self, tokens: int) -> None:
        """Releases the slot and the quota of a call whose caller was cancelled just as it was resumed."""
        self.in_flight -= 1
        self._flights.pop()
        self.control.quota.put_back(tokens)

    def _set_timer(self, wait_s: float) -> None:
        """Ensures a queue check within `wait_s`; keeps a timer that fires sooner, which then sets the next one."""
        due = self._clock() + wait_s
        if due < self._rings_at - TICK_S:
            self.stop()
            self._rings_at = due
            self._timer = asyncio.get_running_loop().call_later(max(wait_s, TICK_S), self._ring)

    def _ring(self) -> None:
        self._timer = None
        self._rings_at = math.inf
        self.advance()
