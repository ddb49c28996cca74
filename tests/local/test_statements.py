"""No statement of a client reads or writes a file, loads an extension or reaches the network, wherever it is sent."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.emulator import PROJECT, TOKEN, Endpoints, running_emulator
from tests.local.conftest import free_ports

WORD = "word-that-no-answer-may-contain"
API = f"/bigquery/v2/projects/{PROJECT}"
READS = (
    *("select * from read_csv('{file}')", "select * from read_csv_auto('{file}')", "select * from read_text('{file}')"),
    *("select * from read_blob('{file}')", "select * from read_json('{file}')", "select * from sniff_csv('{file}')"),
    *("select * from `read_text`('{file}')", "select * from read_text/* ( */ ('{file}')", "from read_text('{file}')"),
    *("select * from '{file}'", "select * from `{file}`", "select * from glob('{folder}/*')", "summarize '{file}'"),
    *("select * from st_read('{file}')", "select * from query('from read_text(''{file}'')')"),
    *("select * from read_parquet('{file}')", "select * from main.read_text('{file}')"),
    *("select (select content from read_text('{file}'))", "describe select * from read_text('{file}')"),
    *("select * from read_blob('{data}/bqemulator.duckdb')", "explain analyze select * from read_text('{file}')"),
    *("select * from read_csv('https://127.0.0.1:1/x.csv')", "select * from read_text('s3://bucket/x')"),
    *(
        "select * from d.t for system_time as of (select timestamp(content) from read_text('{file}'))",
        "call glob('/*')",
    ),
    "select * from json_execute_serialized_sql(json_serialize_sql('from read_text(''{file}'')'))",
    *("load data into d.t from files (format='CSV', uris=['file://{file}'])", "copy d.t from '{file}'"),
    *("create external table d.x options (format='CSV', uris=['file://{file}'])", "import database '{folder}'"),
    *("insert into d.t select 1 from read_text('{file}')", "delete from d.t where exists (from read_text('{file}'))"),
    *("create table d.c as select * from read_text('{file}')", "create view d.v as select * from read_csv('{file}')"),
    *("create function d.f() as ((select content from read_text('{file}')))", "attach '{file}' as x"),
    "create table function d.g() as select * from read_csv('{file}')",
)
WRITES = (
    *("copy (select 1) to '{out}'", "copy d.t to '{out}'", "select 1; copy (select 1) to '{out}'"),
    *("export database '{out}'", "attach '{out}' as x", "set profiling_output = '{out}'", "pragma enable_profiling"),
    *("begin copy (select 1) to '{out}'; end", """execute immediate "copy (select 1) to '{out}'" """),
    "export data options (uri='gs://bucket/{out}*.csv', format='CSV') as select 1",
    "export data options (uri='file://{out}', format='CSV') as select 1",
    *("copy (select 1) to '{data}/bqemulator.duckdb.wal'", "create persistent secret x (type http)", "vacuum"),
)
SETTINGS = (
    *("set enable_external_access = true", "pragma enable_object_cache", "set global temp_directory = '{out}'"),
    *("install httpfs", "load httpfs", "load '{file}'", "install '{file}'", "force install httpfs", "checkpoint"),
    *(
        "select * from duckdb_secrets()",
        "select getenv('HOME')",
        "create secret x (type s3)",
        "reset lock_configuration",
    ),
    "create function d.py() returns string language python as 'import os'",
)
EVERY = (*READS, *WRITES, *SETTINGS)
SOME = (READS[0], READS[2], WRITES[0], WRITES[3], SETTINGS[0])


@dataclass(frozen=True)
class Place:
    """An emulator, a file that it must not read, and a folder that it must not write to."""

    endpoints: Endpoints
    folder: Path

    def text(self, template: str) -> str:
        """The statement about these files."""
        names = {"file": self.folder / "words.csv", "folder": self.folder, "out": self.folder / "out.csv"}
        for name, value in {**names, "data": self.folder.parent / "emulator" / "data"}.items():
            template = template.replace(f"{{{name}}}", str(value))
        return template

    def send(self, method: str, path: str, document: object = None) -> tuple[int, str]:
        """Status and text of the answer."""
        host = self.endpoints.rest.removeprefix("http://")
        with contextlib.closing(http.client.HTTPConnection(host, timeout=60)) as connection:
            body = None if document is None else json.dumps(document)
            headers = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"}
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            return answer.status, answer.read().decode()

    def query(self, sql: str) -> tuple[int, str]:
        return self.send("POST", f"{API}/queries", {"query": sql, "useLegacySql": False})


def job(place: Place, **configuration: object) -> tuple[int, str]:
    """A job, with the rows that it returned."""
    status, text = place.send("POST", f"{API}/jobs", {"configuration": configuration})
    if status != 200:
        return status, text
    rows = place.send("GET", f"{API}/queries/{json.loads(text)['jobReference']['jobId']}")[1]
    return status, text + rows


def table(place: Place, kind: str, sql: str) -> tuple[int, str]:
    document = {"tableReference": {"projectId": PROJECT, "datasetId": "d", "tableId": kind}, kind: {"query": sql}}
    made = place.send("POST", f"{API}/datasets/d/tables", document)
    read = place.query(f"select * from d.{kind}") if made[0] == 200 else (200, "")
    place.send("DELETE", f"{API}/datasets/d/tables/{kind}")
    return made if made[0] != 200 else (read[0], made[1] + read[1])


def routine(place: Place, kind: str, body: str, call: str) -> tuple[int, str]:
    reference = {"projectId": PROJECT, "datasetId": "d", "routineId": "r"}
    document = {"routineReference": reference, "routineType": kind, "language": "SQL", "definitionBody": body}
    made = place.send("POST", f"{API}/datasets/d/routines", document)
    called = place.query(call) if made[0] == 200 else (200, "")
    place.send("DELETE", f"{API}/datasets/d/routines/r")
    return made if made[0] != 200 else (called[0], made[1] + called[1])


ENTRIES: dict[str, Callable[[Place, str], tuple[int, str]]] = {
    "jobs.query": Place.query,
    "jobs.insert": lambda place, sql: job(place, query={"query": sql, "useLegacySql": False}),
    "dry run": lambda place, sql: job(place, query={"query": sql, "useLegacySql": False}, dryRun=True),
    "destination": lambda place, sql: job(
        place,
        query={
            "query": sql,
            "useLegacySql": False,
            "destinationTable": {"projectId": PROJECT, "datasetId": "d", "tableId": "kept"},
        },
    ),
    "script": lambda place, sql: place.query(f"begin\n{sql};\nend"),
    "dynamic": lambda place, sql: place.query(f"execute immediate {json.dumps(sql)}"),
    "view": lambda place, sql: table(place, "view", sql),
    "materialized view": lambda place, sql: table(place, "materializedView", sql),
    "function": lambda place, sql: routine(place, "SCALAR_FUNCTION", f"({sql})", "select d.r()"),
    "table function": lambda place, sql: routine(place, "TABLE_VALUED_FUNCTION", sql, "select * from d.r()"),
    "procedure": lambda place, sql: routine(place, "PROCEDURE", f"begin {sql}; end", "call d.r()"),
    "common table": lambda place, sql: place.query(f"with x as ({sql}) select * from x"),
    "parameter default": lambda place, sql: place.query(f"declare x string default ({sql}); select x"),
}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    root = tmp_path_factory.mktemp("statements")
    folder = root / "outside"
    folder.mkdir()
    (folder / "words.csv").write_text(f"word\n{WORD}\n")
    with running_emulator(root / "emulator", as_shipped=True) as endpoints:
        made = Place(endpoints, folder)
        reference = {"datasetReference": {"projectId": PROJECT, "datasetId": "d"}}
        assert made.send("POST", f"{API}/datasets", reference)[0] == 200
        assert "errors" not in json.loads(made.query("create table d.t as select 1 as a")[1])
        yield made


def refused(place: Place, entry: str, template: str) -> None:
    before = sorted(place.folder.parent.glob("*")) + sorted(place.folder.glob("*"))
    status, text = ENTRIES[entry](place, place.text(template))
    assert WORD not in text
    assert sorted(place.folder.parent.glob("*")) + sorted(place.folder.glob("*")) == before
    if entry.startswith("jobs."):  # others may keep or cut a statement that they never run
        assert status >= 400 or '"error' in text, text
    assert '"rows":[{"f":[{"v":"1"}]}]' in place.query("select count(*) from d.t")[1]


@pytest.mark.parametrize("template", EVERY)
def test_no_statement_reaches_a_file_or_a_setting(place: Place, template: str) -> None:
    refused(place, "jobs.query", template)


@pytest.mark.parametrize("entry", [entry for entry in ENTRIES if entry != "jobs.query"])
def test_no_entry_lets_a_statement_through(place: Place, entry: str) -> None:
    for template in SOME:
        refused(place, entry, template)


@pytest.mark.verify
@pytest.mark.parametrize("entry", list(ENTRIES))
def test_no_entry_lets_any_statement_through(place: Place, entry: str) -> None:
    for template in EVERY:
        refused(place, entry, template)


@pytest.mark.parametrize(
    "uri", ["{file}", "file://{file}", "gs://bucket/{file}", "file://{data}/uploads/../../../{file}"]
)
def test_jobs_neither_load_nor_extract_files(place: Place, uri: str) -> None:
    reference = {"projectId": PROJECT, "datasetId": "d", "tableId": "loaded"}
    given = {"sourceUris": [place.text(uri)], "sourceFormat": "CSV"}
    for more in ({"autodetect": True}, {"schema": {"fields": [{"name": "word", "type": "STRING"}]}}):
        text = job(place, load={**given, **more, "destinationTable": reference})[1]
        assert '"error' in text
        assert WORD not in text + place.query("select * from d.loaded")[1]
    out = place.text(uri.replace("{file}", "{out}"))
    source = {"projectId": PROJECT, "datasetId": "d", "tableId": "t"}
    assert '"error' in job(place, extract={"sourceTable": source, "destinationUris": [out]})[1]
    assert not Path(place.text("{out}")).exists()


@pytest.mark.parametrize(
    "restriction", ["exists (select 1 from read_text('{file}'))", "1=1); copy (select 1) to '{out}'"]
)
def test_a_storage_read_has_no_statement_in_its_restriction(place: Place, restriction: str) -> None:
    import grpc
    from google.cloud.bigquery_storage_v1 import types
    from google.cloud.bigquery_storage_v1.services.big_query_read import transports

    path = f"projects/{PROJECT}/datasets/d/tables/t"
    options = types.ReadSession.TableReadOptions(row_restriction=place.text(restriction))
    session = types.ReadSession(table=path, data_format=types.DataFormat.ARROW, read_options=options)
    request = types.CreateReadSessionRequest(parent=f"projects/{PROJECT}", read_session=session, max_stream_count=1)
    metadata = [("authorization", f"Bearer {TOKEN}")]
    with grpc.insecure_channel(place.endpoints.grpc, options=[("grpc.enable_http_proxy", 0)]) as channel:
        transport = transports.BigQueryReadGrpcTransport(channel=channel)
        with pytest.raises(grpc.RpcError):
            transport.create_read_session(request, metadata=metadata, timeout=30)
    assert not Path(place.text("{out}")).exists()


def test_a_file_that_the_client_uploads_is_loaded(place: Place) -> None:
    from io import BytesIO

    from google.cloud import bigquery
    from google.oauth2.credentials import Credentials

    options = {"api_endpoint": place.endpoints.rest}
    client = bigquery.Client(project=PROJECT, credentials=Credentials(TOKEN), client_options=options)
    config = bigquery.LoadJobConfig(source_format="CSV", skip_leading_rows=1, autodetect=True)
    client.load_table_from_file(BytesIO(b"a,b\n1,x\n2,y\n"), "d.uploaded", job_config=config, timeout=30).result(
        timeout=30
    )
    assert [tuple(row) for row in client.query("select * from d.uploaded order by a").result(timeout=30)] == [
        (1, "x"),
        (2, "y"),
    ]


def test_the_data_of_an_emulator_without_the_guard_opens_and_its_views_read_no_files(tmp_path: Path) -> None:
    folder = tmp_path / "outside"
    folder.mkdir()
    (folder / "words.csv").write_text(f"word\n{WORD}\n")
    with unguarded(tmp_path / "emulator") as endpoints:
        before = Place(endpoints, folder)
        before.send("POST", f"{API}/datasets", {"datasetReference": {"projectId": PROJECT, "datasetId": "d"}})
        before.query("create table d.t as select 1 as a")
        before.query(before.text("create view d.leak as select * from read_csv('{file}')"))
        before.query(before.text("copy (select 1) to '{out}'"))
        assert WORD in before.query("select * from d.leak")[1]
        assert Path(before.text("{out}")).exists()  # so the tests above can fail
    with running_emulator(tmp_path / "emulator", as_shipped=True) as endpoints:
        after = Place(endpoints, folder)
        assert '"rows":[{"f":[{"v":"1"}]}]' in after.query("select a from d.t")[1]
        text = after.query("select * from d.leak")[1]
        assert '"error' in text
        assert WORD not in text


@contextlib.contextmanager
def unguarded(folder: Path) -> Iterator[Endpoints]:
    """The emulator as its own package starts it, as earlier versions of the stack did."""
    rest, grpc = free_ports(2)
    folder.mkdir(exist_ok=True)
    command = [sys.executable, "-m", "bqemulator", "start", "--persistent", "--data-dir", str(folder / "data")]
    command += ["--rest-port", str(rest), "--grpc-port", str(grpc), "--project", PROJECT, "--log-level", "warning"]
    with (folder / "first.log").open("wb") as log:
        process = subprocess.Popen(command, cwd=folder, stdout=log, stderr=log, env=dict(os.environ))
    endpoints = Endpoints(rest=f"http://127.0.0.1:{rest}", grpc=f"127.0.0.1:{grpc}", pid=process.pid)
    try:
        deadline = time.monotonic() + 60
        while not _is_ready(Place(endpoints, folder)):
            assert process.poll() is None and time.monotonic() < deadline, (folder / "first.log").read_text()[-2000:]
            time.sleep(0.1)
        yield endpoints
    finally:
        process.terminate()
        process.wait(timeout=60)


def _is_ready(place: Place) -> bool:
    try:
        return place.send("GET", f"{API}/datasets")[0] == 200
    except OSError:
        return False
