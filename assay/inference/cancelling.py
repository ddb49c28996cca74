"""Cancels asyncio tasks repeatedly until they have ended, because a single cancellation may be lost.

`asyncio.wait_for` in Python 3.11, and libraries that implement their own timeouts, swallow a cancellation that arrives
at the same moment as the awaited event. The task then continues, and its awaiter never returns.
"""

from __future__ import annotations

import asyncio
from typing import Any

AGAIN_S = 2.0


async def cancel_and_wait(*tasks: asyncio.Task[Any] | None) -> None:
    """Cancels each task until it has ended, and returns when all have; their exceptions are not raised."""
    left = {task for task in tasks if task is not None and not task.done()}
    while left:
        for task in left:
            task.cancel()
        _, left = await asyncio.wait(left, timeout=AGAIN_S)
    await asyncio.gather(*(task for task in tasks if task is not None), return_exceptions=True)
