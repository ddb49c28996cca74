"""Lines up the callers of one lane: first come, first served, each woken once, when it is its turn.

Belongs here: places in flight and the queue. How fast the lane goes is decided in `control.py`.
"""

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
"""Timers are no finer than this; calls whose turn came in between leave together."""


class Lane:
    """One provider's one model within this process; `clock` counts seconds as the event loop's timers do."""

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
        """True if the call may leave at once; it then holds its place."""
        control = self.control
        if self._queue or self.in_flight >= control.window:
            return False
        now = self._clock()
        if control.quota.wait_s(tokens, now) > 0.0:
            return False
        self._start(tokens, now)
        return True

    async def wait(self, tokens: int) -> float:
        """It is the call's turn and it holds its place; gives the milliseconds waited."""
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
        """The call ended: its place is free, its tokens are settled, and the controller knows of it."""
        now = self._clock()
        self.in_flight -= 1
        # Calls end out of order; the oldest departure stands for this one, which evens out over a few calls.
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
        """Everyone whose turn it is has been woken; a timer is set for the next if only time is wanting."""
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
        """Callers in the queue."""
        return sum(not turn.done() for turn, _ in self._queue)

    def next_tokens(self) -> int | None:
        """Tokens that the first caller in the queue needs, None when nobody waits."""
        return next((tokens for turn, tokens in self._queue if not turn.done()), None)

    def stop(self) -> None:
        """No timer is left behind."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._rings_at = math.inf

    def _start(self, tokens: int, now: float) -> None:
        self.in_flight += 1
        self.used_at = now
        self._flights.append(self.control.quota.take(tokens, now))

    def _undo(self, tokens: int) -> None:
        """A turn that came in the moment of its caller's cancellation: as if the call had never left."""
        self.in_flight -= 1
        self._flights.pop()
        self.control.quota.put_back(tokens)

    def _set_timer(self, wait_s: float) -> None:
        """The queue is looked at again by then; a timer that rings earlier stays, and sets the next one."""
        due = self._clock() + wait_s
        if due < self._rings_at - TICK_S:
            self.stop()
            self._rings_at = due
            self._timer = asyncio.get_running_loop().call_later(max(wait_s, TICK_S), self._ring)

    def _ring(self) -> None:
        self._timer = None
        self._rings_at = math.inf
        self.advance()
