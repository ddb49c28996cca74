"""Runs emulators for tests in one process: quick ones, with data in memory, no history and each statement parsed once.

The emulator of the local stack (assay/local/emulator_server.py) parses the text of a statement up to thirty times
whenever it runs, and copies the whole table after each append for its time travel. Four fifths of the suite's CPU time
went there. Each emulator of this process has its own ports, data and catalog. tests/local/test_quick_emulator.py holds
it to what the shipped one returns.
"""

from __future__ import annotations

import asyncio
import copy
import functools
import json
import os
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from assay.local.emulator_guard import guard_emulator
from assay.local.emulator_server import separate_threads
from tests.emulator import TOKEN

APPEND_THREADS = 64
REMEMBERED = 1024
"""Texts of statements whose trees are kept, the last used; a large tree takes some 200 kB."""
READERS = {
    *("bqemulator.api.routes.jobs", "bqemulator.catalog.ddl_sync", "bqemulator.jobs.ddl_result"),
    *("bqemulator.jobs.executor", "bqemulator.jobs.routine_ddl", "bqemulator.sql.catalog_schema"),
    "bqemulator.sql.inner_query",
}
"""Modules that look into a tree and never change it."""


def parse_once() -> None:
    """A statement's text is parsed once; a caller that may change the tree gets a copy."""
    import sqlglot
    from sqlglot.expressions import core

    setattr(core, "deepcopy", _copy_of_flat)  # noqa: B010
    for name in ("parse", "parse_one"):
        setattr(sqlglot, name, _remembered(getattr(sqlglot, name)))


def _remembered(parse: Callable[..., Any]) -> Callable[..., Any]:
    known = functools.lru_cache(REMEMBERED)(parse)

    def tree_of(*text: Any, **options: Any) -> Any:
        parsed = known(*text, **options)
        if sys._getframe(1).f_globals["__name__"] in READERS:
            return parsed
        return [tree and tree.copy() for tree in parsed] if isinstance(parsed, list) else parsed.copy()

    return tree_of


def _copy_of_flat(value: Any, memo: Any = None) -> Any:
    """The same as `deepcopy`; half the time of copying a tree went into the positions of its tokens."""
    if type(value) is dict and all(type(each) in (int, str) for each in value.values()):
        return value.copy()
    return copy.deepcopy(value, memo)


def translate_once() -> None:
    """A statement is translated once for each shape of the tables that it reads; errors are not remembered."""
    from bqemulator.domain.result import Ok
    from bqemulator.jobs import executor
    from bqemulator.scripting import interpreter
    from bqemulator.sql.translator import SQLTranslator

    translate = SQLTranslator.translate
    known: dict[Any, Any] = {}

    def translated(self: Any, bq_sql: str, *, schema: Any = None, caller: Any = None) -> Any:
        key = (bq_sql, json.dumps(schema), repr(caller))
        result = known.get(key) or translate(self, bq_sql, schema=schema, caller=caller)
        if isinstance(result, Ok):
            known[key] = result
        return result

    SQLTranslator.translate = translated
    for place in (executor, interpreter):
        place.rewrite_table_refs = functools.lru_cache(REMEMBERED)(place.rewrite_table_refs)


def keep_no_history() -> None:
    """Nothing is copied after an append; statements about earlier states of a table have no answer."""
    from bqemulator.domain.events import TableDataChanged
    from bqemulator.versioning.snapshots import SnapshotManager

    def record_change(self: Any, project_id: str, dataset_id: str, table_id: str) -> None:
        self._events.publish(TableDataChanged(project_id, dataset_id, table_id))

    SnapshotManager.record_change = record_change


def separate_emulators() -> None:
    """A thread that serves several emulators has a connection to each."""
    import grpc.aio
    from bqemulator.storage.engine import DuckDBEngine

    first_thread = threading.get_ident()

    def connection(engine: Any) -> Any:
        thread = threading.get_ident()
        if engine._connection is None or thread == first_thread:
            return engine._connection
        cursors: dict[int, Any] = engine.__dict__.setdefault("cursors", {})
        if thread not in cursors:
            cursors[thread] = engine._connection.cursor()
        return cursors[thread]

    DuckDBEngine.connection = property(connection)
    pool = ThreadPoolExecutor(APPEND_THREADS, thread_name_prefix="append")
    grpc.aio.server = functools.partial(grpc.aio.server, migration_thread_pool=pool)


def use_one_thread() -> None:
    """DuckDB has one thread: a small query waits longer for threads than it runs."""
    from bqemulator.storage.engine import DuckDBEngine

    apply = DuckDBEngine._apply_session_pragmas

    def with_one(self: Any) -> None:
        apply(self)
        self._connection.execute("SET threads = 1")

    DuckDBEngine._apply_session_pragmas = with_one


async def serve() -> None:
    """Starts and stops emulators as the lines of stdin say, until stdin ends."""
    from bqemulator.config import LogLevel, Settings
    from bqemulator.server import EmulatorServer

    lines: asyncio.Queue[bytes] = asyncio.Queue()
    threading.Thread(target=_read, args=(asyncio.get_running_loop(), lines.put_nowait), daemon=True).start()
    servers: dict[int, EmulatorServer] = {}
    while command := json.loads(await lines.get()):
        port = command["rest"]
        if command["start"]:
            settings = Settings(
                rest_port=port,
                grpc_port=command["grpc"],
                default_project_id=command["project"],
                log_level=LogLevel.WARNING,
                enable_format_extensions=False,  # it would try to download them
            )
            servers[port] = EmulatorServer(settings)
            await servers[port].start()
        else:
            await servers.pop(port).stop()


def _read(loop: asyncio.AbstractEventLoop, put: Callable[[bytes], None]) -> None:
    for line in sys.stdin.buffer:
        loop.call_soon_threadsafe(put, line)
    os._exit(0)  # whoever started it has ended


def main() -> None:
    """Prepares the process and serves."""
    parse_once()
    use_one_thread()
    guard_emulator(TOKEN)
    separate_threads()
    separate_emulators()
    translate_once()
    keep_no_history()
    asyncio.run(serve())


if __name__ == "__main__":
    main()
