"""Closes the emulator: its two APIs require the token, and no statement reaches a file, the network or an extension.

DuckDB itself refuses files and extensions once it is locked, but it leaves its own files accessible to statements: the
database, its write-ahead log, and the folder of uploads. So each statement is checked as well, with DuckDB's own
parser: a client's statement is one of `STATEMENTS` and calls no table function but `TABLE_FUNCTIONS`.
"""

from __future__ import annotations

import functools
import hmac
import re
import tempfile
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from pathlib import Path
from typing import TYPE_CHECKING, Any

import grpc

from assay.request_guard import RequestGuard
from assay.settings.secret_file import private_folder

if TYPE_CHECKING:
    import duckdb

STATEMENTS = frozenset(
    ("SELECT", "INSERT", "UPDATE", "DELETE", "MERGE_INTO", "CREATE", "CREATE_FUNC", "ALTER", "DROP", "TRANSACTION")
)
TABLE_FUNCTIONS = frozenset(
    ("generate_series", "json_each", "json_tree", "range", "repeat", "st_generatepoints", "unnest")
)
"""Table functions that a translated statement of BigQuery may call; all others of DuckDB are refused."""
CATALOG_FUNCTION = re.compile(r"(duckdb|pragma|pg)_(?!logs|secrets|external|temporary|prepared).*")
"""Names of functions that read DuckDB's catalog only."""
LOCK = (
    "SET GLOBAL TimeZone = 'UTC'",  # for the connections of other threads: afterwards nothing can be set
    "SET autoinstall_known_extensions = false",
    "SET autoload_known_extensions = false",
    "SET allow_community_extensions = false",
    "SET allow_persistent_secrets = false",
    "SET python_enable_replacements = false",
    "SET enable_external_access = false",
    "SET lock_configuration = true",
)
MISSING_TOKEN = "The token is missing or wrong. Send the metadata `authorization: Bearer TOKEN`."
UPLOADS, UPLOAD_PATH = "uploads", "/upload/"
MAX_BODY_BYTES = 1 << 30
"""The emulator's own bound for an upload; other bodies are far smaller."""
WORD = re.compile(r'"?([A-Za-z_][A-Za-z0-9_]*)"?')
own_statement: ContextVar[bool] = ContextVar("own_statement", default=False)
"""True while the emulator loads a file that a client has uploaded: the only statement about a file."""


class TokenInterceptor(grpc.aio.ServerInterceptor):  # type: ignore[misc]
    """Refuses every call without the token in its metadata `authorization: Bearer TOKEN`."""

    def __init__(self, token: str) -> None:
        self._expected = f"Bearer {token}".encode()

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[grpc.RpcMethodHandler]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> grpc.RpcMethodHandler:
        """Returns the handler of the call, or one that ends it with UNAUTHENTICATED."""
        sent = dict(handler_call_details.invocation_metadata or ()).get("authorization", "")
        given = sent if isinstance(sent, bytes) else sent.encode()
        if hmac.compare_digest(given, self._expected):
            return await continuation(handler_call_details)
        # A handler of streams ends each kind of call before it reads a message.
        return grpc.stream_stream_rpc_method_handler(_refused)


def guard_emulator(token: str) -> None:
    """Patches the emulator before it starts: token, Host, Origin and content type; locked DuckDB; no paths of clients."""
    from bqemulator import server
    from bqemulator.api.app import create_app
    from bqemulator.jobs import executor
    from bqemulator.storage.engine import DuckDBEngine

    from assay.request_head import bound_request_heads

    bound_request_heads()
    create_server = grpc.aio.server

    def guarded_app(context: Any) -> RequestGuard:
        return RequestGuard(create_app(context), token, upload_path=UPLOAD_PATH, max_body_bytes=MAX_BODY_BYTES)

    def guarded_server(*arguments: Any, interceptors: tuple[Any, ...] = (), **options: Any) -> Any:
        return create_server(*arguments, interceptors=(TokenInterceptor(token), *interceptors), **options)

    repairs: tuple[tuple[Any, str, Any], ...] = (
        (server, "create_app", guarded_app),
        (DuckDBEngine, "start", _locking(DuckDBEngine.start)),
        (DuckDBEngine, "execute", _checking(DuckDBEngine.execute)),
        (executor, "_resolve_uri", _uploaded_path),
        (executor, "_load_path_into_target", _own(executor._load_path_into_target)),
        (executor, "_infer_autodetect_schema", _own(executor._infer_autodetect_schema)),
    )
    for owner, name, repaired in repairs:
        setattr(owner, name, repaired)
    grpc.aio.server = guarded_server


def lock(connection: duckdb.DuckDBPyConnection, *, uploads: Path) -> frozenset[str]:
    """Locks the database permanently, with files in `uploads` alone, and returns the functions that statements may not call."""
    found = connection.execute(
        "select distinct lower(function_name) from duckdb_functions() where function_type in ('table', 'table_macro')"
    ).fetchall()
    connection.execute("SET allowed_directories = [?]", [f"{uploads}/"])
    for statement in LOCK:
        connection.execute(statement)
    names = {name for (name,) in found}
    return frozenset(n for n in names if n not in TABLE_FUNCTIONS and not CATALOG_FUNCTION.fullmatch(n))


def statement_issue(connection: duckdb.DuckDBPyConnection, sql: str, refused: frozenset[str]) -> str | None:
    """Returns why the statement may not run, or None; a statement that DuckDB cannot parse fails when it runs."""
    import duckdb

    try:
        kinds = [statement.type.name for statement in connection.extract_statements(sql)]
    except duckdb.PermissionException as error:  # IMPORT DATABASE reads files already while it is parsed
        return str(error)
    except duckdb.Error:
        return None
    if kind := next((kind for kind in kinds if kind not in STATEMENTS), None):
        return f"The local warehouse runs no {kind} statement of DuckDB."
    if name := _called(sql, refused):
        return f"The local warehouse has no function {name}: statements cannot reach files, other databases or the network."
    return None


def _called(sql: str, refused: frozenset[str]) -> str | None:
    """The first of the functions that the statement calls; text in quotes and comments does not count."""
    import duckdb

    lowered = sql.lower()
    if not any(name in lowered for name in refused):
        return None
    tokens = duckdb.tokenize(sql)
    encoded = sql.encode()  # the offsets count bytes
    ends = [*(start for start, _ in tokens[1:]), len(encoded)]
    texts = [encoded[start:end].decode(errors="replace") for (start, _), end in zip(tokens, ends, strict=True)]
    for text, following in zip(texts, [*texts[1:], ""], strict=True):
        word = WORD.match(text)
        if word and word[1].lower() in refused and following.startswith("("):
            return word[1]
    return None


def _locking(start: Callable[[Any], Awaitable[None]]) -> Callable[[Any], Awaitable[None]]:
    @functools.wraps(start)
    async def locked_start(engine: Any) -> None:
        await start(engine)
        settings = engine._settings
        if settings.upload_staging_dir is None:
            folder = settings.data_dir or Path(tempfile.mkdtemp(prefix="assay-uploads-"))
            settings.upload_staging_dir = folder / UPLOADS
        private_folder(settings.upload_staging_dir)
        engine.refused_functions = lock(engine.connection, uploads=settings.upload_staging_dir)

    return locked_start


def _checking(execute: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(execute)
    def checked(engine: Any, sql: str, parameters: list[Any] | None = None) -> Any:
        from bqemulator.domain.errors import InvalidQueryError

        refused = getattr(engine, "refused_functions", None)
        if refused is not None and not own_statement.get():
            issue = statement_issue(engine.connection, sql, refused)
            if issue is not None:
                raise InvalidQueryError(issue)
        return execute(engine, sql, parameters)

    return checked


def _own(method: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(method)
    def marked(*arguments: Any, **named: Any) -> Any:
        before = own_statement.set(True)
        try:
            return method(*arguments, **named)
        finally:
            own_statement.reset(before)

    return marked


def _uploaded_path(uri: str, context: Any) -> str:
    """The path of an uploaded file; any other address, of a file or a bucket, is refused."""
    from bqemulator.domain.errors import InvalidQueryError

    path = Path(uri.removeprefix("file://"))
    if not uri.startswith("file://") or path.resolve().parent != context.settings.upload_staging_dir.resolve():
        raise InvalidQueryError(
            f"The local warehouse neither reads nor writes {uri}: upload the file with the client's load_table_from_file."
        )
    return str(path)


async def _refused(_: Any, context: Any) -> Any:
    await context.abort(grpc.StatusCode.UNAUTHENTICATED, MISSING_TOKEN)
    yield  # makes this a generator, as a stream of responses is
