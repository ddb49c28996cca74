"""Runs the BigQuery emulator with its guard, one DuckDB connection per thread, and one statement at a time.

Version 1.4.0 runs queries in one thread and appends in others, all on the same connection. This causes two errors: a
statement can receive the result of a statement in another thread, and DuckDB's `unregister` can deadlock, because it
holds Python's global interpreter lock while it waits for a query that needs this lock to finish. In addition, the
emulator serves appends with six threads, and each client that is killed during an append blocks one of them forever.
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from typing import Any

from assay.settings import served_token

APPEND_THREADS = 1000
"""Maximum number of append threads, each of which a killed client may block; threads are created only when needed."""


def allow_for_lost_clients() -> None:
    """Raises the number of append threads, so that blocked ones do not stop the emulator."""
    import grpc.aio

    pool = ThreadPoolExecutor(APPEND_THREADS, thread_name_prefix="append")
    grpc.aio.server = functools.partial(grpc.aio.server, migration_thread_pool=pool)


def separate_threads() -> None:
    """Patches the emulator so that each thread has its own connection and only one statement runs at a time."""
    from bqemulator.grpc_api.write_servicer import BigQueryWriteHandler
    from bqemulator.storage.engine import DuckDBEngine

    own = threading.local()
    first_thread = threading.get_ident()

    def connection(engine: Any) -> Any:
        if engine._connection is None or threading.get_ident() == first_thread:
            return engine._connection
        if not hasattr(own, "connection"):
            own.connection = engine._connection.cursor()
        return own.connection

    turn = threading.RLock()
    repairs: tuple[tuple[type[Any], str, Any], ...] = (
        (DuckDBEngine, "connection", property(connection)),
        (DuckDBEngine, "execute", _in_turn(DuckDBEngine.execute, turn)),
        (DuckDBEngine, "fetch_arrow", _in_turn(DuckDBEngine.fetch_arrow, turn)),
        (BigQueryWriteHandler, "_flush_to_target", _in_turn(BigQueryWriteHandler._flush_to_target, turn)),
    )
    for owner, name, repaired in repairs:
        setattr(owner, name, repaired)


def _in_turn(method: Callable[..., Any], turn: AbstractContextManager[Any]) -> Callable[..., Any]:
    @functools.wraps(method)
    def waiting(*arguments: Any, **named: Any) -> Any:
        with turn:
            return method(*arguments, **named)

    return waiting


def main() -> None:
    """Runs the emulator's own command line after applying all patches."""
    from bqemulator.cli import main as emulator

    from assay.local.emulator_guard import guard_emulator

    guard_emulator(served_token())
    separate_threads()
    allow_for_lost_clients()
    emulator()


if __name__ == "__main__":
    main()
