"""A warehouse's write API on the wire that keeps up with a million rows: it counts the rows of large tables and drops them.

The emulator takes a thousand rows a second, and 26 GB for a million records. Appends to the tables that grow with the
rows end here, decoded as they came; all others go on to the emulator, where a run is looked up.

    python -m tests.benchmarks.engine.write_endpoint EMULATOR_GRPC

It prints its address, and on a line of input what it has counted, as JSON.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import grpc
import pyarrow as pa
from google.cloud.bigquery_storage_v1.types import AppendRowsRequest, AppendRowsResponse

from tests.benchmarks.engine.children import plain_environment
from tests.paths import ROOT

SERVICE = "google.cloud.bigquery.storage.v1.BigQueryWrite"
KEYS = {"records": "record_id", "contents": "call_id", "responses": "call_id", "predictions": "record_id"}
"""The tables that grow, each with the column by which its rows are told apart."""
LONGEST_MESSAGE = 16_000_000
THREADS = 8


@dataclass
class Counter:
    """Rows of each run and table that came, and how many of them are different."""

    rows: dict[tuple[str, str], int] = field(default_factory=dict)
    different: dict[tuple[str, str], set[bytes]] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, table: str, batch: pa.RecordBatch) -> None:
        """The rows are counted by their run; a set holds eight bytes of each key."""
        runs, keys = batch.column("run_id").to_pylist(), batch.column(KEYS[table]).to_pylist()
        with self.lock:
            for run, key in zip(runs, keys, strict=True):
                place = (run, table)
                self.rows[place] = self.rows.get(place, 0) + 1
                self.different.setdefault(place, set()).add(hashlib.blake2b(key.encode(), digest_size=8).digest())

    def counts(self) -> dict[str, dict[str, list[int]]]:
        """Rows and different rows by run and table."""
        found: dict[str, dict[str, list[int]]] = {}
        with self.lock:
            for (run, table), rows in self.rows.items():
                found.setdefault(run, {})[table] = [rows, len(self.different[run, table])]
        return found


class AppendRows:
    """The method: a stream of requests, each answered in its turn."""

    def __init__(self, emulator: str, counter: Counter) -> None:
        self._counter = counter
        self._forward = grpc.insecure_channel(emulator, options=_options()).stream_stream(
            f"/{SERVICE}/AppendRows",
            request_serializer=AppendRowsRequest.serialize,
            response_deserializer=AppendRowsResponse.deserialize,
        )

    def __call__(self, requests: Iterator[Any], context: Any) -> Iterator[Any]:
        for request in requests:
            table = request.write_stream.split("/tables/")[1].split("/")[0]
            if table in KEYS:
                self._counter.add(table, _batch(request.arrow_rows))
                yield AppendRowsResponse(append_result={}, write_stream=request.write_stream)
            else:
                yield from self._forward(iter([request]), metadata=context.invocation_metadata(), timeout=60)


def _batch(rows: Any) -> pa.RecordBatch:
    schema = pa.ipc.read_schema(pa.py_buffer(rows.writer_schema.serialized_schema))
    return pa.ipc.read_record_batch(pa.py_buffer(rows.rows.serialized_record_batch), schema)


def _options() -> list[tuple[str, int]]:
    return [("grpc.max_receive_message_length", LONGEST_MESSAGE), ("grpc.max_send_message_length", LONGEST_MESSAGE)]


def serve(emulator: str) -> None:
    """Serves until its input ends."""
    counter = Counter()
    server = grpc.server(ThreadPoolExecutor(THREADS), options=_options())
    handler = grpc.stream_stream_rpc_method_handler(
        AppendRows(emulator, counter).__call__,
        request_deserializer=AppendRowsRequest.deserialize,
        response_serializer=AppendRowsResponse.serialize,
    )
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, {"AppendRows": handler}),))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    _tell(f"127.0.0.1:{port}")
    for _ in sys.stdin:
        _tell(json.dumps(counter.counts()))
    server.stop(None)


def _tell(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


@dataclass(frozen=True)
class WriteEndpoint:
    """The endpoint in its own process; `grpc` is host:port."""

    grpc: str
    process: subprocess.Popen[str]

    def landed(self, run_id: str) -> dict[str, list[int]]:
        """Rows and different rows of the run by table."""
        assert self.process.stdin is not None and self.process.stdout is not None
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        found: dict[str, dict[str, list[int]]] = json.loads(self.process.stdout.readline())
        return found.get(run_id, {})


@contextmanager
def running_write_endpoint(emulator: str) -> Iterator[WriteEndpoint]:
    """An endpoint in front of the emulator; it has ended after the block."""
    command = [sys.executable, "-m", __name__, emulator]
    with subprocess.Popen(
        command, cwd=ROOT, env=plain_environment(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None and process.stdout is not None
        try:
            yield WriteEndpoint(process.stdout.readline().strip(), process)
        finally:
            process.stdin.close()


if __name__ == "__main__":
    serve(sys.argv[1])
