"""Token bucket: fills at the rate of a limit; each call takes quota from it."""

from __future__ import annotations

import math

MINUTE_S = 60.0
DAY_S = 86400.0
PACE = 0.995
"""Share of a limit that is used; the rest allows for differences between Assay's clock and the provider's."""
BURST_S = 0.25
"""Burst size in seconds of the rate, to catch up after a stall; providers permit a second's worth or more."""
EXACT = 1e-9


class Bucket:
    """Quota that fills at `rate` per second up to `capacity`; `level` was its content at time `at`.

    A call needs its whole cost, or a full bucket if it costs more than the capacity; the level is then negative until
    time has made up the difference. In any window of T seconds, calls therefore spend at most rate * T + capacity, plus
    one such call. Time fills the bucket only up to its capacity; returned quota may exceed it.
    """

    __slots__ = ("at", "capacity", "level", "rate")

    def __init__(self, rate: float, *, capacity: float, level: float, now: float) -> None:
        self.rate = rate
        self.capacity = capacity
        self.level = level
        self.at = now

    def wait_s(self, cost: float, now: float) -> float:
        """Seconds until `cost` is available: 0 if it is available now, infinity if the bucket does not fill over time."""
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
        """Sets the rate and the capacity from `now` on; until then, the bucket fills at the old rate."""
        self.wait_s(0.0, now)
        self.rate = rate
        if capacity < self.capacity:
            self.level = min(self.level, capacity)
        self.capacity = capacity

    def bound(self, level: float) -> None:
        """Lowers the level to at most `level`; requires a preceding call of `wait_s` with the current time."""
        if level < self.level:
            self.level = level


def burst(rate: float) -> float:
    """Burst size at `rate` calls per second: a quarter second's worth of calls, at least one."""
    return max(1.0, rate * BURST_S)


class RateMeter:
    """Measures the recent rate of events per second; counts per full second, so that the overhead is minimal."""

    __slots__ = ("_began", "_count", "_last")

    def __init__(self, now: float) -> None:
        self._began = now
        self._count = 0
        self._last: float | None = None

    def count(self, now: float) -> None:
        """Counts one event at `now`."""
        if now - self._began >= 1.0:
            self._last = self._count / (now - self._began)
            self._began = now
            self._count = 0
        self._count += 1

    def per_second(self, now: float) -> float:
        """The rate in the last full second, or in the current one if the last full second is unknown or long past."""
        running = now - self._began
        if self._last is not None and running < 1.0:
            return self._last
        return self._count / max(running, 0.25)
