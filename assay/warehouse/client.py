"""The BigQuery client: parameterized queries, streamed results, and a timeout on every call."""

from __future__ import annotations

import socket
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from datetime import date, datetime
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit

from assay.errors import ServiceUnreachable, UsageError, foreign_text
from assay.performance.lean_import import load_queries, load_writes
from assay.settings import Settings
from assay.settings.proxies import is_loopback, proxy_for
from assay.warehouse.one_select import READING, require_select, statement_kind
from assay.warehouse.refusals import refusal
from assay.warehouse.schema import LANDING

if TYPE_CHECKING:
    from google.api_core.retry import Retry
    from google.cloud import bigquery
    from google.cloud.bigquery_storage_v1 import BigQueryWriteClient

T = TypeVar("T")
CONNECT_SECONDS = 3.0
CALL_SECONDS = 60.0
QUERY_SECONDS = 1800.0
RETRY_SECONDS = 30.0
PAGE_ROWS = 5000
CHECK_STATUS = "for the local stack, run `assay status`; otherwise try again later."


class Warehouse:
    """A connection to one environment of a BigQuery project."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._client: bigquery.Client | None = None
        self._write_client: BigQueryWriteClient | None = None

    @property
    def landing(self) -> str:
        """Name of the landing dataset in this environment."""
        return self.settings.dataset(LANDING)

    def check(self) -> None:
        """Checks that the local warehouse accepts connections; does nothing for BigQuery itself or behind a proxy.

        Raises:
            ServiceUnreachable: no connection can be opened.
        """
        endpoint = self.settings.bigquery_endpoint
        if endpoint is None or proxy_for(endpoint) is not None:
            return
        place = urlsplit(endpoint)
        try:
            socket.create_connection((place.hostname or "", place.port or 80), timeout=CONNECT_SECONDS).close()
        except OSError as error:
            raise ServiceUnreachable(
                f"The warehouse at {endpoint} does not respond ({error.strerror or error})",
                next_step="start the local stack with `assay up`, or set ASSAY_PROJECT for BigQuery.",
            ) from error

    @property
    def client(self) -> bigquery.Client:
        """The client of the BigQuery library, created on first use."""
        if self._client is None:
            self.check()
            self._client = _connect(self.settings)
        return self._client

    @property
    def write_client(self) -> BigQueryWriteClient:
        """The client of the Storage Write API, created on first use and shared by all writers."""
        if self._write_client is None:
            self._write_client = _connect_writer(self.settings)
        return self._write_client

    @property
    def write_metadata(self) -> tuple[tuple[str, str], ...]:
        """Metadata of each call of `write_client`: the token of the local warehouse."""
        endpoint = self.settings.bigquery_grpc_endpoint
        if endpoint is None or not is_loopback(endpoint):
            return ()
        return (("authorization", f"Bearer {self.settings.local_token}"),)

    def stream(
        self, sql: str, parameters: Mapping[str, object] | None = None, *, dataset: str = LANDING
    ) -> Iterator[dict[str, Any]]:
        """Yields the rows of the query, fetched page by page; unqualified table names refer to `dataset`.

        Raises:
            ServiceUnreachable: the warehouse does not respond.
            UsageError: BigQuery rejected the statement; the message includes BigQuery's own.
        """
        rows = self.query(sql, parameters, dataset=dataset)
        with reachable(self.settings):
            for row in rows:
                yield dict(row.items())

    def begin(self, sql: str, parameters: Mapping[str, object] | None = None) -> Iterator[dict[str, Any]]:
        """As `stream`, but the query starts immediately and runs in the background until the first row is read.

        Raises:
            ServiceUnreachable: the warehouse does not respond; other errors of `stream` are raised at the first row.
        """
        with reachable(self.settings):
            _ = self.client  # created here, so that only one thread creates it
        rows = self.stream(sql, parameters)
        pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix="query")
        first = pool.submit(next, rows, None)
        pool.shutdown(wait=False)
        return _from_first(first, rows)

    def query(
        self, sql: str, parameters: Mapping[str, object] | None = None, *, dataset: str = LANDING
    ) -> bigquery.table.RowIterator:
        """Returns the result of the query, including its schema; see `stream`."""
        with reachable(self.settings):
            return self._start(sql, parameters, dataset).result(
                page_size=PAGE_ROWS, timeout=QUERY_SECONDS, retry=short_retry()
            )

    def select(
        self, sql: str, parameters: Mapping[str, object] | None = None, *, dataset: str = LANDING, what: str
    ) -> bigquery.table.RowIterator:
        """As `query`, for SQL that a person stated in `what`: a single SELECT, by its text and by a free dry run.

        Raises:
            UsageError: it is anything else, and nothing was executed; or BigQuery rejected it.
            ServiceUnreachable: the warehouse does not respond.
        """
        require_select(statement_kind(sql), what=what)
        with reachable(self.settings):
            found = self._start(sql, parameters, dataset, dry_run=True).statement_type
        require_select(found or READING, what=what)  # the emulator reports no type if brackets precede the SELECT
        return self.query(sql, parameters, dataset=dataset)

    def stream_select(
        self, sql: str, parameters: Mapping[str, object] | None = None, *, what: str
    ) -> Iterator[dict[str, Any]]:
        """As `stream`, with the checks of `select`, which precede the first row."""
        rows = self.select(sql, parameters, what=what)
        with reachable(self.settings):
            for row in rows:
                yield dict(row.items())

    def _start(
        self, sql: str, parameters: Mapping[str, object] | None, dataset: str, *, dry_run: bool = False
    ) -> bigquery.QueryJob:
        from google.cloud import bigquery

        self.check()
        config = bigquery.QueryJobConfig(
            query_parameters=[_parameter(name, value) for name, value in (parameters or {}).items()],
            default_dataset=f"{self.settings.project}.{self.settings.dataset(dataset)}",
            dry_run=dry_run,
            use_query_cache=False,
        )
        return self.client.query(sql, job_config=config, timeout=CALL_SECONDS, retry=short_retry(), job_retry=None)


def _from_first(first: Future[T | None], rows: Iterator[T]) -> Iterator[T]:
    row = first.result()
    if row is not None:
        yield row
        yield from rows


@contextmanager
def reachable(settings: Settings) -> Iterator[None]:
    """Converts errors of the client library within the block to `ServiceUnreachable` or `UsageError`."""
    load_queries()
    import requests
    from google.api_core import exceptions
    from google.auth.exceptions import GoogleAuthError, TransportError

    where = place(settings)
    try:
        yield
    except (
        exceptions.RetryError,
        exceptions.ServiceUnavailable,
        exceptions.GatewayTimeout,
        exceptions.BadGateway,
        TransportError,
    ) as error:
        raise ServiceUnreachable(
            f"The warehouse at {where} stopped responding: {foreign_text(error)}", next_step=CHECK_STATUS
        ) from error
    except (requests.ConnectionError, requests.Timeout, TimeoutError, ConnectionError) as error:
        raise ServiceUnreachable(
            f"The warehouse at {where} does not respond: {type(error).__name__}", next_step=CHECK_STATUS
        ) from error
    except GoogleAuthError as error:
        raise UsageError(
            f"Cannot authenticate to {where}: {foreign_text(error)}",
            next_step="run `gcloud auth application-default login`.",
        ) from error
    except exceptions.GoogleAPICallError as error:
        raise refusal(error, where, settings) from error


def place(settings: Settings) -> str:
    """Returns the warehouse as messages name it."""
    return settings.bigquery_endpoint or f"BigQuery project {settings.project}"


def short_retry() -> Retry:
    """Retries transient errors for at most 30 seconds instead of the library's ten minutes."""
    from google.cloud.bigquery.retry import DEFAULT_RETRY

    return DEFAULT_RETRY.with_timeout(RETRY_SECONDS)


def _connect_writer(settings: Settings) -> BigQueryWriteClient:
    load_writes()
    from google.cloud.bigquery_storage_v1 import BigQueryWriteClient
    from google.cloud.bigquery_storage_v1.services.big_query_write.transports import BigQueryWriteGrpcTransport

    if settings.bigquery_grpc_endpoint is None:
        with reachable(settings):
            return BigQueryWriteClient()
    import grpc

    direct = is_loopback(settings.bigquery_grpc_endpoint)
    options = [("grpc.enable_http_proxy", 0)] if direct else []
    channel = grpc.insecure_channel(settings.bigquery_grpc_endpoint, options=options)
    return BigQueryWriteClient(transport=BigQueryWriteGrpcTransport(channel=channel))


def _connect(settings: Settings) -> bigquery.Client:
    load_queries()
    from google.api_core.client_options import ClientOptions
    from google.auth.credentials import AnonymousCredentials
    from google.auth.transport.requests import AuthorizedSession
    from google.cloud import bigquery

    if settings.bigquery_endpoint is None:
        with reachable(settings):
            return bigquery.Client(project=settings.project, location=settings.location)
    session = AuthorizedSession(AnonymousCredentials())
    if is_loopback(settings.bigquery_endpoint):
        session.trust_env = False  # no proxy
        session.headers["Authorization"] = f"Bearer {settings.local_token}"
    return bigquery.Client(
        project=settings.project,
        location=settings.location,
        credentials=session.credentials,
        client_options=ClientOptions(api_endpoint=settings.bigquery_endpoint),
        _http=session,
    )


TYPE_NAMES: dict[type, str] = {
    bool: "BOOL",
    int: "INT64",
    float: "FLOAT64",
    str: "STRING",
    datetime: "TIMESTAMP",
    date: "DATE",
}


def _parameter(name: str, value: Any) -> bigquery.ScalarQueryParameter | bigquery.ArrayQueryParameter:
    from google.cloud import bigquery

    if isinstance(value, list | tuple):
        kind = TYPE_NAMES.get(type(value[0]), "STRING") if value else "STRING"
        return bigquery.ArrayQueryParameter(name, kind, list(value))
    return bigquery.ScalarQueryParameter(name, TYPE_NAMES.get(type(value), "STRING"), value)
