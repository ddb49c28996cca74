"""Event loop and memory settings of a process that makes calls."""

from __future__ import annotations

import asyncio
import ctypes
import gc
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

SETTLED_AFTER_S = 3.0
M_ARENA_MAX = -8
"""Parameter of `mallopt` in glibc's malloc.h for the number of arenas."""


def fast_loop() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """uvloop's event loop, which uses a third of the CPU time of asyncio's; None (asyncio's) if uvloop is not installed."""
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.new_event_loop


@contextmanager
def settled_memory() -> Iterator[None]:
    """Limits memory use inside the block; garbage collection is off until `settle_memory` turns it on."""
    _share_one_arena()
    gc.disable()
    try:
        yield
    finally:
        gc.unfreeze()
        gc.enable()


async def settle_memory() -> None:
    """Waits until the run has settled, then exempts all existing objects from garbage collection.

    Libraries create hundreds of thousands of objects, some only with the first call or the first flush. A collection of
    all of them blocks the event loop for a tenth of a second, and responses that arrive meanwhile would not be
    journaled.
    """
    await asyncio.sleep(SETTLED_AFTER_S)
    gc.freeze()
    gc.enable()


def _share_one_arena() -> None:
    """Makes new threads share one malloc arena, because arenas do not return memory to the system.

    Measured with 10,000 rows: halves the memory that a run needs beyond its imports. Only glibc has this setting.
    """
    if sys.platform == "linux" and hasattr(library := ctypes.CDLL(None), "mallopt"):
        library.mallopt(M_ARENA_MAX, 1)
