"""The emulator as a service of the stack: the real one, with a real table."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from assay.errors import UsageError
from assay.local import emulator, stack
from assay.settings import Settings

Up = Callable[..., dict[str, stack.PartStatus]]
ROWS = [{"id": n, "text": f"row {n}"} for n in range(3)]


def client(settings: Settings):  # type: ignore[no-untyped-def]
    from google.api_core.client_options import ClientOptions
    from google.cloud import bigquery
    from google.oauth2.credentials import Credentials

    return bigquery.Client(
        project=settings.project,
        credentials=Credentials(settings.local_token),
        client_options=ClientOptions(api_endpoint=settings.bigquery_endpoint),
    )


def write_rows(settings: Settings) -> None:
    with client(settings) as warehouse:
        for statement in (
            "create schema dev_landing",
            "create table dev_landing.kept (id int64, text string)",
            "insert into dev_landing.kept values (0, 'row 0'), (1, 'row 1'), (2, 'row 2')",
        ):
            warehouse.query(statement, timeout=30).result(timeout=30)


def rows(settings: Settings) -> list[dict[str, object]]:
    with client(settings) as warehouse:
        found = warehouse.query("select id, text from dev_landing.kept order by id", timeout=30).result(timeout=30)
        return [dict(row.items()) for row in found]


def test_data_survive_down_and_up(settings: Settings, up: Up) -> None:
    up("warehouse")
    write_rows(settings)
    stack.down(settings, report=lambda _: None)
    kept = sorted(path.name for path in (settings.state_dir / "bigquery").iterdir())
    assert kept == ["bqemulator.duckdb", "uploads"]
    up("warehouse")
    assert rows(settings) == ROWS


def test_data_survive_a_killed_emulator_which_reads_as_dead_until_up(settings: Settings, up: Up) -> None:
    pid = up("warehouse")["warehouse"].pid
    assert pid is not None
    write_rows(settings)
    os.kill(pid, 9)
    time.sleep(0.5)
    assert stack.status(settings)[0].state == "dead"
    assert up("warehouse")["warehouse"].pid != pid
    assert rows(settings) == ROWS


def test_a_second_up_changes_nothing(up: Up) -> None:
    told: list[str] = []
    first = up("warehouse")
    assert up("warehouse", report=told.append) == first
    assert [line.startswith("warehouse: already running at http") for line in told] == [True]


def test_data_in_use_by_another_emulator_give_one_line_with_its_pid(tmp_path: Path, settings: Settings, up: Up) -> None:
    duckdb = pytest.importorskip("duckdb")
    folder = settings.state_dir / "bigquery"
    folder.mkdir(parents=True)
    with duckdb.connect(str(folder / "bqemulator.duckdb")), pytest.raises(UsageError) as stopped:
        up("warehouse")
    # DuckDB lets its own process open the file twice, another process not.
    assert f"is in use by process {os.getpid()}" in str(stopped.value)
    assert str(settings.state_dir / "logs" / "warehouse.log") in str(stopped.value)
    assert "\n" not in str(stopped.value)


def test_the_log_of_another_failure_is_not_taken_for_a_locked_file() -> None:
    assert emulator.explain_lock("OSError: [Errno 28] No space left on device") is None
