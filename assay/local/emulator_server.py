"""Runs the BigQuery emulator with a DuckDB connection for each of its threads, used one at a time.

Version 1.4.0 runs queries in one thread and appends in others, all on one connection. A statement of one thread can
then receive the result of another's, and DuckDB's `unregister` waits for a running query while it holds Python's global
lock, which that query needs in order to end: a deadlock. The emulator also serves appends in six threads, and each
client that is killed during an append blocks one forever. This module fixes both and changes nothing else.
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from typing import Any

APPEND_THREADS = 1000
"""Clients that may be killed during an append before the emulator accepts no more; unused threads cost nothing."""


def allow_for_lost_clients() -> None:
    """Gives the append server of this process spare threads."""
    import grpc.aio

    pool = ThreadPoolExecutor(APPEND_THREADS, thread_name_prefix="append")
    grpc.aio.server = functools.partial(grpc.aio.server, migration_thread_pool=pool)


def separate_threads() -> None:
    """Gives each thread of the emulator in this process its own connection, and runs statements one at a time."""
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
    """The emulator's own command line, with separate connections per thread and spare append threads."""
    from bqemulator.cli import main as emulator

    separate_threads()
    allow_for_lost_clients()
    emulator()


if __name__ == "__main__":
    main()
