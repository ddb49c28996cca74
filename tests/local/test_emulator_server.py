"""The emulator goes on where as shipped it waits for ever: for queries that meet appends, and for clients that were killed."""

from __future__ import annotations

import subprocess
import sys
import threading
import uuid
from datetime import UTC, date, datetime
from pathlib import Path

from assay.records import Content
from assay.settings import Settings
from assay.warehouse.client import Warehouse
from assay.warehouse.landing import LandingWriter
from assay.warehouse.migrate import migrate
from tests.emulator import TOKEN, running_emulator

ROUNDS = 15
ROWS = 100
WITHIN_SECONDS = 120.0
LOST_CLIENTS = 12
"""More than the threads that the emulator as shipped has for appends, on a machine of up to four cores."""
CLIENT = """
import sys
from pathlib import Path
from tests.local.test_emulator_server import append_for_ever

append_for_ever(Path(sys.argv[1]), *sys.argv[2:])
"""
COUNT = "select record_id, count(distinct call_id) as calls from contents group by record_id"


def _content(number: int) -> Content:
    return Content(
        call_id=uuid.uuid4().hex,
        run_id="run",
        task="task",
        request_key="key",
        record_id=str(number),
        messages="[]",
        masking_version="off",
        data_date=date(2026, 11, 1),
        occurred_at=datetime.now(UTC),
        tenant_id="default",
    )


def _settings(root: Path, rest: str, grpc: str) -> Settings:
    return Settings(root=root, bigquery_endpoint=rest, bigquery_grpc_endpoint=grpc, local_token=TOKEN)


def _append(settings: Settings) -> None:
    writer = LandingWriter(Warehouse(settings))
    for _ in range(ROUNDS):
        writer.append([_content(number) for number in range(ROWS)])


def append_for_ever(root: Path, rest: str, grpc: str) -> None:
    """Several clients append at once and say so each time; the process is to be killed."""
    settings = _settings(root, rest, grpc)

    def client() -> None:
        while True:
            LandingWriter(Warehouse(settings)).append([_content(number) for number in range(ROWS)])
            sys.stdout.write("appended\n")
            sys.stdout.flush()

    for _ in range(LOST_CLIENTS):
        threading.Thread(target=client).start()


def _query(settings: Settings) -> None:
    warehouse = Warehouse(settings)
    for _ in range(ROUNDS):
        list(warehouse.stream(COUNT))


def test_queries_and_appends_at_the_same_time_all_end(tmp_path: Path) -> None:
    with running_emulator(tmp_path / "emulator", as_shipped=True) as endpoints:
        settings = _settings(tmp_path, endpoints.rest, endpoints.grpc)
        migrate(Warehouse(settings), report=lambda _: None)
        threads = [threading.Thread(target=work, args=(settings,), daemon=True) for work in (_append, _query) * 2]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(WITHIN_SECONDS)
        assert not any(thread.is_alive() for thread in threads)
        [total] = Warehouse(settings).stream("select count(*) as n from contents")
        assert total["n"] == 2 * ROUNDS * ROWS


def test_clients_that_are_killed_in_the_middle_of_an_append_keep_nobody_else_from_appending(tmp_path: Path) -> None:
    with running_emulator(tmp_path / "emulator", as_shipped=True) as endpoints:
        settings = _settings(tmp_path, endpoints.rest, endpoints.grpc)
        migrate(Warehouse(settings), report=lambda _: None)
        command = [sys.executable, "-c", CLIENT, str(tmp_path), endpoints.rest, endpoints.grpc]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as client:
            assert client.stdout is not None
            assert [client.stdout.readline() for _ in range(LOST_CLIENTS)] == ["appended\n"] * LOST_CLIENTS
            client.kill()
        done = threading.Thread(target=_append, args=(settings,), daemon=True)
        done.start()
        done.join(WITHIN_SECONDS)
        assert not done.is_alive()
