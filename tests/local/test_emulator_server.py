"""The emulator answers queries while it takes appends, which as shipped it does not: both wait for each other."""

from __future__ import annotations

import threading
import uuid
from datetime import UTC, date, datetime
from pathlib import Path

from assay.records import Content
from assay.settings import Settings
from assay.warehouse.client import Warehouse
from assay.warehouse.landing import LandingWriter
from assay.warehouse.migrate import migrate
from tests.emulator import running_emulator

ROUNDS = 15
ROWS = 100
WITHIN_SECONDS = 120.0
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


def _append(settings: Settings) -> None:
    writer = LandingWriter(Warehouse(settings))
    for _ in range(ROUNDS):
        writer.append([_content(number) for number in range(ROWS)])


def _query(settings: Settings) -> None:
    warehouse = Warehouse(settings)
    for _ in range(ROUNDS):
        list(warehouse.stream(COUNT))


def test_queries_and_appends_at_the_same_time_all_end(tmp_path: Path) -> None:
    with running_emulator(tmp_path / "emulator") as endpoints:
        settings = Settings(root=tmp_path, bigquery_endpoint=endpoints.rest, bigquery_grpc_endpoint=endpoints.grpc)
        migrate(Warehouse(settings), report=lambda _: None)
        threads = [threading.Thread(target=work, args=(settings,), daemon=True) for work in (_append, _query) * 2]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(WITHIN_SECONDS)
        assert not any(thread.is_alive() for thread in threads)
        [total] = Warehouse(settings).stream("select count(*) as n from contents")
        assert total["n"] == 2 * ROUNDS * ROWS
