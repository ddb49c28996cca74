"""The quick emulators of the tests return what the emulator of the local stack returns."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from google.api_core.exceptions import GoogleAPICallError
from google.cloud import bigquery
from google.oauth2.credentials import Credentials

from assay.records import Content
from assay.settings import Settings
from assay.warehouse.client import Warehouse
from assay.warehouse.landing import LandingWriter
from assay.warehouse.migrate import migrate
from tests.emulator import PROJECT, Endpoints, running_emulator

TIMEOUT_S = 60
Outcome = list[Any]
APPEND = "append"
COUNT_CALLS = "select record_id, count(distinct call_id) as calls from dev_landing.contents group by 1 order by 1"
ALL_ROWS = "select * from mine.items order by id"
STATEMENTS = (
    "create schema mine",
    "create table mine.items (id int64 not null, kind string, price numeric, seen_at timestamp, tags array<string>)",
    ALL_ROWS,
    """
    insert into mine.items (id, kind, price, seen_at, tags) values
        (1, 'a', 1.50, timestamp '2026-03-01 10:00:00+00', ['x', 'y']),
        (2, 'b', 2.25, timestamp '2026-03-02 10:00:00.123456+00', []),
        (3, 'a', null, null, ['z'])
    """,
    ALL_ROWS,
    "select kind, count(*) as n, sum(price) as total, avg(price) as mean from mine.items group by kind order by kind",
    "select id, rank() over (partition by kind order by price desc nulls last) as place from mine.items order by id",
    "select * from mine.items where true qualify row_number() over (partition by kind order by id desc) = 1 order by id",
    "select id, tag, pos from mine.items, unnest(tags) as tag with offset as pos order by id, pos",
    "select kind, array_agg(id order by id) as members from mine.items group by kind order by kind",
    "select safe_divide(1, 0) as nothing, 7 / 2 as half, div(7, 2) as whole, round(2.5) as up, 1e3 as wide",
    "select 1 / 0 as fails",
    "select date_trunc(date '2026-03-18', week(monday)) as week, format_date('%Y-%m', date '2026-03-18') as month",
    "select json_value('{\"a\": {\"b\": 1}}', '$.a.b') as b, to_json_string(struct(1 as x, 'y' as y)) as text",
    "select regexp_extract('run-12', r'run-(\\d+)') as number, split('a,b', ',') as parts, farm_fingerprint('a') as f",
    "select approx_quantiles(id, 2) as q, countif(price is null) as missing, logical_or(id > 2) as big from mine.items",
    "with a as (select 1 as x union all select 2) select a.x, b.x as y from a left join (select 2 as x) as b using (x) order by 1",
    "select @n + 1 as n, @text as text, id in unnest(@ids) as known from mine.items order by id",
    "select nope from mine.items",
    "select * from mine.nothing",
    "selec 1",
    "update mine.items set price = 9 where id = 3",
    "delete from mine.items where id = 2",
    """
    merge into mine.items as target
    using (select 1 as id, 'merged' as kind union all select 4, 'new') as source on target.id = source.id
    when matched then update set kind = source.kind
    when not matched then insert (id, kind) values (source.id, source.kind)
    """,
    ALL_ROWS,
    "alter table mine.items add column note string",
    ALL_ROWS,
    "create or replace table mine.items as select id, concat('k', kind) as kind, cast(id as float64) as price from mine.items",
    ALL_ROWS,
    "select kind, count(*) as n, sum(price) as total, avg(price) as mean from mine.items group by kind order by kind",
    "create or replace view mine.prices as select id, price * 2 as price from mine.items where price is not null",
    "select * from mine.prices order by id",
    "select table_name, table_type from mine.INFORMATION_SCHEMA.TABLES order by table_name",
    "declare n int64 default 3; set n = n + 1; select n;",
    COUNT_CALLS,
    APPEND,
    COUNT_CALLS,
    APPEND,
    COUNT_CALLS,
    "select * except (landed_at) from dev_landing.contents order by call_id",
    "truncate table mine.items",
    "drop table mine.items",
    ALL_ROWS,
)


def test_quick_emulator_returns_what_the_shipped_one_returns(tmp_path: Path) -> None:
    with running_emulator(tmp_path / "shipped", as_shipped=True) as endpoints:
        shipped = list(outcomes(endpoints))
    with running_emulator(tmp_path / "quick") as endpoints:
        quick = list(outcomes(endpoints))
    for statement, expected, found in zip(STATEMENTS, shipped, quick, strict=True):
        assert found == expected, statement
    failed = [statement for statement, outcome in zip(STATEMENTS, shipped, strict=True) if outcome[0] == "failed"]
    assert len(failed) == 5


def test_quick_emulators_share_no_tables(tmp_path: Path) -> None:
    with running_emulator(tmp_path / "one") as one, running_emulator(tmp_path / "other") as other:
        assert (one.pid, one.rest != other.rest) == (other.pid, True)
        run(client(one), "create schema mine")
        run(client(one), "create table mine.items as select 1 as id")
        assert run(client(one), ALL_ROWS)[0] == "done"
        assert run(client(other), ALL_ROWS)[0] == "failed"


def outcomes(endpoints: Endpoints) -> Iterator[Outcome]:
    """What each of the statements returned, one after the other."""
    settings = Settings(
        root=Path("nowhere"),
        bigquery_endpoint=endpoints.rest,
        bigquery_grpc_endpoint=endpoints.grpc,
        local_token=endpoints.token,
    )
    warehouse = Warehouse(settings)
    migrate(warehouse, report=lambda _: None)
    connection, appended = client(endpoints), 0
    for statement in STATEMENTS:
        if statement == APPEND:
            LandingWriter(warehouse).append([content(number) for number in range(appended, appended + 3)])
            appended += 3
            yield ["done"]
        else:
            yield run(connection, statement)


def run(connection: bigquery.Client, statement: str) -> Outcome:
    """Names, types and rows, or the error."""
    parameters: list[Any] = [
        bigquery.ScalarQueryParameter("n", "INT64", 41),
        bigquery.ScalarQueryParameter("text", "STRING", "it's"),
        bigquery.ArrayQueryParameter("ids", "INT64", [1, 4]),
    ]
    config = bigquery.QueryJobConfig(query_parameters=parameters if "@n" in statement else [], use_query_cache=False)
    try:
        job = connection.query(statement, job_config=config, timeout=TIMEOUT_S, job_retry=None)
        rows = job.result(timeout=TIMEOUT_S)
    except GoogleAPICallError as error:
        return ["failed", error.code, error.errors]
    fields = [(field.name, field.field_type, field.mode) for field in rows.schema]
    return ["done", job.statement_type, job.num_dml_affected_rows, fields, [tuple(row.values()) for row in rows]]


def client(endpoints: Endpoints) -> bigquery.Client:
    """A connection to the emulator."""
    return bigquery.Client(
        project=PROJECT, credentials=Credentials(endpoints.token), client_options={"api_endpoint": endpoints.rest}
    )


def content(number: int) -> Content:
    """One row of the landing table `contents`."""
    return Content(
        call_id=f"call-{number}",
        run_id="run",
        task="task",
        request_key="key",
        record_id=str(number % 2),
        messages='[{"role": "user"}]',
        masking_version="off",
        data_date=date(2026, 11, 1),
        occurred_at=datetime(2026, 11, 1, 12, tzinfo=UTC),
        tenant_id="default",
    )
