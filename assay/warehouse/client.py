"""The one way to BigQuery: queries with parameters, streamed results, timeouts everywhere.

Belongs here: connections, and their failures in words a person can act on. Statements are in `statements.py`,
appends in `landing.py`.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from datetime import date, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from assay.errors import Unreachable, UsageError
from assay.settings import Settings
from assay.warehouse.schema import LANDING

if TYPE_CHECKING:
    from google.api_core.retry import Retry
    from google.cloud import bigquery
    from google.cloud.bigquery_storage_v1 import BigQueryWriteClient

CONNECT_SECONDS = 3.0
CALL_SECONDS = 60.0
QUERY_SECONDS = 1800.0
RETRY_SECONDS = 30.0
PAGE_ROWS = 5000


class Warehouse:
    """A connection to one project and one environment of it."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._client: bigquery.Client | None = None

    @property
    def landing(self) -> str:
        """The landing dataset of this environment."""
        return self.settings.dataset(LANDING)

    def check(self) -> None:
        """The warehouse's port answers.

        Raises:
            Unreachable: nothing listens there.
        """
        endpoint = self.settings.bigquery_endpoint
        if endpoint is None:
            return
        place = urlsplit(endpoint)
        try:
            socket.create_connection((place.hostname or "", place.port or 80), timeout=CONNECT_SECONDS).close()
        except OSError as error:
            raise Unreachable(
                f"The warehouse at {endpoint} does not answer ({error.strerror or error}): start the local stack with `assay up`, "
                "or set ASSAY_PROJECT for BigQuery."
            ) from error

    @property
    def client(self) -> bigquery.Client:
        """The client library's object, connected on first use."""
        if self._client is None:
            self.check()
            self._client = _connect(self.settings)
        return self._client

    def write_client(self) -> BigQueryWriteClient:
        """A new client of the Storage Write API."""
        from google.cloud.bigquery_storage_v1 import BigQueryWriteClient
        from google.cloud.bigquery_storage_v1.services.big_query_write.transports import BigQueryWriteGrpcTransport

        endpoint = self.settings.bigquery_grpc_endpoint
        if endpoint is None:
            return BigQueryWriteClient()
        import grpc

        return BigQueryWriteClient(transport=BigQueryWriteGrpcTransport(channel=grpc.insecure_channel(endpoint)))

    def stream(
        self, sql: str, parameters: Mapping[str, object] | None = None, *, dataset: str = LANDING
    ) -> Iterator[dict[str, Any]]:
        """Rows of the query, page by page; bare table names are those of `dataset` in this environment.

        Raises:
            Unreachable: the warehouse went away.
            UsageError: BigQuery refuses the statement; its own message is kept.
        """
        rows = self.query(sql, parameters, dataset=dataset)
        with reachable(self.settings):
            for row in rows:
                yield dict(row.items())

    def query(
        self, sql: str, parameters: Mapping[str, object] | None = None, *, dataset: str = LANDING, dry_run: bool = False
    ) -> bigquery.table.RowIterator:
        """The result of the query with its schema; see `stream`."""
        with reachable(self.settings):
            return self._start(sql, parameters, dataset, dry_run=dry_run).result(
                page_size=PAGE_ROWS, timeout=QUERY_SECONDS, retry=short_retry()
            )

    def statement_type(self, sql: str, *, dataset: str = LANDING) -> str:
        """BigQuery's word for the statement (SELECT, SCRIPT, …), from a dry run that costs nothing."""
        with reachable(self.settings):
            return str(self._start(sql, None, dataset, dry_run=True).statement_type)

    def _start(
        self, sql: str, parameters: Mapping[str, object] | None, dataset: str, *, dry_run: bool
    ) -> bigquery.QueryJob:
        from google.cloud import bigquery

        config = bigquery.QueryJobConfig(
            query_parameters=[_parameter(name, value) for name, value in (parameters or {}).items()],
            default_dataset=f"{self.settings.project}.{self.settings.dataset(dataset)}",
            dry_run=dry_run,
            use_query_cache=False,
        )
        return self.client.query(sql, job_config=config, timeout=CALL_SECONDS, retry=short_retry(), job_retry=None)


@contextmanager
def reachable(settings: Settings) -> Iterator[None]:
    """Failures of the client library inside come out as `Unreachable` or `UsageError`."""
    import requests
    from google.api_core import exceptions
    from google.auth.exceptions import GoogleAuthError

    where = settings.bigquery_endpoint or f"BigQuery project {settings.project}"
    try:
        yield
    except (
        exceptions.RetryError,
        exceptions.ServiceUnavailable,
        exceptions.DeadlineExceeded,
        exceptions.GatewayTimeout,
    ) as error:
        raise Unreachable(
            f"The warehouse at {where} stopped answering: {_first_line(error)}; see `assay status`."
        ) from error
    except (requests.ConnectionError, requests.Timeout, TimeoutError, ConnectionError) as error:
        raise Unreachable(
            f"The warehouse at {where} does not answer: {type(error).__name__}; see `assay status`."
        ) from error
    except GoogleAuthError as error:
        raise UsageError(
            f"No credentials for {where}: {_first_line(error)}; run `gcloud auth application-default login`."
        ) from error
    except exceptions.GoogleAPICallError as error:
        raise UsageError(f"{where} refused the request: {error.message}") from error


Reachable = Callable[[Settings], AbstractContextManager[None]]


def short_retry() -> Retry:
    """Transient faults are retried for half a minute, not for the library's ten."""
    from google.cloud.bigquery.retry import DEFAULT_RETRY

    return DEFAULT_RETRY.with_timeout(RETRY_SECONDS)


def _connect(settings: Settings) -> bigquery.Client:
    from google.api_core.client_options import ClientOptions
    from google.auth.credentials import AnonymousCredentials
    from google.cloud import bigquery

    if settings.bigquery_endpoint is None:
        with reachable(settings):
            return bigquery.Client(project=settings.project, location=settings.location)
    return bigquery.Client(
        project=settings.project,
        location=settings.location,
        credentials=AnonymousCredentials(),
        client_options=ClientOptions(api_endpoint=settings.bigquery_endpoint), 
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
        kind = TYPE_NAMES[type(value[0])] if value else "STRING"
        return bigquery.ArrayQueryParameter(name, kind, list(value))
    return bigquery.ScalarQueryParameter(name, TYPE_NAMES.get(type(value), "STRING"), value)


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
