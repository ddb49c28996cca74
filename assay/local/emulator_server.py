"""Runs the BigQuery emulator with a DuckDB connection for each of its threads, used one at a time.

Version 1.4.0 answers queries in one thread and takes appends in others, all on one connection. A statement of one thread
can then be handed the result of another's, and DuckDB's `unregister` waits for a running query with Python's global
lock held, while that query needs the lock to end: both wait for ever.
And it takes appends in six threads, of which each client that is killed in the middle of one keeps one for ever.
Belongs here: these two repairs; everything else of the emulator stays as it is.
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from typing import Any

APPEND_THREADS = 1000
"""As many clients may be killed in the middle of an append before the emulator takes no more; an unused one costs nothing."""


def allow_for_lost_clients() -> None:
    """In this process the server of appends has threads to spare."""
    import grpc.aio

    pool = ThreadPoolExecutor(APPEND_THREADS, thread_name_prefix="append")
    grpc.aio.server = functools.partial(grpc.aio.server, migration_thread_pool=pool)


def separate_threads() -> None:
    """In this process each thread of the emulator has its own connection, and statements wait for each other."""
    from bqemulator.grpc_api.write_servicer import BigQueryWriteHandler
    from bqemulator.storage.engine import DuckDBEngine

    own = threading.local()
    first_thread = threading.get_ident()

    def connection(engine: Any) -> Any:
        if engine._connection is None or threading.get_ident() == first_thread:
            return engine._connection
        if not hasattr(own, "connection"):
            own.connection = engine._connection.cursor()
            own.connection.execute("SET TimeZone = 'UTC'")  # as the emulator sets it on its own
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
    """The emulator's own command line, with its threads kept apart, and enough of them."""
    from bqemulator.cli import main as emulator

    separate_threads()
    allow_for_lost_clients()
    emulator()


if __name__ == "__main__":
    main()
