"""Runs the BigQuery emulator with its one DuckDB connection used by one thread at a time.

The emulator answers queries in one thread and takes appends in others, on the same connection. DuckDB's `unregister`
waits for a running query with Python's global lock held, while that query needs the lock to end: both wait for ever.
Belongs here: that one repair, for bqemulator 1.4.0; everything else of the emulator stays as it is.
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any


def take_turns() -> None:
    """The emulator's statements and appends in this process wait for each other."""
    from bqemulator.grpc_api.write_servicer import BigQueryWriteHandler
    from bqemulator.storage.engine import DuckDBEngine

    turn = threading.RLock()
    for owner, name in (
        (DuckDBEngine, "execute"),
        (DuckDBEngine, "fetch_arrow"),
        (BigQueryWriteHandler, "_flush_to_target"),
    ):
        setattr(owner, name, _in_turn(getattr(owner, name), turn))


def _in_turn(method: Callable[..., Any], turn: AbstractContextManager[Any]) -> Callable[..., Any]:
    @functools.wraps(method)
    def waiting(*arguments: Any, **named: Any) -> Any:
        with turn:
            return method(*arguments, **named)

    return waiting


def main() -> None:
    """The emulator's own command line, taking turns."""
    from bqemulator.cli import main as emulator

    take_turns()
    emulator()


if __name__ == "__main__":
    main()
