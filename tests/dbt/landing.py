"""Landing tables on an emulator, made from the schema files, and rows appended to them as the engine does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from assay.warehouse.schema import landing_tables
from tests.emulator import PROJECT, Endpoints

if TYPE_CHECKING:
    import pandas as pd
    from google.cloud import bigquery

TIMEOUT_S = 30.0
ROWS_A_REQUEST = 2000

Rows = Mapping[str, Sequence[Mapping[str, Any]]]
"""Landing table to its rows; a row may leave out nullable columns."""


def connect(endpoints: Endpoints) -> bigquery.Client:
    """A client of the emulator."""
    from google.api_core.client_options import ClientOptions
    from google.cloud import bigquery
    from google.oauth2.credentials import Credentials

    options = ClientOptions(api_endpoint=endpoints.rest)
    return bigquery.Client(project=PROJECT, credentials=Credentials(endpoints.token), client_options=options)


def create_landing(endpoints: Endpoints, *, env: str) -> None:
    """The landing dataset of `env` has every table of the schema files, empty."""
    from google.cloud import bigquery

    client = connect(endpoints)
    client.create_dataset(f"{PROJECT}.{env}_landing", timeout=TIMEOUT_S)
    for schema in landing_tables().values():
        table = bigquery.Table(f"{PROJECT}.{env}_landing.{schema.name}", schema=schema.bigquery_fields())
        table.time_partitioning = bigquery.TimePartitioning(field=schema.partition)
        table.clustering_fields = list(schema.cluster)
        client.create_table(table, timeout=TIMEOUT_S)


def append(endpoints: Endpoints, rows: Rows, *, env: str) -> None:
    """The rows are in the landing tables of `env`."""
    import grpc
    from google.cloud.bigquery_storage_v1 import BigQueryWriteClient
    from google.cloud.bigquery_storage_v1.services.big_query_write.transports import BigQueryWriteGrpcTransport

    with grpc.insecure_channel(endpoints.grpc) as channel:
        client = BigQueryWriteClient(transport=BigQueryWriteGrpcTransport(channel=channel))
        for table, table_rows in rows.items():
            for start in range(0, len(table_rows), ROWS_A_REQUEST):
                request = _request(table, table_rows[start : start + ROWS_A_REQUEST], env=env)
                metadata = [("authorization", f"Bearer {endpoints.token}")]
                answers = list(client.append_rows(iter([request]), timeout=TIMEOUT_S, metadata=metadata))
                assert not any(answer.error.code or answer.row_errors for answer in answers), answers


def read(endpoints: Endpoints, relation: str) -> pd.DataFrame:
    """All rows of `dataset.relation`; NUMERIC comes as float, for comparison with a tolerance."""
    import pandas as pd

    rows = connect(endpoints).query(f"select * from {relation}", timeout=TIMEOUT_S).result(timeout=TIMEOUT_S)
    return pd.DataFrame([dict(row) for row in rows], columns=[field.name for field in rows.schema])


def _request(table: str, rows: Sequence[Mapping[str, Any]], *, env: str) -> Any:
    import pyarrow as pa
    from google.cloud.bigquery_storage_v1 import types

    schema = landing_tables()[table].arrow_schema()
    batch = pa.RecordBatch.from_pylist([dict(row) for row in rows], schema=schema)
    return types.AppendRowsRequest(
        write_stream=f"projects/{PROJECT}/datasets/{env}_landing/tables/{table}/streams/_default",
        arrow_rows=types.AppendRowsRequest.ArrowData(
            writer_schema=types.ArrowSchema(serialized_schema=schema.serialize().to_pybytes()),
            rows=types.ArrowRecordBatch(serialized_record_batch=batch.serialize().to_pybytes()),
        ),
    )
