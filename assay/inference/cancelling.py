"""Ends tasks for good: a single cancellation may be lost.

Python 3.11's `asyncio.wait_for`, and libraries that wait with time-outs of their own, take a cancellation that comes in
the moment of the awaited event for the event itself; the task then goes on, and who awaits it waits for ever.
"""

from __future__ import annotations

import asyncio
from typing import Any

AGAIN_S = 2.0


async def cancel_and_wait(*tasks: asyncio.Task[Any] | None) -> None:
    """The tasks have ended; each is cancelled until it has. What they raise is not raised here."""
    left = {task for task in tasks if task is not None and not task.done()}
    while left:
        for task in left:
            task.cancel()
        _, left = await asyncio.wait(left, timeout=AGAIN_S)
    await asyncio.gather(*(task for task in tasks if task is not None), return_exceptions=True)
