"""Counts quota: a bucket that fills at the limit's rate and is emptied by calls.

Belongs here: arithmetic over a time that is given. Which rate a bucket has is decided in `control.py`.
"""

from __future__ import annotations

import math

MINUTE_S = 60.0
DAY_S = 86400.0
PACE = 0.995
"""Part of a limit that is used: the rest covers what two clocks differ by."""
BURST_S = 0.25
"""Seconds of the rate that may leave at once, to catch up after a stall; providers grant a second or more."""
EXACT = 1e-9


class Bucket:
    """Quota that fills at `rate` a second up to `capacity`; `level` is what it held at `at`.

    A call needs its whole cost, or a full bucket when it costs more than one holds: the level is then negative
    until the overdraft is filled. So no window of T seconds spends more than rate * T + capacity, plus one such call.
    Time fills no further than the capacity; what is put back may stand above it.
    """

    __slots__ = ("at", "capacity", "level", "rate")

    def __init__(self, rate: float, *, capacity: float, level: float, now: float) -> None:
        self.rate = rate
        self.capacity = capacity
        self.level = level
        self.at = now

    def wait_s(self, cost: float, now: float) -> float:
        """Seconds until `cost` can be taken: 0 if it can be now, infinity if time alone will not bring it."""
        level = self.level + (now - self.at) * self.rate
        if level > self.capacity:
            level = self.capacity if self.level < self.capacity else self.level
        self.level = level
        self.at = now
        missing = (cost if cost < self.capacity else self.capacity) - level
        if missing <= EXACT:
            return 0.0
        return missing / self.rate if self.rate else math.inf

    def refill_at(self, rate: float, *, capacity: float, now: float) -> None:
        """From now on the bucket has this rate and capacity; what it held before was filled at the old rate."""
        self.wait_s(0.0, now)
        self.rate = rate
        if capacity < self.capacity:
            self.level = min(self.level, capacity)
        self.capacity = capacity

    def bound(self, level: float) -> None:
        """The bucket holds no more than `level`; call `wait_s` for the moment first."""
        if level < self.level:
            self.level = level


def burst(rate: float) -> float:
    """How many may leave at once at that rate a second: a quarter of a second's, at least one."""
    return max(1.0, rate * BURST_S)


class RateMeter:
    """How many a second there were lately; a second's count at a time, so that counting costs next to nothing."""

    __slots__ = ("_began", "_count", "_last")

    def __init__(self, now: float) -> None:
        self._began = now
        self._count = 0
        self._last: float | None = None

    def count(self, now: float) -> None:
        """One more at `now`."""
        if now - self._began >= 1.0:
            self._last = self._count / (now - self._began)
            self._began = now
            self._count = 0
        self._count += 1

    def per_second(self, now: float) -> float:
        """The last whole second's rate, or the running second's while there was none or it is long over."""
        running = now - self._began
        if self._last is not None and running < 1.0:
            return self._last
        return self._count / max(running, 0.25)
