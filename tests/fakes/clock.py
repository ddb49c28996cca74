"""Time that passes only when somebody sleeps."""

from __future__ import annotations

import asyncio


class Clock:
    """Starts at 0; `waits` are the seconds slept, one by one."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.waits: list[float] = []

    def time(self) -> float:
        """Seconds since the start."""
        return self.seconds

    async def sleep(self, seconds: float) -> None:
        """The time has passed; others had their turn."""
        self.waits.append(seconds)
        self.seconds += seconds
        await asyncio.sleep(0)
