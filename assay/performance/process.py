"""How a process that answers is set up: its event loop and its memory."""

from __future__ import annotations

import asyncio
import ctypes
import gc
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

SETTLED_AFTER_S = 3.0
M_ARENA_MAX = -8
"""The parameter of `mallopt` in glibc's malloc.h for the number of arenas."""


def fast_loop() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """uvloop's event loop, which takes a third of the CPU; asyncio's own where there is none for the platform."""
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.new_event_loop


@contextmanager
def settled_memory() -> Iterator[None]:
    """Memory stays small while the block runs; no garbage is looked for until `settle_memory` says so."""
    _share_one_arena()
    gc.disable()
    try:
        yield
    finally:
        gc.unfreeze()
        gc.enable()


async def settle_memory() -> None:
    """What was imported or prepared until the run is well under way is never looked through for garbage.

    Libraries have hundreds of thousands of objects, some loaded with the first call or the first flush: a look through
    them stops everything for a tenth of a second, and answers that come meanwhile would be in nobody's journal.
    """
    await asyncio.sleep(SETTLED_AFTER_S)
    gc.freeze()
    gc.enable()


def _share_one_arena() -> None:
    """Threads that start from now on take their memory from one place instead of one each, of which none gives back.

    Measured over 10,000 rows: half of what a run needed beyond its imports. Only glibc has arenas to limit.
    """
    if sys.platform == "linux" and hasattr(library := ctypes.CDLL(None), "mallopt"):
        library.mallopt(M_ARENA_MAX, 1)
