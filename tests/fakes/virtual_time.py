"""An event loop whose clock jumps to the next timer instead of waiting for it: hours of pacing in a moment.

For work that waits on timers only: nothing may wait for a thread, a process or another machine.
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """Starts at 1,000 seconds, so that nothing takes the start for "never"."""

    def __init__(self) -> None:
        self._jumping = _JumpingSelector()
        super().__init__(self._jumping)

    def time(self) -> float:
        """Seconds, as every timer of the loop sees them."""
        return self._jumping.now


class _JumpingSelector(selectors.SelectSelector):
    def __init__(self) -> None:
        super().__init__()
        self.now = 1_000.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """What happened; with nothing to do, the time has passed."""
        found = super().select(0)
        if not found and timeout is None:
            raise RuntimeError("everything waits and nothing will ever wake it")
        if not found and timeout is not None and timeout > 0:
            self.now += timeout
        return found


def run_in_virtual_time(work: Coroutine[Any, Any, T]) -> T:
    """What the work gives."""
    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        return runner.run(work)


def now() -> float:
    """The running loop's time."""
    return asyncio.get_running_loop().time()
